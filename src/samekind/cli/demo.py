"""`samekind demo`: a small world drawn, indexed, searched across styles, and shown on a page."""

from pathlib import Path
from typing import Annotated

import typer

from samekind.cli.console import result, verb


@verb
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where world, gallery and page are kept.")] = Path("demo"),
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your own domain/class/picture instead of the drawn world.")
    ] = None,
    retriever: Annotated[
        str, typer.Option(metavar="mini|DIR|HUB_ID", help="What encodes pictures and texts.")
    ] = "mini",
) -> None:
    """Draw a small world in four styles, index it, search it across styles, and show the hits on a page."""
    from samekind.cli.demo_run import run
    from samekind.retriever.store import load

    result(run(out, data, load(retriever)))
