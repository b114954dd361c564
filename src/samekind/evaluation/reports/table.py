"""Tables in the shape of the papers': one row for each method, one column for each pair, and the mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.differences import ALPHA, Difference, p_text
from samekind.evaluation.reports.files import Result
from samekind.evaluation.reports.seed_differences import SeedDifference

MARK = "*"
SEED_COLUMNS = ("method", "metric", "difference", "above 0", "p", "p, corrected")
READING = (
    "Figures lie between 0 and 1, higher is better. P@k: the share of the first k hits that show the query's class. "
    "mAP: the mean over queries of the average precision, which also counts how early the right pictures come. A pair "
    "reads queries → gallery. The mean counts each pair the same."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its name, whether its figures are published ones, and a cell for each column."""

    label: str
    cells: tuple[str, ...]
    published: bool = False


@dataclass(frozen=True, slots=True)
class MetricTable:
    """One metric over the pairs of one gallery; the last column is the mean."""

    metric: str
    group: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """`P@1`, with the gallery's name where it has one."""
        return f"{self.metric}, {self.group} gallery" if self.group else self.metric


def tables(comparison: Comparison) -> list[MetricTable]:
    """A table for each gallery and each metric of the headline."""
    first = comparison.first
    return [_table(comparison, metric, group) for group in first.groups for metric in first.headline]


def _table(comparison: Comparison, metric: str, group: str) -> MetricTable:
    first, members = comparison.first, comparison.first.members(group)
    columns = tuple(f"{first.pairs[n].query} → {first.pairs[n].gallery}" for n in members)
    rows = []
    for label, result in zip(comparison.labels, comparison.results, strict=True):
        cells = [
            f"{result.pairs[n].metrics[metric]:.4f}{_mark(comparison.difference(label, metric, n))}"
            if metric in result.pairs[n].metrics
            else ""
            for n in members
        ]
        mean = result.mean[group].get(metric)
        mark = _mark(comparison.difference(label, metric, None, group))
        sd = result.mean_sd(metric)
        apart = "" if sd is None else f" ± {sd:.4f}"
        rows.append(Row(label, (*cells, "" if mean is None else f"{mean:.4f}{apart}{mark}")))
    for each in comparison.published(group):
        if metric in each.mean:
            known = (each.of(metric, first.pairs[n].query, first.pairs[n].gallery) for n in members)
            cells = ["" if value is None else f"{value:.4f}" for value in known]
            rows.append(Row(each.label, (*cells, f"{each.mean[metric]:.4f}"), published=True))
    if chance := _chance(first, members, metric):
        rows.append(chance)
    return MetricTable(metric, group, (*columns, "mean"), tuple(rows))


def _chance(result: Result, members: Sequence[int], metric: str) -> Row | None:
    """What a gallery in random order brings, known for P@k; that of micro averages is another."""
    values = [result.pairs[n].chance for n in members]
    known = [value for value in values if value is not None]
    if not metric.startswith("P@") or len(known) < len(values) or result.micro:
        return None
    return Row("by chance", tuple(f"{value:.4f}" for value in (*known, sum(known) / len(known))))


def _mark(difference: Difference | None) -> str:
    return MARK if difference is not None and difference.significant else ""


def markdown(comparison: Comparison) -> str:
    """The whole comparison as Markdown: tables, differences with their intervals, sources, notes."""
    parts = [f"# {cell(title(comparison))}", "", cell(about(comparison)), "", READING, ""]
    for each in tables(comparison):
        parts += [f"## {cell(each.title)}", "", metric_markdown(each), ""]
    parts += [*_differences(comparison), *_seed_differences(comparison), *sources(comparison)]
    if comparison.notes:
        parts += ["## Notes", "", *(f"- {cell(note)}" for note in comparison.notes), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def title(comparison: Comparison) -> str:
    """Data, protocol and profile."""
    facts = comparison.first.facts
    return f"{facts['data']['name']}: {facts['protocol']}, profile {facts['profile']}"


def about(comparison: Comparison) -> str:
    """A sentence on what was asked and searched."""
    first = comparison.first
    queries, pairs = sum(pair.queries for pair in first.pairs), len(first.pairs)
    sizes = sorted({pair.gallery_size for pair in first.pairs})
    galleries = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    what = "one pair" if pairs == 1 else f"{pairs} pairs"
    data = first.facts["data"]["sha256"][:12]
    return f"{queries:,} queries over {what}, {galleries} pictures in a gallery. Data hash {data}."


def metric_markdown(table: MetricTable) -> str:
    """One table; published rows in italics, so that nobody takes them for measured here."""
    lines = [["method", *table.columns]]
    for row in table.rows:
        mark = "_" if row.published else ""
        lines.append([f"{mark}{cell(row.label)}{mark}", *(f"{mark}{each}{mark}" if each else "" for each in row.cells)])
    rule = ["---", *("---:" for _ in table.columns)]
    return "\n".join(f"| {' | '.join(line)} |" for line in ([cell(each) for each in lines[0]], rule, *lines[1:]))


def _differences(comparison: Comparison) -> list[str]:
    """Every tested difference, one metric after the other."""
    if not comparison.differences:
        return []
    parts = [f"## Differences to {cell(comparison.labels[0])}", "", cell(how_tested(comparison)), ""]
    for metric in comparison.tested:
        head = ("method", "pair", f"difference in {metric}", "95 % interval", "p", "p, corrected")
        parts += [f"| {' | '.join(head)} |", "| --- | --- | ---: | ---: | ---: | ---: |"]
        for one in (each for each in comparison.differences if each.metric == metric):
            label, pair, *numbers = difference_cells(comparison, one)
            parts.append(f"| {' | '.join((cell(label), cell(pair), *numbers))} |")
        parts.append("")
    return parts


def difference_cells(comparison: Comparison, each: Difference) -> tuple[str, ...]:
    """Method, pair, difference (marked where significant), interval, p, corrected p."""
    over = f"mean, {each.group} gallery" if each.group else "mean"
    pair = over if each.pair is None else comparison.first.pairs[each.pair].title
    interval = f"[{each.low:+.4f}, {each.high:+.4f}]"
    return each.label, pair, f"{each.value:+.4f}{_mark(each)}", interval, p_text(each.p), p_text(each.corrected)


def _seed_differences(comparison: Comparison) -> list[str]:
    """Every difference between studies over seeds."""
    if not comparison.by_seed:
        return []
    parts = [f"## {cell(seed_title(comparison))}", "", cell(how_tested_by_seed(comparison)), ""]
    parts += [f"| {' | '.join(SEED_COLUMNS)} |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    parts += [f"| {' | '.join(map(cell, seed_cells(each)))} |" for each in comparison.by_seed]
    return [*parts, ""]


def seed_title(comparison: Comparison) -> str:
    """What the differences over seeds are."""
    return f"Differences to {comparison.labels[0]}, seed by seed"


def seed_cells(each: SeedDifference) -> tuple[str, ...]:
    """What `SEED_COLUMNS` name."""
    mark = MARK if each.significant else ""
    count = f"{each.higher} of {len(each.seeds)}"
    spread = f"{each.mean:+.4f} ±{each.sd:.4f}"
    return each.label, each.metric, f"{spread}{mark}", count, p_text(each.p), p_text(each.corrected)


def how_tested_by_seed(comparison: Comparison) -> str:
    """What the differences over seeds are, and what their p says."""
    fewest = min(len(each.seeds) for each in comparison.by_seed)
    return (
        "The mean over pairs, one training beside the other with the same seed: mean and standard deviation of the "
        "differences, and how many seeds it is above 0 with. Fisher's randomisation swaps the two at random, seed by "
        f"seed: p says whether other trainings would agree, not whether other queries would. With {fewest} seeds it "
        f"cannot fall below {p_text(2 / 2**fewest)}. {MARK}: corrected p (Holm, for each metric) below {ALPHA:g}."
    )


def how_tested(comparison: Comparison) -> str:
    """What `*`, the intervals and the p values are."""
    tests = sum(each.metric == comparison.tested[0] and each.pair is not None for each in comparison.differences)
    none = "" if any(each.significant for each in comparison.differences) else "; here nothing does"
    return (
        f"{MARK}: differs from {comparison.labels[0]} by more than chance (corrected p below {ALPHA:g}){none}. Tested "
        f"are {', '.join(comparison.tested)}. Both answer the same queries, so the test is paired: Fisher's "
        "randomisation swaps the two answers to a query at random, and p is how often that gives a difference at least "
        "as large. Intervals are paired bootstraps over queries. Holm's correction covers the "
        f"{tests} tests of pairs for each metric; the means are corrected among themselves."
    )


def sources(comparison: Comparison) -> list[str]:
    """Where published figures are from, as Markdown lines; none where there are no such figures."""
    found = sources_told(comparison)
    if not found:
        return []
    return ["## Published figures", "", found[0], "", *(f"- {cell(line)}" for line in found[1:]), ""]


def sources_told(comparison: Comparison) -> list[str]:
    """A sentence on what published figures are, then a line for each."""
    found = [each for group in comparison.first.groups for each in comparison.published(group)]
    if not found:
        return []
    told = "Not measured here: copied from the papers. docs/evaluation.md says where their code and ours differ."
    return [told, *(f"{each.method}: {each.source}; {each.backbone}; {each.over}." for each in found)]


def cell(text: str) -> str:
    """Text that can do no harm in a Markdown table: no line breaks, no cells, no markup."""
    seen = "".join(c if c.isprintable() else " " for c in text)
    for sign, instead in (
        ("\\", "\\\\"),
        ("&", "&amp;"),
        ("<", "&lt;"),
        ("|", "\\|"),
        ("`", "\\`"),
        ("*", "\\*"),
        ("[", "\\["),
    ):
        seen = seen.replace(sign, instead)
    return seen
