"""How good a ranking is: functions of which ranks hold a relevant picture, one row for each query.

A picture is relevant to a query when both have the same label. `ranked[q, r]` says whether the picture at rank r (from
0) is relevant; it is the whole gallery, or its head with the number of all `relevant` pictures beside it. A query with
nothing relevant in the gallery has 0 in every metric. All metrics but ranks lie between 0 and 1.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

Denominator: TypeAlias = Literal["found", "relevant", "min_k_relevant"]


def hits_at(ranked: Bool[np.ndarray, "b g"], ks: Sequence[int]) -> Int64[np.ndarray, "b m"]:
    """For each of `ks`, rising, how many of the first k pictures are relevant; all of them where k is larger."""
    hits = np.zeros((len(ranked), len(ks)), np.int64)
    total, before = np.zeros(len(ranked), np.int64), 0
    for column, k in enumerate(ks):
        _check(k)
        total = total + np.count_nonzero(ranked[:, before:k], axis=1)
        hits[:, column], before = total, k
    return hits


def precision_at_k(ranked: Bool[np.ndarray, "b g"], k: int) -> Float64[np.ndarray, " b"]:
    """The share of relevant pictures among the first k; always divided by k, also where the gallery is smaller."""
    return np.asarray(hits_at(ranked, [k])[:, 0] / np.float64(k))


def recall_at_k(
    ranked: Bool[np.ndarray, "b g"], k: int, relevant: Int[np.ndarray, " b"] | None = None
) -> Float64[np.ndarray, " b"]:
    """The share of the gallery's relevant pictures that are among the first k."""
    return np.asarray(hits_at(ranked, [k])[:, 0] / np.maximum(_relevant(ranked, relevant), 1.0))


def hit_rate_at_k(ranked: Bool[np.ndarray, "b g"], k: int) -> Float64[np.ndarray, " b"]:
    """1 where any of the first k pictures is relevant, 0 elsewhere."""
    return (hits_at(ranked, [k])[:, 0] > 0).astype(np.float64)


def average_precision_at_k(
    ranked: Bool[np.ndarray, "b g"],
    k: int | None = None,
    denominator: Denominator = "min_k_relevant",
    relevant: Int[np.ndarray, " b"] | None = None,
) -> Float64[np.ndarray, " b"]:
    """The sum of the precisions at each relevant rank up to k (None: the whole gallery), divided by `denominator`.

    `found`: the relevant pictures in the first k (the ProS family's AP@200); `relevant`: all relevant pictures of the
    gallery (pytorch-metric-learning's, trec_eval's); `min_k_relevant`: what a perfect ranking would find, so that its
    AP is 1. For the whole gallery the three are one. 0 where the denominator is 0.
    """
    if k is not None:
        _check(k)
    head = ranked[:, :k]
    hits = np.flatnonzero(head)
    rows, ranks = np.divmod(hits, max(head.shape[1], 1))
    found = np.bincount(rows, minlength=len(ranked))
    nth = np.arange(1, len(hits) + 1) - np.repeat(found.cumsum() - found, found)
    total = np.bincount(rows, nth / (ranks + 1), minlength=len(ranked))
    every = _relevant(ranked, relevant)
    divisor = {"found": found, "relevant": every, "min_k_relevant": every if k is None else np.minimum(every, k)}
    return np.asarray(total / np.maximum(divisor[denominator], 1))


def first_relevant_rank(ranked: Bool[np.ndarray, "b g"]) -> Int64[np.ndarray, " b"]:
    """The rank of the first relevant picture, counted from 1; 0 where none is."""
    if not ranked.shape[1]:
        return np.zeros(len(ranked), np.int64)
    return np.where(ranked.any(axis=1), ranked.argmax(axis=1) + 1, 0)


def median_rank(first: Int[np.ndarray, " q"] | Float[np.ndarray, " q"]) -> float:
    """The median of the first relevant ranks, over the queries that have one (`first` > 0); NaN where none has."""
    found = first[first > 0]
    return float(np.median(found)) if len(found) else float("nan")


def hits_within_relevant(
    ranked: Bool[np.ndarray, "b g"], k: int, relevant: Int[np.ndarray, " b"] | None = None
) -> Int64[np.ndarray, " b"]:
    """How many of the first t = min(k, relevant) pictures are relevant."""
    _check(k)
    head = ranked[:, :k]
    first = np.minimum(_relevant(ranked, relevant), k)
    return np.asarray(np.count_nonzero(head & (np.arange(head.shape[1]) < first[:, None]), axis=1))


def pooled_precision_at_k(
    ranked: Bool[np.ndarray, "b g"], k: int, relevant: Int[np.ndarray, " b"] | None = None
) -> float:
    """P@k of UCDIR's public code: hits within the first t = min(k, relevant), summed, over the sum of t.

    A query with nothing relevant drops out; 0 where none has anything.
    """
    within = hits_within_relevant(ranked, k, relevant).sum()
    return float(within / max(np.minimum(_relevant(ranked, relevant), k).sum(), 1))


def relevant_counts(
    query_labels: Int[np.ndarray, " q"], gallery_labels: Int[np.ndarray, " g"]
) -> Int64[np.ndarray, " q"]:
    """How many pictures of the gallery have each query's label."""
    if not len(gallery_labels):
        return np.zeros(len(query_labels), np.int64)
    names, counts = np.unique(gallery_labels, return_counts=True)
    at = np.searchsorted(names, query_labels).clip(max=len(names) - 1)
    return np.where(names[at] == query_labels, counts[at], 0)


def chance(query_labels: Int[np.ndarray, " q"], gallery_labels: Int[np.ndarray, " g"]) -> float:
    """What P@k is on average when the gallery is shuffled: the mean share of it that is relevant to a query."""
    if len(query_labels) == 0 or len(gallery_labels) == 0:
        raise ValueError("Chance needs at least one query and one picture in the gallery.")
    return float(relevant_counts(query_labels, gallery_labels).mean() / len(gallery_labels))


def _relevant(ranked: Bool[np.ndarray, "b g"], relevant: Int[np.ndarray, " b"] | None) -> Int[np.ndarray, " b"]:
    return np.count_nonzero(ranked, axis=1) if relevant is None else relevant


def _check(k: int) -> None:
    if k < 1:
        raise ValueError(f"k counts pictures from 1, so it cannot be {k}.")
