"""Slow twins: rankings and metrics in plain Python, one definition a function, to compare the fast ones with."""

import math
from collections.abc import Sequence

import numpy as np


def scores(query: np.ndarray, gallery: np.ndarray, space: str) -> list[float]:
    """A higher one is nearer; sums are correctly rounded."""
    return [SCORES[space](query.tolist(), other.tolist()) for other in gallery]


def _cosine(x: list[float], y: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def _euclidean(x: list[float], y: list[float]) -> float:
    return -math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def _poincare(x: list[float], y: list[float]) -> float:
    gap = (1 - math.fsum(a * a for a in x)) * (1 - math.fsum(b * b for b in y))
    return -math.acosh(1 + 2 * -_euclidean(x, y) / gap)


SCORES = {"cosine": _cosine, "euclidean": _euclidean, "poincare": _poincare}


def ranking(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: (-values[place], place))


def precision(row: list[bool], k: int) -> float:
    return sum(1 for hit in row[:k] if hit) / k


def recall(row: list[bool], k: int) -> float:
    return sum(1 for hit in row[:k] if hit) / sum(row) if any(row) else 0.0


def hit_rate(row: list[bool], k: int) -> float:
    return 1.0 if any(row[:k]) else 0.0


def average_precision(row: list[bool], k: int | None, denominator: str) -> float:
    k = len(row) if k is None else k
    total, found = 0.0, 0
    for rank, hit in enumerate(row[:k], 1):
        if hit:
            found += 1
            total += found / rank
    relevant = sum(row)
    divisor = {"found": found, "relevant": relevant, "min_k_relevant": min(k, relevant)}[denominator]
    return total / divisor if divisor else 0.0


def first(row: list[bool]) -> int:
    for rank, hit in enumerate(row, 1):
        if hit:
            return rank
    return 0


def hits_within(row: list[bool], k: int) -> int:
    return sum(row[: min(k, sum(row))])


def pooled_precision(rows: list[list[bool]], k: int) -> float:
    hits = total = 0
    for row in rows:
        hits += hits_within(row, k)
        total += min(k, sum(row))
    return hits / total if total else 0.0
