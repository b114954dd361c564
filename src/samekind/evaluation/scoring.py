"""Scores of every query against a gallery: what all means, intervals, tests and tables are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from samekind.evaluation.metrics import (
    Denominator,
    average_precision_at_k,
    first_relevant_rank,
    hits_at,
    hits_within_relevant,
    relevant_counts,
)
from samekind.evaluation.ranking import ranked_blocks
from samekind.evaluation.spaces import Space

CURVE_KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)


@dataclass(frozen=True)
class Scores:
    """What each query scores; a query with nothing relevant in the gallery has 0 everywhere.

    values: by name, `P@k`, `R@k`, `hit@k` and `hits@k` (relevant pictures among the first min(k, relevant)) for each k,
    `AP@k` and `AP@all`, `first` (the rank of the first relevant picture, from 1). relevant: how many there are in the
    gallery. top: the first pictures, as places in the gallery. curve: mean P@k for each of `curve_ks`.
    """

    values: dict[str, Float32[np.ndarray, " q"]]
    relevant: Int[np.ndarray, " q"]
    top: Int[np.ndarray, "q t"]
    curve_ks: Int[np.ndarray, " m"]
    curve: Float64[np.ndarray, " m"]


def score_queries(
    queries: Float[np.ndarray, "q d"],
    query_labels: Int[np.ndarray, " q"],
    gallery: Float[np.ndarray, "g d"],
    gallery_labels: Int[np.ndarray, " g"],
    *,
    ks: Sequence[int],
    map_ks: Sequence[int | None],
    denominator: Denominator = "min_k_relevant",
    space: Space = "cosine",
    top: int = 10,
) -> Scores:
    """Score every query; `map_ks` are the cuts of AP, None the whole gallery.

    The gallery is ranked exactly, ties by its order (`ranking.py`), in blocks and on torch's threads; no deeper than
    the largest cut, unless None is among `map_ks`. `top` pictures are told of each query, fewer of a smaller gallery.

    Raises ValueError without queries, for an empty gallery, for k < 1, and for vectors that cannot be compared.
    """
    if len(queries) == 0:
        raise ValueError("There are no queries to score.")
    cuts = sorted({*ks, *(k for k in map_ks if k is not None)})
    if cuts and cuts[0] < 1:
        raise ValueError(f"k counts pictures from 1, so it cannot be {cuts[0]}.")
    depth = None if None in map_ks else max(cuts, default=1)
    relevant = relevant_counts(query_labels, gallery_labels)
    most = min(len(gallery), depth or len(gallery))
    curve_ks = [k for k in CURVE_KS if k <= most]
    values = {name: np.zeros(len(queries), np.float32) for name in _names(ks, map_ks)}
    places = np.zeros((len(queries), min(top, len(gallery))), np.int64)
    hits = np.zeros(len(curve_ks), np.int64)
    blocks = ranked_blocks(queries, query_labels, gallery, gallery_labels, depth=depth, top=top, space=space)
    for block in blocks:
        rows = slice(block.start, block.start + len(block.top))
        found = _block_values(block.relevant, relevant[rows], ks, map_ks, denominator)
        for name, column in found.items():
            values[name][rows] = column
        places[rows] = block.top
        hits += hits_at(block.relevant, curve_ks).sum(axis=0)
    late = np.flatnonzero((values["first"] == 0) & (relevant > 0))
    if len(late):
        values["first"][late] = _first(queries[late], query_labels[late], gallery, gallery_labels, space)
    curve = hits / (len(queries) * np.array(curve_ks, np.float64))
    return Scores(values, relevant, places, np.array(curve_ks, np.int64), curve)


def _names(ks: Sequence[int], map_ks: Sequence[int | None]) -> list[str]:
    cut = [f"{kind}@{k}" for kind in ("P", "R", "hit", "hits") for k in ks]
    return [*cut, *(_ap(k) for k in map_ks), "first"]


def _ap(k: int | None) -> str:
    return "AP@all" if k is None else f"AP@{k}"


def _block_values(
    ranked: Bool[np.ndarray, "b w"],
    relevant: Int[np.ndarray, " b"],
    ks: Sequence[int],
    map_ks: Sequence[int | None],
    denominator: Denominator,
) -> dict[str, Float[np.ndarray, " b"] | Int64[np.ndarray, " b"]]:
    """The values of a block of queries."""
    rising = sorted(set(ks))
    found: dict[str, Float[np.ndarray, " b"] | Int64[np.ndarray, " b"]] = {"first": first_relevant_rank(ranked)}
    for k, hits in zip(rising, hits_at(ranked, rising).T, strict=True):
        found[f"P@{k}"] = hits / np.float64(k)
        found[f"R@{k}"] = hits / np.maximum(relevant, 1.0)
        found[f"hit@{k}"] = (hits > 0).astype(np.float64)
        found[f"hits@{k}"] = hits_within_relevant(ranked, k, relevant)
    for cut in map_ks:
        found[_ap(cut)] = average_precision_at_k(ranked, cut, denominator, relevant)
    return found


def _first(
    queries: Float[np.ndarray, "q d"],
    query_labels: Int[np.ndarray, " q"],
    gallery: Float[np.ndarray, "g d"],
    gallery_labels: Int[np.ndarray, " g"],
    space: Space,
) -> Int64[np.ndarray, " q"]:
    """The ranks of the first relevant pictures, wherever they are."""
    blocks = ranked_blocks(queries, query_labels, gallery, gallery_labels, depth=None, top=0, space=space)
    return np.concatenate([first_relevant_rank(block.relevant) for block in blocks])
