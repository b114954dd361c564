"""How indexing and encoding show where they stand: a bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from samekind.cli.console import duration, message
from samekind.gallery.report import Progress

LOG_SECONDS = 5.0

Show = Callable[[Progress], None]


@contextmanager
def display(doing: str = "indexing") -> Iterator[Show]:
    """A function that shows each `Progress` on standard error, in the way that suits it; `doing` says what goes on."""
    if sys.stderr.isatty():
        with _bar(doing) as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bar(doing: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[told]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("listing pictures", total=None, told="")

        def show(progress: Progress) -> None:
            description = "listing pictures" if progress.total is None else doing
            told = _rate_and_time(progress)
            bars.update(task, description=description, total=progress.total, completed=_settled(progress), told=told)

        yield show


def _lines() -> Show:
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LOG_SECONDS:
            return
        last = now
        message(line(progress))

    return show


def line(progress: Progress) -> str:
    """One line of a log."""
    if progress.total is None:
        return "listing pictures"
    parts = [f"{_settled(progress):,} of {progress.total:,} pictures", _rate_and_time(progress)]
    if progress.skipped:
        parts.append(f"{progress.skipped:,} skipped")
    return ", ".join(part for part in parts if part)


def _settled(progress: Progress) -> int:
    return progress.done + progress.skipped + progress.unchanged


def _rate_and_time(progress: Progress) -> str:
    parts = [f"{progress.rate:.1f}/s"] if progress.rate > 0 else []
    if progress.eta is not None:
        parts.append(f"{duration(progress.eta)} left")
    return ", ".join(parts)
