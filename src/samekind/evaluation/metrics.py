"""How good rankings are: precision and average precision, over a whole gallery, in blocks of queries.

A picture is relevant to a query when both have the same label. Ties are broken by the gallery's order. A query with
nothing relevant in the gallery counts with 0 and is reported as a share. All metrics lie between 0 and 1.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

Denominator: TypeAlias = Literal["found", "relevant", "min_k_relevant"]

# Scores of one block: 16 MB as float64, whatever the gallery's size.
_BLOCK = 2**21


def ranking(scores: Float32[np.ndarray, "b g"]) -> Int64[np.ndarray, "b g"]:
    """For each query (row) the gallery's positions by falling score; equal scores keep the gallery's order.

    Raises ValueError for scores that are not numbers.
    """
    if np.isnan(scores).any():
        raise ValueError("Some scores are not a number, so nothing can be ranked: a vector holds NaN or infinity.")
    # One integer holds both, score above position, so that the fastest sort there is also settles ties.
    bits = (np.float32(0) - scores).view(np.int32).astype(np.int64)
    ascending = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    keys = (ascending << 32) | np.arange(scores.shape[1])
    keys.sort(axis=1)
    return keys & 0xFFFFFFFF


def ranked_relevance(
    query_vectors: Float[np.ndarray, "q d"],
    query_labels: Int[np.ndarray, " q"],
    gallery_vectors: Float[np.ndarray, "g d"],
    gallery_labels: Int[np.ndarray, " g"],
) -> Iterator[Bool[np.ndarray, "_ g"]]:
    """Block after block of queries: is the picture at each rank relevant? Never more than some blocks are in memory.

    Scores are inner products, summed in double precision and then rounded to float32, so that equal vectors tie
    wherever they stand. Raises ValueError for an empty gallery.
    """
    if len(gallery_vectors) == 0:
        raise ValueError("The gallery is empty: there is nothing to rank.")
    gallery = gallery_vectors.astype(np.float64).T
    step = max(1, _BLOCK // len(gallery_vectors))
    for start in range(0, len(query_vectors), step):
        block = slice(start, start + step)
        scores = (query_vectors[block].astype(np.float64) @ gallery).astype(np.float32)
        relevant: Bool[np.ndarray, "_ g"] = gallery_labels[ranking(scores)] == query_labels[block, None]
        yield relevant


def precision_at_k(ranked: Bool[np.ndarray, "b g"], k: int) -> Float64[np.ndarray, " b"]:
    """The share of relevant pictures among the first k; always divided by k, also where the gallery is smaller."""
    _check(k)
    share: Float64[np.ndarray, " b"] = ranked[:, :k].sum(axis=1) / np.float64(k)
    return share


def average_precision_at_k(
    ranked: Bool[np.ndarray, "b g"], k: int | None = None, denominator: Denominator = "min_k_relevant"
) -> Float64[np.ndarray, " b"]:
    """The sum of the precisions at each relevant rank up to k (None: the whole gallery), divided by `denominator`.

    `found`: the relevant pictures in the first k (the ProS family's AP@200); `relevant`: all relevant pictures of the
    gallery (pytorch-metric-learning's); `min_k_relevant`: what a perfect ranking would find, so that its AP is 1.
    For the whole gallery the three are one. `ranked` must be the whole gallery. 0 where the denominator is 0.
    """
    if k is not None:
        _check(k)
    head = ranked[:, :k]
    precision = head.cumsum(axis=1) / np.arange(1, head.shape[1] + 1)
    relevant, found = ranked.sum(axis=1), head.sum(axis=1)
    perfect = np.minimum(relevant, ranked.shape[1] if k is None else k)
    divisor = {"found": found, "relevant": relevant, "min_k_relevant": perfect}[denominator]
    total: Float64[np.ndarray, " b"] = (precision * head).sum(axis=1)
    mean: Float64[np.ndarray, " b"] = total / np.maximum(divisor, 1)
    return mean


def score(
    query_vectors: Float[np.ndarray, "q d"],
    query_labels: Int[np.ndarray, " q"],
    gallery_vectors: Float[np.ndarray, "g d"],
    gallery_labels: Int[np.ndarray, " g"],
    ks: Sequence[int] = (1, 5),
) -> dict[str, float]:
    """Means over all queries: `P@k` for each of `ks`, `mAP@all`, and the share of queries `without_relevant` pictures.

    Vectors are compared by inner product (give unit vectors for cosine). Raises ValueError without queries or gallery.
    """
    if len(query_vectors) == 0:
        raise ValueError("There are no queries to score.")
    sums = dict.fromkeys([*(f"P@{k}" for k in ks), "mAP@all", "without_relevant"], 0.0)
    for ranked in ranked_relevance(query_vectors, query_labels, gallery_vectors, gallery_labels):
        for k in ks:
            sums[f"P@{k}"] += float(precision_at_k(ranked, k).sum())
        sums["mAP@all"] += float(average_precision_at_k(ranked).sum())
        sums["without_relevant"] += float((~ranked.any(axis=1)).sum())
    return {name: total / len(query_vectors) for name, total in sums.items()}


def chance(query_labels: Int[np.ndarray, " q"], gallery_labels: Int[np.ndarray, " g"]) -> float:
    """What P@k is on average when the gallery is shuffled: the mean share of it that is relevant to a query."""
    if len(query_labels) == 0 or len(gallery_labels) == 0:
        raise ValueError("Chance needs at least one query and one picture in the gallery.")
    names, counts = np.unique(gallery_labels, return_counts=True)
    at = np.searchsorted(names, query_labels).clip(max=len(names) - 1)
    return float(np.where(names[at] == query_labels, counts[at], 0).mean() / len(gallery_labels))


def _check(k: int) -> None:
    if k < 1:
        raise ValueError(f"k counts pictures from 1, so it cannot be {k}.")
