"""A comparison as tables for a terminal: a line for each pair, a column for each result."""

from rich.table import Table
from rich.text import Text

from samekind.cli.drawing import drawn, literal, table
from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.published import Published
from samekind.evaluation.reports.table import (
    MARK,
    SEED_COLUMNS,
    about,
    how_tested,
    how_tested_by_seed,
    seed_cells,
    seed_title,
    sources_told,
    title,
)


def text(comparison: Comparison) -> str:
    """The whole comparison for people; names in it may be hostile and are shown as they are, control signs escaped."""
    first = comparison.first
    tables = [_table(comparison, metric, group) for group in first.groups for metric in first.headline]
    tables += [_seed_table(comparison)] if comparison.by_seed else []
    below = (literal(line) for line in _below(comparison))
    return drawn(literal(title(comparison), "bold"), literal(about(comparison)), *tables, *below)


def _table(comparison: Comparison, metric: str, group: str) -> Table:
    """One metric over the pairs of one gallery, the means at the foot, then what papers report."""
    first, members = comparison.first, comparison.first.members(group)
    name = f"{metric}, {group} gallery" if group else metric
    found = table(name)
    found.add_column("query")
    found.add_column("gallery")
    chance = metric.startswith("P@") and not first.micro
    if chance:
        found.add_column("chance", justify="right")
    for label in comparison.labels:
        found.add_column(literal(label), justify="right")
    reported = [each for each in comparison.published(group) if metric in each.mean]
    if reported:
        found.add_column("published", justify="right", style="italic")
    for n in members:
        pair = first.pairs[n]
        known = [] if not chance else [Text(_short(pair.chance), "dim")]
        values = [result.pairs[n].metrics.get(metric) for result in comparison.results]
        found.add_row(
            literal(pair.query),
            literal(pair.gallery),
            *known,
            *_cells(comparison, metric, n, group, values),
            *(_known(reported, metric, pair.query, pair.gallery) if reported else ()),
            end_section=n == members[-1],
        )
    means = [result.mean[group].get(metric) for result in comparison.results]
    mean = [Text(_mean_chance(comparison, group), "dim")] if chance else []
    found.add_row("mean", "", *mean, *_cells(comparison, metric, None, group, means))
    for each in reported:
        blank = [""] * (1 + len(mean) + len(comparison.labels))
        found.add_row(literal(f"{each.method}, {each.backbone}", "italic"), *blank, f"{each.mean[metric]:.4f}")
    return found


def _known(reported: list[Published], metric: str, query: str, gallery: str) -> list[Text]:
    """What papers report of one pair, as one cell."""
    values = [each.of(metric, query, gallery) for each in reported]
    return [Text(", ".join(f"{value:.4f}" for value in values if value is not None))]


def _cells(comparison: Comparison, metric: str, pair: int | None, group: str, values: list[float | None]) -> list[Text]:
    """A figure for each result, the best in bold, with its difference to the first."""
    best = max((value for value in values if value is not None), default=None)
    cells = []
    for label, result, value in zip(comparison.labels, comparison.results, values, strict=True):
        if value is None:
            cells.append(Text(""))
            continue
        cell = Text(f"{value:.3f}", "bold" if value == best and len(values) > 1 else "")
        sd = result.mean_sd(metric) if pair is None else result.pairs[pair].sd.get(metric)
        if sd is not None:
            cell.append(f" ±{_short(sd)}", "dim")
        found = comparison.difference(label, metric, pair, group)
        if found is not None:
            mark = MARK if found.significant else " "
            cell.append(
                f" {found.value:+.3f}{mark}",
                "green" if found.significant and found.value > 0 else "red" if found.significant else "",
            )
        cells.append(cell)
    return cells


def _seed_table(comparison: Comparison) -> Table:
    """How far each study is from the first, seed by seed."""
    found = table(seed_title(comparison))
    for n, name in enumerate(SEED_COLUMNS):
        found.add_column(name, justify="left" if n < 2 else "right")
    for n, each in enumerate(comparison.by_seed):
        last = n + 1 == len(comparison.by_seed) or comparison.by_seed[n + 1].metric != each.metric
        found.add_row(*map(literal, seed_cells(each)), end_section=last)
    return found


def _below(comparison: Comparison) -> list[str]:
    lines = [how_tested(comparison)] if comparison.differences else []
    lines += [how_tested_by_seed(comparison)] if comparison.by_seed else []
    return [*lines, *sources_told(comparison), *comparison.notes]


def _mean_chance(comparison: Comparison, group: str) -> str:
    values = [comparison.first.pairs[n].chance for n in comparison.first.members(group)]
    known = [value for value in values if value is not None]
    return _short(sum(known) / len(known)) if known and len(known) == len(values) else ""


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removeprefix("0")
