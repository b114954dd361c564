"""A comparison as tables for a terminal: a line for each pair, a column for each result."""

import shutil
import sys
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from samekind.cli.console import printable
from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.table import MARK, about, how_tested, sources_told, title


def text(comparison: Comparison) -> str:
    """The whole comparison for people; names in it may be hostile and are shown as they are, control signs escaped."""
    file = StringIO()
    width = max(shutil.get_terminal_size((120, 24)).columns, 60)
    console = Console(file=file, width=width, force_terminal=sys.stdout.isatty(), highlight=False)
    console.print(_plain(title(comparison), "bold"))
    console.print(_plain(about(comparison)))
    first = comparison.first
    for group in first.groups:
        for metric in first.headline:
            console.print(_table(comparison, metric, group))
    for line in _below(comparison):
        console.print(_plain(line))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _plain(value: str, style: str = "") -> Text:
    """Text that rich takes literally."""
    return Text(printable(value), style)


def _table(comparison: Comparison, metric: str, group: str) -> Table:
    """One metric over the pairs of one gallery, the means at the foot, then what papers report."""
    first, members = comparison.first, comparison.first.members(group)
    name = f"{metric}, {group} gallery" if group else metric
    table = Table(title=_plain(name), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("query")
    table.add_column("gallery")
    chance = metric.startswith("P@") and not first.micro
    if chance:
        table.add_column("chance", justify="right")
    for label in comparison.labels:
        table.add_column(_plain(label), justify="right")
    reported = [each for each in comparison.published(group) if metric in each.mean]
    if reported:
        table.add_column("published", justify="right", style="italic")
    for n in members:
        pair = first.pairs[n]
        known = [] if not chance else [Text(_short(pair.chance), "dim")]
        values = [result.pairs[n].metrics.get(metric) for result in comparison.results]
        table.add_row(
            _plain(pair.query),
            _plain(pair.gallery),
            *known,
            *_cells(comparison, metric, n, group, values),
            end_section=n == members[-1],
        )
    means = [result.mean[group].get(metric) for result in comparison.results]
    mean = [Text(_mean_chance(comparison, group), "dim")] if chance else []
    table.add_row("mean", "", *mean, *_cells(comparison, metric, None, group, means))
    for each in reported:
        blank = [""] * (1 + len(mean) + len(comparison.labels))
        table.add_row(_plain(f"{each.method}, {each.backbone}", "italic"), *blank, f"{each.mean[metric]:.4f}")
    return table


def _cells(comparison: Comparison, metric: str, pair: int | None, group: str, values: list[float | None]) -> list[Text]:
    """A figure for each result, the best in bold, with its difference to the first."""
    best = max((value for value in values if value is not None), default=None)
    cells = []
    for label, value in zip(comparison.labels, values, strict=True):
        if value is None:
            cells.append(Text(""))
            continue
        cell = Text(f"{value:.3f}", "bold" if value == best and len(values) > 1 else "")
        found = comparison.difference(label, metric, pair, group)
        if found is not None:
            mark = MARK if found.significant else " "
            cell.append(
                f" {found.value:+.3f}{mark}",
                "green" if found.significant and found.value > 0 else "red" if found.significant else "",
            )
        cells.append(cell)
    return cells


def _below(comparison: Comparison) -> list[str]:
    lines = [how_tested(comparison)] if comparison.differences else []
    return [*lines, *sources_told(comparison), *comparison.notes]


def _mean_chance(comparison: Comparison, group: str) -> str:
    values = [comparison.first.pairs[n].chance for n in comparison.first.members(group)]
    known = [value for value in values if value is not None]
    return _short(sum(known) / len(known)) if known and len(known) == len(values) else ""


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removeprefix("0")
