"""`samekind data`: which data sets are known, what is known about them, and whether a copy is whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from samekind.cli.console import json_result, printable, result, verb

data = typer.Typer(
    name="data", help="Data sets: which are known, what is known about them, is a copy whole?", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]


@data.command("list")
@verb
def list_(as_json: Json = False) -> None:
    """List the data sets that samekind knows."""
    from samekind.datasets import DATASETS, dataset

    every = [dataset(name) for name in DATASETS]
    if as_json:
        json_result([overview(each) for each in every])
        return
    from samekind.cli.data_table import overviews

    result(overviews([overview(each) for each in every]))


@data.command()
@verb
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of `samekind data list`.")], as_json: Json = False
) -> None:
    """Show what is known about a data set, and where each fact is from."""
    from samekind.datasets import dataset

    facts = asdict(dataset(name))
    if as_json:
        json_result(facts)
        return
    from samekind.cli.data_table import lines

    result("".join(f"{printable(line)}\n" for line in lines(facts)))


@data.command()
@verb
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of `samekind data list`; folder for your own.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="The folder that holds its domains.")],
    as_json: Json = False,
) -> None:
    """Check a copy of a data set: is anything missing, surplus, broken, or there twice? Exit status 1 if so."""
    from samekind.datasets import dataset
    from samekind.datasets.check import check as run

    with showing() as tell:
        report = run(dataset(name), path, progress=tell)
    if as_json:
        json_result(report.to_json())
    else:
        from samekind.cli.data_table import checked

        result(checked(report))
    if not report.whole:
        raise typer.Exit(1)


def overview(declared: Any) -> dict[str, Any]:
    """A data set in one line: sizes as far as they are known for all domains."""
    sizes = [counts[0] for counts in declared.counts.values()]
    return {
        "name": declared.name,
        "title": declared.title,
        "domains": list(declared.domains),
        "classes": None if declared.classes is None else len(declared.classes),
        "pictures": sum(sizes) if sizes else None,
        "pictures_certain": all(declared.certain("counts", domain) for domain in declared.counts) if sizes else None,
        "splits": {split: len(names) for split, names in declared.class_splits.items()},
    }


@contextmanager
def showing() -> Iterator[Callable[[int, int, int], None]]:
    """A function that shows how far the check is: a bar on a terminal, a line every few seconds in a log."""
    from samekind.cli.progress import display
    from samekind.gallery.report import Progress

    began = time.monotonic()
    with display("checking") as show:

        def tell(done: int, total: int, broken: int) -> None:
            rate = done / max(time.monotonic() - began, 1e-9)
            show(Progress(total, done - broken, broken, 0, rate, (total - done) / rate if rate else None))

        yield tell
