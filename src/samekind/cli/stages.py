"""How training shows where it stands: a bar for each stage on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from samekind.cli.console import duration, message

LOG_SECONDS = 20.0

Show = Callable[[str, Mapping[str, float]], None]


class Pace:
    """How long a stage still takes, from the steps that this process saw of it."""

    def __init__(self, step: float) -> None:
        self.first, self.began = step, time.monotonic()

    def left(self, step: float, steps: float) -> float | None:
        """Seconds; None before the second report."""
        done = step - self.first
        return (time.monotonic() - self.began) / done * (steps - step) if done > 0 else None


@contextmanager
def display() -> Iterator[Show]:
    """A function that is told of a stage and its parts, on standard error: `step`, `steps`, and figures by name."""
    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, tuple[TaskID, Pace]] = {}

        def show(stage: str, parts: Mapping[str, float]) -> None:
            step, steps = parts["step"], parts["steps"]
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=int(steps), told=""), Pace(step)
            task, pace = tasks[stage]
            bars.update(task, completed=int(step), told=", ".join([*_left(pace, step, steps), *_figures(parts)]))

        yield show


def _lines() -> Show:
    paces: dict[str, Pace] = {}
    last = time.monotonic()

    def show(stage: str, parts: Mapping[str, float]) -> None:
        nonlocal last
        step, steps = parts["step"], parts["steps"]
        pace = paces.setdefault(stage, Pace(step))
        if step < steps and time.monotonic() - last < LOG_SECONDS:
            return
        last = time.monotonic()
        where = f"{stage} {int(step):,} of {int(steps):,}"
        message(", ".join([where, *_left(pace, step, steps), *_figures(parts)]))

    return show


def _left(pace: Pace, step: float, steps: float) -> list[str]:
    seconds = pace.left(step, steps)
    return [] if seconds is None or step >= steps else [f"{duration(seconds)} left"]


def _figures(parts: Mapping[str, float]) -> list[str]:
    return [f"{name} {value:.3f}" for name, value in parts.items() if name not in ("step", "steps")]
