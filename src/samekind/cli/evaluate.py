"""`samekind evaluate`: how good retrievers are, on labelled pictures, by a protocol."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samekind.cli.console import command, json_result, message, result, verb
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.evaluation.report import Report
    from samekind.evaluation.run import Show

CLASSES_AT_MOST = 100_000  # bytes of a file that --classes names


@verb
def evaluate(
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[R]...", help="More retrievers, as after --retriever.", show_default=False),
    ] = None,
    retriever: Annotated[
        list[str] | None,
        typer.Option("--retriever", "-r", metavar="R...", help="mini, a folder, or a hub id; give several to compare."),
    ] = None,
    data: Annotated[
        str, typer.Option("--data", metavar="DIR|NAME", help="root/domain/class/picture, or NAME:DIR.")
    ] = "",
    protocol: Annotated[
        str, typer.Option(metavar="ucdir|ucdr|uccdr|udcdr", help="What asks, what is searched.")
    ] = "ucdir",
    pairs: Annotated[
        str | None, typer.Option(metavar="a:b,...", help="Query and gallery domains; by default those of the protocol.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="a,b,...|FILE", help="Nothing but these classes; a file has one a line.")
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="clean|paper", help="Held-out pictures and plain means, or as the public code does.")
    ] = "clean",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the result; FILE-NAME.json for several retrievers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output.")] = False,
    trec: Annotated[Path | None, typer.Option(metavar="DIR", help="Write TREC runs and qrels.")] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where vectors are kept; by default your cache folder.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap intervals.")] = 0,
    with_domains: Annotated[
        bool, typer.Option("--with-domains", help="Tell the retriever each picture's domain, also the query's.")
    ] = False,
    seen: Annotated[
        str | None, typer.Option(metavar="train+val|train", help="ucdr: the seen classes of the mixed gallery.")
    ] = None,
    mixed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ucdr: a stored list of what the mixed gallery adds.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Encode on a Ray cluster, as `samekind index` does; figures do not depend on it.",
        ),
    ] = None,
) -> None:
    """Evaluate retrievers on labelled pictures: each domain's pictures ask the other domains for their class."""
    if not data:
        raise UsageError("--data is missing: give a folder root/domain/class/picture, or NAME:DIR of a known data set.")
    from samekind.evaluation.run import evaluate_all as run

    with showing() as show:
        reports = run(
            [*(retriever or []), *(more or [])] or ["mini"],
            data,
            protocol=protocol,
            profile=profile,
            pairs=pairs,
            classes=None if classes is None else class_names(classes),
            seen=seen,
            mixed=mixed,
            seed=seed,
            out=out,
            trec=trec,
            cache=cache,
            with_domains=with_domains,
            ray=ray,
            command=command(),
            progress=show,
        )
    for report in reports:
        remark(report)
    if as_json:
        told = [report.to_json() for report in reports]
        json_result(told[0] if len(told) == 1 else told)
        return
    from samekind.cli.evaluate_table import text

    result("\n".join(text(report.to_json()) for report in reports))


def class_names(given: str) -> list[str]:
    """`a,b,c`, or the lines of a file; raises UsageError for a file that cannot be read or names nothing."""
    file = Path(given).expanduser()
    if file.suffix == ".txt" or (file.is_file() and "," not in given):
        try:
            if file.stat().st_size > CLASSES_AT_MOST:
                raise UsageError(f"{file} is too large to be a list of class names.")
            names = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--classes {given} cannot be read: {error}.") from error
    else:
        names = given.split(",")
    found = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise UsageError(f"--classes {given} names no class.")
    return found


def remark(report: "Report") -> None:
    """What a user should know about a run besides its figures, on standard error."""
    name = report.retriever["name"]
    if report.skipped:
        first = report.skipped[0]
        were = "file was" if len(report.skipped) == 1 else "files were"
        message(f"{name}: {len(report.skipped):,} {were} skipped, such as {first.uri} ({first.reason}).")
    if report.fault:
        message(f"{name}: vectors are not kept for the next time: {report.fault}.")


@contextmanager
def showing() -> "Iterator[Show]":
    """A function that shows how far hashing and encoding are: a bar on a terminal, lines in a log."""
    from samekind.cli.progress import display
    from samekind.evaluation.features import Progress
    from samekind.gallery.report import Progress as Shown

    with ExitStack() as stack:
        doing: list[Any] = [None, None]

        def show(name: str, told: Progress) -> None:
            if name != doing[0]:
                stack.close()
                doing[:] = name, stack.enter_context(display(f"encoding with {name}" if name else "hashing"))
            done = told.done + told.skipped
            rate = done / told.seconds if told.seconds > 0 else 0.0
            left = (told.total - told.cached - done) / rate if rate else None
            doing[1](Shown(told.total, told.done, told.skipped, told.cached, rate, left))

        yield show
