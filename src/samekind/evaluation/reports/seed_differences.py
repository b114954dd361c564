"""How far one study is from another, seed by seed: would another training of both agree?

Trainings with one seed share what a seed decides (groups, start, order of pictures), and a lucky one is lucky for both:
their difference tells more than two means and their spreads (X. Bouthillier et al., Accounting for variance in machine
learning benchmarks, MLSys 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np

from samekind.errors import UsageError
from samekind.evaluation.reports.differences import ALPHA, p_by_swaps
from samekind.evaluation.reports.files import Result

FEWEST = 2  # seeds that both must have


@dataclass(frozen=True, slots=True)
class SeedDifference:
    """`label` minus the first study in one metric's mean over pairs, for each seed that both have.

    p: of Fisher's randomisation test over seeds. corrected: p after Holm's correction.
    """

    label: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    p: float
    corrected: float

    @property
    def mean(self) -> float:
        """Of the differences."""
        return fmean(self.values)

    @property
    def sd(self) -> float:
        """The sample standard deviation of the differences (n - 1)."""
        return stdev(self.values)

    @property
    def higher(self) -> int:
        """With how many seeds the figure is above the first study's."""
        return sum(value > 0 for value in self.values)

    @property
    def significant(self) -> bool:
        """Whether chance alone would seldom bring such differences, among all that were tested."""
        return self.corrected < ALPHA

    def to_json(self) -> dict[str, Any]:
        """The difference as it stands in compare.json."""
        return {
            "method": self.label,
            "metric": self.metric,
            "seeds": list(self.seeds),
            "by_seed": list(self.values),
            "difference": self.mean,
            "sd": self.sd,
            "p": self.p,
            "p_corrected": self.corrected,
            "significant": self.significant,
        }


def seed_differences(first: Result, others: Sequence[Result], labels: Sequence[str]) -> tuple[SeedDifference, ...]:
    """Of each of `others` (called `labels`) to `first`, in every metric of the headline; metric by metric.

    Of results that are no studies, or have fewer than two seeds in common with the first, there are none. In each
    metric all tests are one family for Holm's correction. Raises UsageError for a study whose values by seed are
    damaged.
    """
    found: list[SeedDifference] = []
    for metric in first.headline:
        family = [
            made
            for other, label in zip(others, labels, strict=True)
            if (made := _difference(first, other, label, metric)) is not None
        ]
        found += _holm_corrected(family)
    return tuple(found)


def _difference(first: Result, other: Result, label: str, metric: str) -> SeedDifference | None:
    mine, its = _by_seed(first, metric), _by_seed(other, metric)
    shared = [seed for seed in mine if seed in its]
    if len(shared) < FEWEST:
        return None
    values = np.array([its[seed] - mine[seed] for seed in shared])
    p = p_by_swaps(values)
    return SeedDifference(label, metric, tuple(shared), tuple(values.tolist()), p, p)


def _by_seed(result: Result, metric: str) -> dict[int, float]:
    """A study's mean over pairs by seed; empty for what is no study, or has no such metric."""
    values = result.facts["mean_by_seed"].get(metric) if result.seeds else None
    if values is None:
        return {}
    try:
        found = dict(zip(result.seeds, map(float, values), strict=True))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{result.file} is no study of samekind: its {metric} by seed cannot be made out.") from error
    if not np.isfinite(list(found.values())).all():
        raise UsageError(f"{result.file} is no study of samekind: its {metric} by seed is no number.")
    return found


def _holm_corrected(family: Sequence[SeedDifference]) -> list[SeedDifference]:
    from samekind.evaluation.significance import holm

    corrected = holm([each.p for each in family])
    return [replace(each, corrected=float(value)) for each, value in zip(family, corrected, strict=True)]
