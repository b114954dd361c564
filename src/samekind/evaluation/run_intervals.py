"""How far figures would move with other queries: intervals of pairs and of their means, from shared draws."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int

from samekind.evaluation.summary import Interval, resampled

DRAWS = 1000
LEVEL = 0.95

# What is summed above and below the line of a mean, per query; each task has its own number of queries.
Parts: TypeAlias = tuple[Float64[np.ndarray, " _"], Float64[np.ndarray, " _"]]


def shared_intervals(
    names: Sequence[str],
    queries: Sequence[Int[np.ndarray, " _"]],
    metrics: Sequence[Mapping[str, Parts]],
    seed: int,
) -> tuple[list[dict[str, Interval]], dict[str, dict[str, Interval]]]:
    """Of every task's metrics, and of their plain means over the tasks of each name: [low, high] of 95 %.

    A percentile bootstrap over queries, as `summary.bootstrap` is. Tasks that ask the same `queries` share the draws,
    so that the interval of a mean knows that its pairs are no independent samples. The gallery stays as it is.
    """
    drawn: list[dict[str, Float64[np.ndarray, " b"]]] = [{} for _ in metrics]
    groups: dict[bytes, list[int]] = {}
    for n, rows in enumerate(queries):
        groups.setdefault(rows.tobytes(), []).append(n)
    for place, members in enumerate(groups.values()):
        columns = [(n, name, each) for n in members for name, each in metrics[n].items()]
        sums = resampled(np.stack([side for *_, each in columns for side in each], axis=1), DRAWS, (seed, place))
        figures = np.divide(sums[:, ::2], sums[:, 1::2], out=np.zeros_like(sums[:, ::2]), where=sums[:, 1::2] > 0)
        for column, (n, name, _) in enumerate(columns):
            drawn[n][name] = figures[:, column]
    figures_of = [{name: figure(each) for name, each in mine.items()} for mine in metrics]
    over = {}
    for name in dict.fromkeys(names):
        mine = [n for n, called in enumerate(names) if called == name]
        over[name] = {
            metric: _interval(
                np.mean([drawn[n][metric] for n in mine], axis=0), float(np.mean([figures_of[n][metric] for n in mine]))
            )
            for metric in metrics[mine[0]]
        }
    ends = [
        {name: _interval(draws, found[name]) for name, draws in each.items()}
        for each, found in zip(drawn, figures_of, strict=True)
    ]
    return ends, over


def figure(part: Parts) -> float:
    """The mean that a fraction stands for; 0 where nothing is below the line, i.e. no query has anything relevant."""
    above, below = (float(side.sum()) for side in part)
    return above / below if below else 0.0


def _interval(draws: Float64[np.ndarray, " b"], found: float) -> Interval:
    """Between the percentiles, stretched to the figure itself where it should miss it."""
    low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return min(float(low), found), max(float(high), found)
