"""`samekind search --queries`: a line of JSON for each of many pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from samekind.cli.console import INTERRUPTED, message, result
from samekind.cli.galleries import short

if TYPE_CHECKING:
    from samekind.gallery.store import Gallery
    from samekind.reading.opening import Reader


def search_batch(
    queries: str,
    gallery: "Gallery",
    out: Path | None,
    reader: "Reader",
    k: int,
    domains: Sequence[str] | None,
    where: str | None,
    exact: bool,
    allow_urls: bool,
) -> None:
    """Write the lines to standard output, or to a file that may be gone on with."""
    from samekind.cli.progress import display
    from samekind.gallery.batch import search_all

    try:
        with display("searching") as show:
            report = search_all(
                gallery,
                queries,
                out or result,
                k=k,
                domains=domains,
                where=where,
                exact=exact,
                allow_urls=allow_urls,
                reader=reader,
                progress=show,
            )
    except KeyboardInterrupt:
        if out is None:
            message("Interrupted. With --out FILE, the same command would go on from there.")
            raise typer.Exit(INTERRUPTED) from None
        raise
    if gallery.trouble:
        message(gallery.trouble)
    if report.skipped:
        were = "picture has" if report.skipped == 1 else "pictures have"
        such = f", such as {report.first.detail}" if report.first else ""
        message(f"{report.skipped:,} {were} an error for an answer{such}.")
    before = f", {report.before:,} of them by an earlier run" if report.before else ""
    how = "" if report.exact else ", some by the index"
    where_to = f"; {short(str(out.absolute()))} has them" if out else ""
    message(f"{report.total:,} answers from {gallery.rows:,} pictures{before}{how}{where_to}.")
