"""`samekind search`: pictures of the same kind as a picture, a text, or a sum of them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import json_result, message, result, table, verb
from samekind.cli.galleries import open_filled, short
from samekind.errors import SamekindError, UsageError

if TYPE_CHECKING:
    from samekind.gallery.hits import Hits
    from samekind.gallery.query import Query


@verb
def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="Pictures' paths and texts, added up. A weight stands before a colon (2:dog), a lone - makes the next "
            "one negative.",
            show_default=False,
        ),
    ] = None,
    *,
    gallery: Annotated[str, typer.Option("--gallery", "-g", metavar="DIR", help="The gallery to search.")],
    queries: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Search with each of these pictures: a folder, a list (.txt), a manifest (.csv, .jsonl, .parquet), as "
            "`samekind index` takes them. A line of JSON answers each, in their order.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="With --queries: write here. Until all is there it is FILE.jsonl.part, which the same command goes on "
            "with after Ctrl-C or worse.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="K", min=1, help="How many hits.")] = 20,
    domain: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Keep hits of this domain (may be repeated).")
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="SQL", help='Keep hits for which this holds, as in "width > 500".')
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every picture, index or not.")] = False,
    retriever: Annotated[
        str | None, typer.Option(metavar="mini|DIR|HUB_ID", help="Where the gallery's retriever is, if it has moved.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with query and hits.")] = None,
    paths: Annotated[bool, typer.Option("--paths", help="Write the hits' paths alone, one per line.")] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="With --paths: end each with a zero byte, for xargs -0.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With --queries: threads that open pictures.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="With --queries: open pictures in processes, as `samekind index` does."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="With --queries: open and encode pictures on a Ray cluster, as `samekind index` does.",
        ),
    ] = None,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="With --queries: fetch pictures from addresses that lists name.")
    ] = False,
) -> None:
    """Find pictures of the same kind as a picture, a text, or a sum of them."""
    if as_json + paths + (html is not None) > 1:
        raise UsageError("--json, --html and --paths exclude each other: give one of them.")
    if null and not paths:
        raise UsageError("--null belongs to --paths: give both, or neither.")
    many = {"--out": out, "--workers": workers, "--processes": processes, "--ray": ray, "--allow-urls": allow_urls}
    if queries is not None:
        if query:
            raise UsageError("Give either words and pictures to add up, or --queries with pictures to search for each.")
        if as_json or paths or html is not None:
            raise UsageError("--queries writes lines of JSON: leave out --json, --html and --paths.")
        from samekind.cli.search_batch import search_batch
        from samekind.reading.choice import chosen_reader

        reader = chosen_reader(workers=workers, processes=processes, ray=ray, allow_urls=allow_urls)
        asked = (k, domain, where, exact, allow_urls)
        search_batch(queries, open_filled(gallery, retriever), out, reader, *asked)
        return
    if given := [name for name, value in many.items() if value]:
        raise UsageError(f"{given[0]} belongs to --queries: give both, or neither.")
    from samekind.gallery.query import Query

    parsed = Query.parse(query or [])
    opened = open_filled(gallery, retriever)
    _ = opened.retriever  # loaded here, so that the seconds reported are those of encoding alone
    hits = opened.search(query=parsed, k=k, domains=domain, where=where, exact=exact)
    if opened.trouble:
        message(opened.trouble)
    if as_json:
        json_result(hits.to_json())
    elif paths:
        end = b"\0" if null else b"\n"
        result(b"".join(os.fsencode(hit.uri) + end for hit in hits))
    elif html is not None:
        _write_page(html, parsed, hits)
    else:
        _print_table(hits)


def _print_table(hits: "Hits") -> None:
    rows = [(str(hit.rank), f"{hit.score:.3f}", hit.domain or "", short(hit.uri)) for hit in hits]
    result(table(("rank", "score", "domain", "uri"), rows) if rows else "")
    message(
        f"{len(hits):,} of {hits.rows:,} pictures, {hits.encode_seconds:.2f} s to encode the query, "
        f"{hits.search_seconds:.3f} s to search{'' if hits.exact else ' by the index'}."
    )


def _write_page(file: Path, query: "Query", hits: "Hits") -> None:
    """Query and hits side by side, as one file."""
    from samekind.gallery.page import Row, Section, render_page

    lead = f"{len(hits):,} of {hits.rows:,} pictures, best first, by the retriever {hits.retriever_name}."
    page = render_page("samekind search", [Section("", [Row(query.terms, list(hits))])], lead=lead)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SamekindError(f"the page cannot be written to {file}: {error.strerror}.") from error
    message(f"Wrote {file}.")
