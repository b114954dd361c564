"""Figures from the scores of queries: means, their bootstrap intervals, and the same for each class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from samekind.evaluation.metrics import median_rank
from samekind.evaluation.scoring import Scores

Average: TypeAlias = Literal["macro", "micro"]
Interval: TypeAlias = tuple[float, float]
Fraction: TypeAlias = tuple[Float64[np.ndarray, " q"], Float64[np.ndarray, " q"]]

_DRAWN = 2**20  # numbers drawn at once, 8 MB


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How the queries of one class do: how many there are, means by metric, and the ends of their intervals."""

    queries: int
    means: dict[str, float]
    intervals: dict[str, Interval]


def means(scores: Scores, average: Average = "macro") -> dict[str, float]:
    """`P@k`, `R@k`, `hit@k`, `mAP@k` or `mAP@all`, the median rank, and the share of queries `without_relevant` ones.

    macro: the mean over queries, whatever they find. micro: P@k as in UCDIR's public code, i.e. the relevant pictures
    among the first t = min(k, relevant), summed over queries, over the sum of t; all else as in macro. `median_rank` is
    that of the first relevant picture, over the queries that have one; NaN where none has.
    """
    found = {name: _mean(part) for name, part in fractions(scores, average).items()}
    found["median_rank"] = median_rank(scores.values["first"])
    found["without_relevant"] = float((scores.relevant == 0).mean())
    return found


def _mean(part: Fraction) -> float:
    above, below = (float(side.sum()) for side in part)
    return above / below if below else 0.0


def fractions(scores: Scores, average: Average = "macro") -> dict[str, Fraction]:
    """What each mean is a fraction of: per metric and query what is summed above and below the line."""
    found = {}
    ones = np.ones(len(scores.relevant))
    for name, values in scores.values.items():
        kind, _, k = name.partition("@")
        if kind == "P" and average == "micro":
            within = np.minimum(int(k), scores.relevant).astype(np.float64)
            found[name] = scores.values[f"hits@{k}"].astype(np.float64), within
        elif kind not in ("hits", "first"):
            found[f"mAP@{k}" if kind == "AP" else name] = values.astype(np.float64), ones
    return found


def intervals(
    scores: Scores, average: Average = "macro", *, seed: int = 0, draws: int = 1000, level: float = 0.95
) -> dict[str, Interval]:
    """The bootstrap interval of each mean; all metrics share the draws. See `bootstrap`."""
    return _intervals(fractions(scores, average), seed, draws, level)


def bootstrap(
    values: Float[np.ndarray, " q"],
    below: Float[np.ndarray, " q"] | None = None,
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap over queries of the mean of `values`, or of sum(values) / sum(below).

    As many queries as there are, drawn with replacement, `draws` times; the interval lies between the quantiles
    (1 - level) / 2 and (1 + level) / 2 of the figures that they give (B. Efron, Bootstrap methods, Annals of
    Statistics 1979). It is stretched to the figure itself where it should miss it. A draw with nothing below is 0.
    Raises ValueError without queries.
    """
    ones = np.ones(len(values)) if below is None else below.astype(np.float64)
    return _intervals({"": (values.astype(np.float64), ones)}, seed, draws, level)[""]


def _intervals(parts: Mapping[str, Fraction], seed: int, draws: int, level: float) -> dict[str, Interval]:
    columns = np.stack([side for part in parts.values() for side in part], axis=1)
    sums = resampled(columns, draws, seed)
    figures = _ratio(columns.sum(axis=0)[::2], columns.sum(axis=0)[1::2])
    ends = np.quantile(_ratio(sums[:, ::2], sums[:, 1::2]), ((1 - level) / 2, (1 + level) / 2), axis=0)
    low, high = np.minimum(ends[0], figures), np.maximum(ends[1], figures)
    return {name: (float(low[n]), float(high[n])) for n, name in enumerate(parts)}


def resampled(
    columns: Float64[np.ndarray, "q m"], draws: int, seed: int | tuple[int, ...]
) -> Float64[np.ndarray, "n m"]:
    """The sums of the columns over queries drawn with replacement, `draws` times; some megabytes at a time."""
    queries = len(columns)
    sums = []
    for drawn in drawings(queries, draws, seed):
        at = drawn + np.arange(len(drawn))[:, None] * queries
        times = np.bincount(at.ravel(), minlength=drawn.size).reshape(drawn.shape)
        sums.append(times.astype(np.float64) @ columns)
    return np.concatenate(sums)


def drawings(queries: int, draws: int, seed: int | tuple[int, ...]) -> Iterator[Int64[np.ndarray, "_ q"]]:
    """As many queries as there are, drawn with replacement, `draws` times; some megabytes at a time.

    Raises ValueError without queries.
    """
    if queries == 0:
        raise ValueError("There are no queries to draw from.")
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWN // queries)
    for start in range(0, draws, step):
        yield rng.integers(0, queries, (min(step, draws - start), queries))


def _ratio(above: Float64[np.ndarray, "*n"], below: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    ratio: Float64[np.ndarray, "*n"] = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio


def per_class(
    scores: Scores,
    query_labels: Int[np.ndarray, " q"],
    classes: Sequence[str] | Mapping[int, str],
    metrics: Sequence[str] = ("P@1", "mAP@all"),
    average: Average = "macro",
    *,
    seed: int = 0,
) -> dict[str, ClassFigures]:
    """For each class that asks: its queries, and of each of `metrics` the mean with its 95 % interval."""
    found = {}
    parts = {name: part for name, part in fractions(scores, average).items() if name in metrics}
    for label in np.unique(query_labels).tolist():
        rows = query_labels == label
        mine = {name: (above[rows], below[rows]) for name, (above, below) in parts.items()}
        values = {name: _mean(part) for name, part in mine.items()}
        found[classes[label]] = ClassFigures(int(rows.sum()), values, _intervals(mine, seed, 1000, 0.95))
    return found
