"""The metrics against slow twins, against scikit-learn, and as laws."""

import tracemalloc
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from samekind.evaluation import metrics
from samekind.evaluation.metrics import (
    Denominator,
    average_precision_at_k,
    chance,
    precision_at_k,
    ranked_relevance,
    ranking,
    score,
)

RANKED = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
DENOMINATORS = get_args(Denominator)


def slow_precision(row: list[bool], k: int) -> float:
    return sum(1 for hit in row[:k] if hit) / k


def slow_average_precision(row: list[bool], k: int | None, denominator: str) -> float:
    k = len(row) if k is None else k
    total, found = 0.0, 0
    for rank, hit in enumerate(row[:k], 1):
        if hit:
            found += 1
            total += found / rank
    relevant = sum(row)
    divisor = {"found": found, "relevant": relevant, "min_k_relevant": min(k, relevant)}[denominator]
    return total / divisor if divisor else 0.0


def slow_ranking(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda position: (-scores[position], position))


def problem(seed: int, queries: int = 30, gallery: int = 50, classes: int = 5) -> tuple[np.ndarray, ...]:
    """Random vectors with labels; no ties."""
    rng = np.random.default_rng(seed)
    q, g = (rng.normal(size=(n, 16)).astype(np.float32) for n in (queries, gallery))
    return q, rng.integers(0, classes, queries), g, rng.integers(0, classes, gallery)


def grid(seed: int) -> tuple[np.ndarray, ...]:
    """Vectors of small integers: their products are exact and full of ties."""
    rng = np.random.default_rng(seed)
    q, g = (rng.integers(-1, 2, (n, 3)).astype(np.float32) for n in (9, 40))
    return q, rng.integers(0, 4, 9), g, rng.integers(0, 4, 40)


@given(RANKED, st.integers(1, 15))
def test_precision_is_that_of_its_slow_twin(ranked: np.ndarray, k: int) -> None:
    assert precision_at_k(ranked, k).tolist() == [slow_precision(row, k) for row in ranked.tolist()]


@given(RANKED, st.none() | st.integers(1, 15), st.sampled_from(DENOMINATORS))
def test_average_precision_is_that_of_its_slow_twin(
    ranked: np.ndarray, k: int | None, denominator: Denominator
) -> None:
    slow = [slow_average_precision(row, k, denominator) for row in ranked.tolist()]
    assert average_precision_at_k(ranked, k, denominator) == pytest.approx(slow)


@given(RANKED, st.none() | st.integers(1, 15), st.sampled_from(DENOMINATORS))
def test_every_metric_lies_between_0_and_1(ranked: np.ndarray, k: int | None, denominator: Denominator) -> None:
    for values in (precision_at_k(ranked, k or 1), average_precision_at_k(ranked, k, denominator)):
        assert (values >= 0).all()
        assert (values <= 1 + 1e-12).all()


@given(RANKED)
def test_the_denominators_agree_on_the_whole_gallery(ranked: np.ndarray) -> None:
    first, *others = (average_precision_at_k(ranked, None, denominator) for denominator in DENOMINATORS)
    for other in others:
        assert np.array_equal(first, other)


@given(RANKED, st.integers(1, 15))
def test_the_denominators_are_ordered_at_k(ranked: np.ndarray, k: int) -> None:
    relevant, perfect, found = (
        average_precision_at_k(ranked, k, name) for name in ("relevant", "min_k_relevant", "found")
    )
    assert (relevant <= perfect).all()
    assert (perfect <= found).all()


@given(RANKED, st.data())
def test_a_relevant_picture_that_moves_up_never_hurts(ranked: np.ndarray, data: st.DataObject) -> None:
    row = ranked[0].tolist()
    swaps = [n for n in range(1, len(row)) if row[n] and not row[n - 1]]
    if not swaps:
        return
    at = data.draw(st.sampled_from(swaps))
    better = row.copy()
    better[at - 1], better[at] = True, False
    before, after = (average_precision_at_k(np.array([r]))[0] for r in (row, better))
    assert after > before


@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 20))
def test_a_perfect_ranking_has_average_precision_1_under_min_k_relevant(relevant: int, others: int, k: int) -> None:
    ranked = np.array([[True] * relevant + [False] * others])
    assert average_precision_at_k(ranked, k, "min_k_relevant").tolist() == [1.0]
    assert average_precision_at_k(ranked, k, "relevant")[0] == pytest.approx(min(k, relevant) / relevant)


def test_the_worst_ranking_has_the_value_that_follows_from_the_definition() -> None:
    # Two relevant pictures on the last of four places: (1/3 + 2/4) / 2.
    ranked = np.array([[False, False, True, True]])
    assert average_precision_at_k(ranked)[0] == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert average_precision_at_k(ranked, 3, "found")[0] == pytest.approx(1 / 3)
    assert average_precision_at_k(ranked, 3, "relevant")[0] == pytest.approx(1 / 6)
    assert precision_at_k(ranked, 8)[0] == pytest.approx(2 / 8)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([-np.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, np.inf]) | st.floats(-1, 1, width=32),
    )
)
def test_ties_are_broken_by_the_order_of_the_gallery(scores: np.ndarray) -> None:
    assert ranking(scores).tolist() == [slow_ranking(row) for row in scores.tolist()]


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        ranking(np.array([[0.0, np.nan]], np.float32))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [problem, grid])
@pytest.mark.parametrize("block", [1, 100, 2**21])
def test_the_score_is_that_of_its_slow_twin_in_any_blocks(
    seed: int, make: object, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_BLOCK", block)
    q, ql, g, gl = make(seed)  # type: ignore[operator]
    result = score(q, ql, g, gl, ks=(1, 3))
    rows = []
    for vector, label in zip(q.astype(float), ql, strict=True):
        order = slow_ranking([float(np.float32(vector @ other)) for other in g.astype(float)])
        rows.append([bool(gl[n] == label) for n in order])
    assert result["P@1"] == pytest.approx(np.mean([slow_precision(row, 1) for row in rows]))
    assert result["P@3"] == pytest.approx(np.mean([slow_precision(row, 3) for row in rows]))
    assert result["mAP@all"] == pytest.approx(np.mean([slow_average_precision(row, None, "relevant") for row in rows]))
    assert list(result) == ["P@1", "P@3", "mAP@all", "without_relevant"]


@pytest.mark.parametrize("seed", range(10))
def test_mean_average_precision_agrees_with_scikit_learn_where_there_are_no_ties(seed: int) -> None:
    q, ql, g, gl = problem(seed)
    theirs = [average_precision_score(gl == label, vector @ g.T) for vector, label in zip(q, ql, strict=True)]
    assert score(q, ql, g, gl)["mAP@all"] == pytest.approx(np.mean(theirs), abs=1e-6)


def test_queries_with_nothing_relevant_count_as_zero_and_are_reported() -> None:
    q, g = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    result = score(q, np.array([0, 7]), g, np.array([0, 1]), ks=(1,))
    assert result == {"P@1": 0.5, "mAP@all": 0.5, "without_relevant": 0.5}


def test_equal_vectors_tie_wherever_they_stand_in_a_large_gallery() -> None:
    rng = np.random.default_rng(0)
    vector = rng.normal(size=(1, 512)).astype(np.float32)
    labels = np.zeros(4099, int)
    labels[0] = 1  # the first of all the ties, and so at rank 1
    (ranked,) = ranked_relevance(vector, np.array([1]), np.repeat(vector, 4099, 0), labels)
    assert ranked[0].tolist() == [True] + [False] * 4098


def test_memory_does_not_grow_with_queries_times_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_BLOCK", 2**14)
    q, ql, g, gl = problem(0, 2000, 2000)
    tracemalloc.start()
    score(q, ql, g, gl)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 2000  # a quarter of the bytes of one float32 matrix of them all


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_chance_is_the_share_of_relevant_pairs(queries: list[int], gallery: list[int]) -> None:
    share = np.mean([q == g for q in queries for g in gallery])
    assert chance(np.array(queries), np.array(gallery)) == pytest.approx(share)


def test_random_vectors_score_at_chance() -> None:
    q, ql, g, gl = problem(1, 3000, 500, classes=4)
    expected = chance(ql, gl)
    assert score(q, ql, g, gl)["P@1"] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 500))


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k: int) -> None:
    ranked = np.ones((1, 3), bool)
    for call in (lambda: precision_at_k(ranked, k), lambda: average_precision_at_k(ranked, k)):
        with pytest.raises(ValueError, match="from 1"):
            call()


def test_no_queries_and_an_empty_gallery_are_refused() -> None:
    some, none = np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)
    labels, empty = np.zeros(2, int), np.zeros(0, int)
    with pytest.raises(ValueError, match="no queries"):
        score(none, empty, some, labels)
    with pytest.raises(ValueError, match="gallery is empty"):
        score(some, labels, none, empty)
    with pytest.raises(ValueError, match="at least one"):
        chance(labels, empty)
