"""Scoring one task: from vectors to the figures of a pair, and to one row for each query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int

from samekind.datasets.table import Table
from samekind.errors import SamekindError
from samekind.evaluation.features import Features
from samekind.evaluation.metrics import chance
from samekind.evaluation.protocols import Plan, Task
from samekind.evaluation.report import COLUMNS, KS, PairResult
from samekind.evaluation.run_intervals import figure
from samekind.evaluation.scoring import Scores, score_queries
from samekind.evaluation.spaces import Space
from samekind.evaluation.summary import Fraction, Interval, fractions, per_class

if TYPE_CHECKING:
    import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses

MAP_KS = (200, None)
METRICS = tuple(COLUMNS)
TOP = 10  # hits that the table of queries shows


@dataclass(frozen=True)
class Scored:
    """A task with the rows that have vectors, the scores of each query, and every metric as sums."""

    task: Task
    queries: Int[np.ndarray, " q"]
    gallery: Int[np.ndarray, " g"]
    scores: Scores
    metrics: Mapping[str, Fraction]


def score_task(task: Task, plan: Plan, features: Features, space: Space) -> Scored:
    """Score a task; rows whose picture could not be opened are left out. Raises SamekindError where none remains."""
    lost = np.array(sorted(features.skipped), np.int64)
    queries, gallery = (rows[~np.isin(rows, lost)] for rows in (task.query_rows, task.gallery_rows))
    for name, rows in ((task.query, queries), (task.gallery, gallery)):
        if not len(rows):
            raise SamekindError(
                f"No picture of {name} in {plan.table.name} can be opened, so there is nothing to score."
            )
    label = plan.table.label
    try:
        scores = score_queries(
            features.vectors[queries],
            label[queries],
            features.vectors[gallery],
            label[gallery],
            ks=KS,
            map_ks=MAP_KS,
            denominator=plan.rules.denominator,
            space=space,
            top=TOP,
        )
    except ValueError as error:
        raise SamekindError(
            f"The vectors of {task.query} (queries) and {task.gallery} (gallery) cannot be compared: {error} "
            "The retriever is damaged, or its precision too low for these pictures."
        ) from error
    parts = fractions(scores, plan.rules.average)
    return Scored(task, queries, gallery, scores, {name: parts[name] for name in METRICS})


def pair_result(
    scored: Scored, plan: Plan, contents: Sequence[str], intervals: Mapping[str, Interval], seed: int
) -> PairResult:
    """The figures of one pair; `contents` are the hashes of the table's files."""
    task, scores, label = scored.task, scored.scores, plan.table.label
    return PairResult(
        task.query,
        task.gallery,
        task.name,
        len(scored.queries),
        len(scored.gallery),
        len(task.query_rows) - len(scored.queries),
        len(task.gallery_rows) - len(scored.gallery),
        int((scores.relevant == 0).sum()),
        _copies(scored, contents),
        chance(label[scored.queries], label[scored.gallery]),
        {name: figure(scored.metrics[name]) for name in METRICS},
        intervals,
        _per_class(scored, plan, seed),
        _curve(scores),
        queries_table(scored, plan.table),
    )


def _copies(scored: Scored, contents: Sequence[str]) -> int:
    searched = {contents[row] for row in scored.gallery.tolist()}
    return sum(contents[row] in searched for row in scored.queries.tolist())


def _curve(scores: Scores) -> dict[str, list[int] | list[float]]:
    return {"k": [int(k) for k in scores.curve_ks], "P": [float(value) for value in scores.curve]}


def _per_class(scored: Scored, plan: Plan, seed: int) -> dict[str, dict[str, Any]]:
    """P@1 and mAP@all of the queries of each class with their intervals, by the profile's own averaging."""
    of = plan.table.label[scored.queries]
    found = per_class(scored.scores, of, plan.table.classes, average=plan.rules.average, seed=seed)
    return {
        name: {
            "queries": each.queries,
            **each.means,
            "intervals": {metric: list(ends) for metric, ends in each.intervals.items()},
        }
        for name, each in found.items()
    }


def queries_table(scored: Scored, table: Table) -> "pa.Table":
    """A row for each query: file, label, its part of every metric, what it could find, and its first hits.

    A metric of the result is the mean of its column; a micro average weighs a query with min(k, `relevant`).
    """
    import pyarrow.lib as pa

    files, scores = np.asarray(table.files, object), scored.scores
    parts = {COLUMNS[name]: _quotient(*part).astype(np.float32) for name, part in scored.metrics.items()}
    top = scored.gallery[scores.top]
    right = table.label[top] == table.label[scored.queries][:, None]
    return pa.table(
        {
            "file": pa.array(files[scored.queries], pa.string()),
            "label": pa.array([table.classes[n] for n in table.label[scored.queries]], pa.string()),
            **{name: pa.array(column, pa.float32()) for name, column in parts.items()},
            "relevant": pa.array(scores.relevant.astype(np.int32), pa.int32()),
            "first": pa.array(scores.values["first"].astype(np.int32), pa.int32()),
            "hits": pa.array(files[top].tolist(), pa.list_(pa.string())),
            "right": pa.array(right.tolist(), pa.list_(pa.bool_())),
        }
    )


def _quotient(above: Float64[np.ndarray, " q"], below: Float64[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))


def plain_mean(pairs: Sequence[PairResult]) -> dict[str, float]:
    """Of each metric over pairs, every pair counting the same."""
    return {name: float(np.mean([pair.metrics[name] for pair in pairs])) for name in METRICS}
