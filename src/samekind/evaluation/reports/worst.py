"""Which queries a reader should see: those that found least and most, and those where the retrievers part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.files import PairQueries

HITS = 6
ALONE, BESIDE = (6, 3), (3, 2)  # worst and best queries of a pair, of one result and of several
APART = 2
METRIC = "mAP@all"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one retriever found for a query: its average precision, the rank of the first relevant, the first hits."""

    label: str
    precision: float
    first: int
    hits: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """A query, its class, and every retriever's answer to it."""

    file: str
    label: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Some queries under a heading that says why these."""

    heading: str
    note: str
    queries: tuple[ShownQuery, ...]


def choices(comparison: Comparison, pair: int) -> list[Choice]:
    """The queries of one pair to show: worst, best, and for two results or more where the last gains and loses most.

    Of one result six and three; of several, whose answers stand below each other, three and two. Queries with nothing
    relevant in the gallery are left out: no answer to them could be right. Empty without tables of queries.
    """
    tables = {
        label: result.queries[pair]
        for label, result in zip(comparison.labels, comparison.results, strict=True)
        if result.queries
    }
    if not tables:
        return []
    values = _values(list(tables.values()))
    base = next(iter(tables.values()))
    can = np.flatnonzero(base.first > 0)
    mean = values.mean(axis=0)
    several = "the mean over the retrievers of " if len(tables) > 1 else ""
    how = f"By {several}average precision; at most one for each class while there are other classes."
    show = _shower(tables, base)
    worst, best = ALONE if len(tables) == 1 else BESIDE
    found = [
        Choice("Worst queries", how, show(_spread(base, can, mean, worst))),
        Choice("Best queries", how, show(_spread(base, can, -mean, best))),
    ]
    if len(tables) > 1:
        labels = list(tables)
        gain = values[-1] - values[0]
        better, worse = can[gain[can] > 0], can[gain[can] < 0]
        told = f"Average precision of {labels[-1]} minus that of {labels[0]}."
        found += [
            Choice(f"Where {labels[-1]} gains most", told, show(_spread(base, better, -gain, APART))),
            Choice(f"Where {labels[-1]} loses most", told, show(_spread(base, worse, gain, APART))),
        ]
    return [choice for choice in found if choice.queries]


def _values(tables: Sequence[PairQueries]) -> Float64[np.ndarray, "m q"]:
    """Average precision by method and query, in the order of the first table."""
    first = tables[0]
    return np.stack([table.values[METRIC][[table.rows[file] for file in first.files]] for table in tables])


def _spread(queries: PairQueries, rows: Int64[np.ndarray, " m"], by: Float64[np.ndarray, " q"], most: int) -> list[int]:
    """The rows with the lowest `by`, the first of each class before the second of any; equal ones by their file."""
    order = sorted(rows.tolist(), key=lambda row: (by[row], queries.files[row]))
    turn: dict[str, int] = {}
    ranked = []
    for place, row in enumerate(order):
        label = queries.labels[row]
        turn[label] = turn.get(label, 0) + 1
        ranked.append((turn[label], place, row))
    return [row for _, _, row in sorted(ranked)[:most]]


def _shower(tables: dict[str, PairQueries], base: PairQueries) -> Callable[[list[int]], tuple[ShownQuery, ...]]:
    def answer(label: str, table: PairQueries, file: str) -> Answer:
        row = table.rows[file]
        return Answer(label, float(table.values[METRIC][row]), int(table.first[row]), tuple(table.shown(row, HITS)))

    def show(rows: list[int]) -> tuple[ShownQuery, ...]:
        return tuple(
            ShownQuery(
                base.files[row],
                base.labels[row],
                tuple(answer(label, table, base.files[row]) for label, table in tables.items()),
            )
            for row in rows
        )

    return show
