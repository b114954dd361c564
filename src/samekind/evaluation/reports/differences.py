"""How far one result is from another, query by query: the difference, its interval, and whether it may be chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from samekind.errors import UsageError
from samekind.evaluation.report import COLUMNS
from samekind.evaluation.reports.files import Result

ALPHA = 0.05
LEVEL = 0.95  # of run_intervals, which is imported late: figures alone must not wait for what it needs


@dataclass(frozen=True, slots=True)
class Difference:
    """`label` minus the first result in one metric: for one pair, or (pair None) for the mean over a gallery's pairs.

    low, high: of the 95 % interval. p: of Fisher's randomisation test. corrected: p after Holm's correction.
    """

    label: str
    metric: str
    pair: int | None
    group: str
    value: float
    low: float
    high: float
    p: float
    corrected: float

    @property
    def significant(self) -> bool:
        """Whether chance alone would seldom bring such a difference, among all that were tested."""
        return self.corrected < ALPHA

    def to_json(self) -> dict[str, Any]:
        """The difference as it stands in compare.json; `pair` is a place in its list of pairs, null for the mean."""
        over = {"gallery": self.group} if self.group else {}
        return {
            "method": self.label,
            "metric": self.metric,
            "pair": self.pair,
            **over,
            "difference": self.value,
            "interval": [self.low, self.high],
            "p": self.p,
            "p_corrected": self.corrected,
            "significant": self.significant,
        }


@dataclass(frozen=True)
class _Paired:
    """What each query of one pair adds to the difference; `gain` over the sum of weights is the difference.

    `queries` are the queries' places among all files. A query that is in no micro average, because nothing is relevant
    to it, weighs 0 and changes no test.
    """

    queries: Int64[np.ndarray, " q"]
    gain: Float64[np.ndarray, " q"]
    weights: Float64[np.ndarray, " q"]


def differences(first: Result, other: Result, label: str, *, seed: int = 0) -> list[Difference]:
    """Of every pair and of the mean over each gallery's pairs, in every metric of the headline.

    A picture that asks in several pairs is one draw: bootstrap and randomisation take its answers together. Not
    corrected yet (`holm_corrected`). Raises UsageError when the two did not answer the same queries.
    """
    found = []
    for metric in first.headline:
        if metric in COLUMNS and all(metric in pair.metrics for pair in other.pairs):
            found += _of_metric(first, other, label, metric, seed)
    return found


def _of_metric(first: Result, other: Result, label: str, metric: str, seed: int) -> list[Difference]:
    from samekind.evaluation.run_intervals import figure, shared_intervals

    places: dict[str, int] = {}
    paired = [_paired(first, other, n, metric, places) for n in range(len(first.pairs))]
    groups = [pair.name for pair in first.pairs]
    each, over = shared_intervals(
        groups,
        [one.queries for one in paired],
        [{metric: (one.gain, one.weights)} for one in paired],
        seed,
    )
    found = []
    for n, one in enumerate(paired):
        p = p_by_swaps(one.gain, seed)
        value = figure((one.gain, one.weights))
        found.append(Difference(label, metric, n, groups[n], value, *each[n][metric], p, p))
    for group in first.groups:
        members = [one for one, name in zip(paired, groups, strict=True) if name == group]
        gain = summed([(one.queries, one.gain, one.weights) for one in members])
        p = p_by_swaps(gain, seed)
        value = float(gain.mean())
        found.append(Difference(label, metric, None, group, value, *over[group][metric], p, p))
    return found


def _paired(first: Result, other: Result, n: int, metric: str, places: dict[str, int]) -> _Paired:
    """One pair's queries; `places` numbers the files of all pairs as they come."""
    a, b = first.queries[n], other.queries[n]
    if set(a.files) != set(b.files) or len(a.rows) != len(a.files) or len(b.rows) != len(b.files):
        raise UsageError(
            f"{other.file} and {first.file} did not answer the same queries in {first.pairs[n].title}: evaluate both "
            "again with the same pictures."
        )
    order = [b.rows[file] for file in a.files]
    queries = np.array([places.setdefault(file, len(places)) for file in a.files], np.int64)
    if not np.array_equal(a.relevant, b.relevant[order]):
        raise UsageError(
            f"{other.file} and {first.file} did not search the same gallery in {first.pairs[n].title}: evaluate both "
            "again with the same pictures."
        )
    weights = a.weights[metric]
    return _Paired(queries, (b.values[metric][order] - a.values[metric]) * weights, weights)


def summed(
    parts: Sequence[tuple[Int64[np.ndarray, " _"], Float64[np.ndarray, " _"], Float64[np.ndarray, " _"]]],
) -> Float64[np.ndarray, " f"]:
    """One value for each picture that asks, whose plain mean is the mean over pairs of each pair's figure.

    Each part is (places of the queries, what they add above the line of the figure, what below). A query of one of P
    pairs adds `above / (P sum(below))`; times the number of pictures F, so that the mean over pictures is the sum.
    """
    asked, at = np.unique(np.concatenate([queries for queries, *_ in parts]), return_inverse=True)
    weighted = np.concatenate([above / (len(parts) * max(below.sum(), 1)) for _, above, below in parts])
    return np.bincount(at, weighted, len(asked)) * len(asked)


def p_by_swaps(gain: Float64[np.ndarray, " q"], seed: int = 0) -> float:
    """p of Fisher's randomisation for these differences; what tests is imported late."""
    from samekind.evaluation.significance import fisher_randomisation

    return fisher_randomisation(gain, np.zeros_like(gain), seed=seed)


def holm_corrected(found: Sequence[Difference]) -> list[Difference]:
    """The same with `corrected`: in each metric all tests of pairs are one family, all tests of means another."""
    from samekind.evaluation.significance import holm

    corrected: dict[int, float] = {}
    for metric in dict.fromkeys(each.metric for each in found):
        for mean in (False, True):
            family = [n for n, each in enumerate(found) if each.metric == metric and (each.pair is None) == mean]
            if family:
                values = holm([found[n].p for n in family])
                corrected |= {n: float(value) for n, value in zip(family, values, strict=True)}
    return [replace(each, corrected=corrected[n]) for n, each in enumerate(found)]


def p_text(p: float) -> str:
    """A p value for people."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
