"""How far one result is from another, query by query: the difference, its interval, and whether it may be chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from samekind.errors import UsageError
from samekind.evaluation.reports.files import TESTED, Result

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
    """Both results' values for the same queries of one pair; `queries` are the queries' places among all files."""

    queries: Int64[np.ndarray, " q"]
    mine: Float64[np.ndarray, " q"]
    other: Float64[np.ndarray, " q"]


def differences(first: Result, other: Result, label: str, *, seed: int = 0) -> list[Difference]:
    """Of every pair and of the mean over each gallery's pairs, in every metric that the tables of queries hold.

    A picture that asks in several pairs is one draw: bootstrap and randomisation take its answers together. Not
    corrected yet (`holm_corrected`). Raises UsageError when the two did not answer the same queries.
    """
    found = []
    for metric in TESTED:
        if all(metric in pair.metrics for pair in first.pairs):
            found += _of_metric(first, other, label, metric, seed)
    return found


def _of_metric(first: Result, other: Result, label: str, metric: str, seed: int) -> list[Difference]:
    from samekind.evaluation.run_intervals import shared_intervals

    places: dict[str, int] = {}
    paired = [_paired(first, other, n, metric, places) for n in range(len(first.pairs))]
    groups = [pair.name for pair in first.pairs]
    each, over = shared_intervals(
        groups,
        [one.queries for one in paired],
        [{metric: (one.other - one.mine, np.ones(len(one.mine)))} for one in paired],
        seed,
    )
    found = []
    for n, one in enumerate(paired):
        p = _p(one.other, one.mine, seed)
        value = float((one.other - one.mine).mean())
        found.append(Difference(label, metric, n, groups[n], value, *each[n][metric], p, p))
    for group in first.groups:
        members = [one for one, name in zip(paired, groups, strict=True) if name == group]
        mine = summed([(one.queries, one.mine) for one in members])
        others = summed([(one.queries, one.other) for one in members])
        p = _p(others, mine, seed)
        value = float((others - mine).mean())
        found.append(Difference(label, metric, None, group, value, *over[group][metric], p, p))
    return found


def _paired(first: Result, other: Result, n: int, metric: str, places: dict[str, int]) -> _Paired:
    """One pair's values by query; `places` numbers the files of all pairs as they come."""
    a, b = first.queries[n], other.queries[n]
    if set(a.files) != set(b.files) or len(a.rows) != len(a.files) or len(b.rows) != len(b.files):
        raise UsageError(
            f"{other.file} and {first.file} did not answer the same queries in {first.pairs[n].title}: evaluate both "
            "again with the same pictures."
        )
    order = [b.rows[file] for file in a.files]
    queries = np.array([places.setdefault(file, len(places)) for file in a.files], np.int64)
    counted: Bool[np.ndarray, " q"] = a.first > 0 if first.micro and metric == "P@1" else np.ones(len(order), bool)
    if not counted.any():  # nothing that could differ
        return _Paired(np.array([-1]), np.zeros(1), np.zeros(1))
    return _Paired(queries[counted], a.values[metric][counted], b.values[metric][order][counted])


def summed(parts: Sequence[tuple[Int64[np.ndarray, " _"], Float64[np.ndarray, " _"]]]) -> Float64[np.ndarray, " f"]:
    """One value for each picture that asks, whose plain mean is the mean over pairs of each pair's mean.

    Each part is (places of the queries, their values). A query of a pair with q queries, one of P pairs, counts with
    1 / (P q); times the number of pictures F, so that the mean over pictures is the sum.
    """
    asked, at = np.unique(np.concatenate([queries for queries, _ in parts]), return_inverse=True)
    weighted = np.concatenate([values / (len(parts) * len(values)) for _, values in parts])
    return np.bincount(at, weighted, len(asked)) * len(asked)


def _p(a: Float64[np.ndarray, " q"], b: Float64[np.ndarray, " q"], seed: int) -> float:
    from samekind.evaluation.significance import fisher_randomisation

    return fisher_randomisation(a, b, seed=seed)


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
