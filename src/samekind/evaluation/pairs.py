"""Every domain as queries against every other domain as gallery, from vectors that are there already."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int

from samekind.evaluation.metrics import chance
from samekind.evaluation.scoring import score_queries


@dataclass(frozen=True, slots=True)
class Pair:
    """How well pictures of one domain find their class in another; `chance` is the P@k of a shuffled gallery."""

    query: str
    gallery: str
    queries: int
    gallery_size: int
    chance: float
    metrics: dict[str, float]


def score_pair(
    names: tuple[str, str],
    queries: tuple[Float[np.ndarray, "q d"], Int[np.ndarray, " q"]],
    gallery: tuple[Float[np.ndarray, "g d"], Int[np.ndarray, " g"]],
    ks: Sequence[int] = (1, 5),
) -> Pair:
    """Score (vectors, labels) of the queries against those of the gallery; `names` are what the two are called.

    `metrics` has P@k for each of `ks` and mAP@all, as means over all queries, by the cosine, and the share of queries
    `without_relevant` pictures.
    """
    scores = score_queries(*queries, *gallery, ks=ks, map_ks=(None,))
    metrics = {f"P@{k}": float(scores.values[f"P@{k}"].mean(dtype=np.float64)) for k in ks}
    metrics["mAP@all"] = float(scores.values["AP@all"].mean(dtype=np.float64))
    metrics["without_relevant"] = float((scores.relevant == 0).mean())
    return Pair(*names, len(queries[0]), len(gallery[0]), chance(queries[1], gallery[1]), metrics)


def score_pairs(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], domains: Sequence[str], ks: Sequence[int] = (1, 5)
) -> list[Pair]:
    """All ordered pairs of different domains, both in the order of the domains' names."""
    of = np.asarray(domains)
    parts = {str(name): (vectors[of == name], labels[of == name]) for name in np.unique(of)}
    return [score_pair(names, parts[names[0]], parts[names[1]], ks) for names in permutations(parts, 2)]


def mean(pairs: Sequence[Pair], metric: str) -> float:
    """The plain mean of a metric over pairs, however many queries each has."""
    return float(np.mean([pair.metrics[metric] for pair in pairs]))
