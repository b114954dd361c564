"""`samekind index`: pictures into a gallery."""

from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import json_result, message, printable, result, verb
from samekind.cli.galleries import open_filled, short
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.gallery.report import IngestReport
    from samekind.gallery.store import Gallery


@verb
def index(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Folders (recursive), pictures, lists of paths or URLs (.txt), manifests (.csv, .jsonl, .parquet); "
            "all of them on disk or in object storage (s3://BUCKET/..., gs://BUCKET/...).",
        ),
    ],
    gallery: Annotated[
        str,
        typer.Option(
            "--gallery",
            "-g",
            metavar="DIR",
            help="The gallery, made where there is none: a folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER.",
        ),
    ],
    retriever: Annotated[
        str | None,
        typer.Option(
            metavar="mini|DIR|HUB_ID", help="What encodes the pictures: by default what filled the gallery, or mini."
        ),
    ] = None,
    domain: Annotated[str | None, typer.Option(metavar="NAME", help="The domain of all these pictures.")] = None,
    domain_from_folder: Annotated[
        bool, typer.Option("--domain-from-folder", help="The first folder below a source names the domain.")
    ] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads that open pictures.")] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Open pictures in processes, not in threads: one that crashes or hangs its decoder is skipped.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Encode on a Ray cluster: HOST:PORT, local for one of this machine alone, or nothing for RAY_ADDRESS, "
            "else what runs here, else local. Its machines must see the pictures at the same paths.",
        ),
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option(
            "--allow-urls", help="Fetch pictures from addresses that are named one by one, or that lists name."
        ),
    ] = False,
    ann: Annotated[
        bool | None,
        typer.Option(
            "--ann/--no-ann",
            help="Build an index for approximate searches, or remove it for good; by default large galleries get one.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON to standard output.")] = False,
) -> None:
    """Encode pictures into a gallery; only what is new or changed is read."""
    if domain is not None and domain_from_folder:
        raise UsageError("--domain and --domain-from-folder exclude each other: give one of them.")
    opened = _opened(gallery, retriever)
    from samekind.cli.progress import display

    with display() as show:
        report = opened.add(
            *sources,
            domain=domain,
            domain_from_folder=domain_from_folder,
            workers=workers,
            allow_urls=allow_urls,
            progress=show,
            ann=ann,
            ray=ray,
            processes=processes,
        )
    _tell_index(opened)
    if report.skipped:
        were = "picture was" if report.skipped == 1 else "pictures were"
        message(f"{report.skipped:,} {were} skipped; {short(str(opened.path / 'skipped.jsonl'))} says why.")
    if as_json:
        json_result(report.to_json())
    else:
        result(printable(summary(report, short(str(opened.path)))) + "\n")


def _tell_index(gallery: "Gallery") -> None:
    """What there is of an index, for people."""
    from samekind.gallery.ann.record import read_ann

    if known := read_ann(gallery.path, gallery.meta.uuid):
        message(known.summary())


def _opened(folder: str, retriever: str | None) -> "Gallery":
    """The gallery, made with the retriever asked for (or mini) where there is none."""
    from samekind.gallery.place import place_of
    from samekind.gallery.schema import META_NAME
    from samekind.gallery.store import Gallery

    if retriever is None and (place_of(folder) / META_NAME).exists():
        return open_filled(folder, None)
    from samekind.retriever.store import load

    return Gallery.open(folder, load(retriever or "mini"), create=True)


def summary(report: "IngestReport", gallery: str) -> str:
    """What was done, in one line: only what occurred is mentioned."""
    counts = ("new", "duplicates", "moved", "changed", "touched", "relabelled", "removed", "skipped", "unchanged")
    told = [f"{count:,} {name}" for name in counts if (count := getattr(report, name))]
    rate = f", {report.encoded / report.seconds:.1f} encoded/s" if report.encoded and report.seconds else ""
    done = ", ".join(told) or "nothing to do"
    return f"{gallery} holds {report.rows:,} pictures: {done} ({report.seconds:.1f} s{rate})."
