"""`samekind compare`: results side by side, with what differs by more than chance, as a table or a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from samekind.cli.console import json_result, message, result, verb
from samekind.cli.galleries import short
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.evaluation.reports.compare import Comparison
    from samekind.evaluation.reports.write import MapWay

LAYOUTS = ("auto", "pca", "tsne", "none")


@verb
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE.json...", help="What evaluate --out wrote; all are compared with the first."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a report: page, table, plots, compare.json.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DIR|NAME", help="With --out: where the pictures are, to show them.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --out: where evaluate kept vectors, for the maps.")
    ] = None,
    layout: Annotated[
        str, typer.Option("--map", metavar="auto|pca|tsne|none", help="With --out: how the maps are laid out.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of the tests, the intervals and the maps.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write the comparison to standard output.")] = False,
) -> None:
    """Compare results: a table as in the papers, what differs by more than chance, and a report with pictures."""
    from samekind.evaluation.reports.compare import compare as compared

    if layout not in LAYOUTS:
        raise UsageError(f"There is no map {layout!r}: choose {', '.join(LAYOUTS)}.")
    if out is None and (data is not None or cache is not None):
        raise UsageError("--data and --cache belong to the report: give --out DIR too.")
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give --out a folder.")
    found = compared(files, seed=seed)
    if out is not None:
        _report(found, out, data, cache, cast("MapWay", layout), seed)
    if as_json:
        json_result(found.to_json())
        return
    from samekind.cli.compare_table import text

    result(text(found))


def _report(found: "Comparison", out: Path, data: str | None, cache: Path | None, layout: "MapWay", seed: int) -> None:
    from samekind.evaluation.reports.write import write

    written = write(found, out, data=data, cache=cache, way=layout, seed=seed, tell=message)
    for line in written.left_out:
        message(line)
    message(f"Wrote {short(str((out / 'index.html').absolute()))} and {len(written.files) - 1} more files.")
