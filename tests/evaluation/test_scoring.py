"""Scores of queries: against slow twins and scikit-learn, cut or whole, with little memory, and what is refused."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import slow
from sklearn.metrics import average_precision_score

from samekind.evaluation import ranking
from samekind.evaluation.metrics import Denominator, chance
from samekind.evaluation.scoring import CURVE_KS, score_queries

Problem = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def random(seed: int, queries: int = 30, gallery: int = 60, classes: int = 5) -> Problem:
    rng = np.random.default_rng(seed)
    q, g = (rng.normal(size=(n, 16)).astype(np.float32) for n in (queries, gallery))
    q, g = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (q, g))
    return q, rng.integers(0, classes, queries), g, rng.integers(0, classes, gallery)


def tied(seed: int, queries: int = 9, gallery: int = 60) -> Problem:
    """Signs over four numbers: only five cosines, and a class that no query finds."""
    rng = np.random.default_rng(seed)
    q, g = (rng.choice([-0.5, 0.5], (n, 4)).astype(np.float32) for n in (queries, gallery))
    return q, rng.integers(0, 5, queries), g, rng.integers(0, 4, gallery)


def relevance(problem: Problem) -> list[list[bool]]:
    q, ql, g, gl = problem
    orders = [slow.ranking(slow.scores(row, g, "cosine")) for row in q]
    return [[bool(gl[place] == label) for place in order] for order, label in zip(orders, ql, strict=True)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [random, tied])
@pytest.mark.parametrize("denominator", ["found", "relevant", "min_k_relevant"])
@pytest.mark.parametrize("whole", [True, False])
def test_every_value_is_its_slow_twin(seed: int, make: Any, denominator: Denominator, whole: bool) -> None:
    problem = make(seed)
    rows = relevance(problem)
    maps = (5, None) if whole else (5,)
    scores = score_queries(*problem, ks=(1, 4, 7), map_ks=maps, denominator=denominator, top=3)
    expected: dict[str, list[float]] = {"first": [slow.first(row) for row in rows]}
    for k in (1, 4, 7):
        expected[f"P@{k}"] = [slow.precision(row, k) for row in rows]
        expected[f"R@{k}"] = [slow.recall(row, k) for row in rows]
        expected[f"hit@{k}"] = [slow.hit_rate(row, k) for row in rows]
        expected[f"hits@{k}"] = [slow.hits_within(row, k) for row in rows]
    for k in maps:
        name = "AP@all" if k is None else f"AP@{k}"
        expected[name] = [slow.average_precision(row, k, denominator) for row in rows]
    assert scores.values.keys() == expected.keys()
    for name, values in expected.items():
        assert scores.values[name] == pytest.approx(values, abs=1e-6), name
        assert scores.values[name].dtype == np.float32
    assert scores.relevant.tolist() == [sum(row) for row in rows]
    assert scores.top.shape == (len(rows), 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [random, tied])
def test_average_precision_agrees_with_scikit_learn_on_random_and_tied_scores(seed: int, make: Any) -> None:
    """scikit-learn counts ties all at once: it is told our order, i.e. that of scores and then of places."""
    problem = make(seed)
    q, ql, g, gl = problem
    ours = score_queries(*problem, ks=(1,), map_ks=(None,)).values["AP@all"]
    for row, label, value in zip(q, ql, ours, strict=True):
        if (gl == label).any():
            places = np.argsort(slow.ranking(slow.scores(row, g, "cosine")))
            assert value == pytest.approx(average_precision_score(gl == label, -places), abs=1e-6)


def test_cut_and_whole_rankings_give_the_same_values() -> None:
    problem = random(1, 50, 3000, 40)
    cut = score_queries(*problem, ks=(1, 10), map_ks=(20,))
    whole = score_queries(*problem, ks=(1, 10), map_ks=(20, None))
    assert all(np.array_equal(cut.values[name], whole.values[name]) for name in cut.values)
    assert np.array_equal(cut.top, whole.top)
    assert (cut.values["first"] > 20).any()  # found beyond the cut
    assert np.array_equal(cut.curve, whole.curve[: len(cut.curve)])


def test_the_only_relevant_picture_is_found_beyond_the_cut() -> None:
    vectors = np.eye(100, dtype=np.float32)
    scores = score_queries(vectors[:1], np.array([1]), vectors, np.eye(100, dtype=int)[40], ks=(1,), map_ks=(5,), top=2)
    assert scores.values["first"].tolist() == [41]  # all but the first tie
    assert scores.values["AP@5"].tolist() == [0]


@pytest.mark.parametrize("block", [1, 300, 2**21])
def test_blocks_change_no_value(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = tied(7)
    before = score_queries(*problem, ks=(1, 5), map_ks=(None,))
    monkeypatch.setattr(ranking, "_WHOLE", block)
    after = score_queries(*problem, ks=(1, 5), map_ks=(None,))
    assert all(np.array_equal(before.values[name], after.values[name]) for name in before.values)
    assert np.array_equal(before.top, after.top)
    assert np.array_equal(before.curve, after.curve)


def test_the_curve_is_the_mean_precision_at_each_of_its_cuts() -> None:
    problem = random(2)
    rows = relevance(problem)
    scores = score_queries(*problem, ks=(1,), map_ks=(None,))
    assert scores.curve_ks.tolist() == [k for k in CURVE_KS if k <= 60]
    expected = [np.mean([slow.precision(row, k) for row in rows]) for k in scores.curve_ks.tolist()]
    assert scores.curve.tolist() == pytest.approx(expected)
    assert score_queries(*problem, ks=(1, 3), map_ks=(3,), top=2).curve_ks.tolist() == [1, 2, 3]


def test_a_cut_beyond_the_gallery_keeps_its_denominator() -> None:
    # A gallery of two, both relevant.
    q, g = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)
    scores = score_queries(q, np.array([3]), g, np.array([3, 3]), ks=(1, 8), map_ks=(8,), top=10)
    assert {name: value.tolist() for name, value in scores.values.items()} == {
        "P@1": [1],
        "P@8": [0.25],
        "R@1": [0.5],
        "R@8": [1],
        "hit@1": [1],
        "hit@8": [1],
        "hits@1": [1],
        "hits@8": [2],
        "AP@8": [1],
        "first": [1],
    }
    assert scores.top.tolist() == [[0, 1]]


def test_queries_with_nothing_relevant_have_0_everywhere() -> None:
    q, g = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    scores = score_queries(q, np.array([0, 7]), g, np.array([0, 1]), ks=(1,), map_ks=(1, None))
    assert all(value[1] == 0 for value in scores.values.values())
    assert scores.relevant.tolist() == [1, 0]
    assert scores.values["P@1"].tolist() == [1, 0]


def test_random_vectors_score_at_chance() -> None:
    problem = random(1, 3000, 500, 4)
    expected = chance(problem[1], problem[3])
    value = score_queries(*problem, ks=(1,), map_ks=()).values["P@1"].mean()
    assert value == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 500))


@pytest.mark.parametrize("map_ks", [(10,), (10, None)])
def test_memory_does_not_grow_with_queries_times_gallery(
    map_ks: tuple[int | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_WHOLE", 2**15)
    monkeypatch.setattr(ranking, "_QUERIES", 64)
    monkeypatch.setattr(ranking, "_CHUNK", 512)
    problem = random(0, 2000, 2000)
    tracemalloc.start()
    score_queries(*problem, ks=(1, 10), map_ks=map_ks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 2000  # a quarter of the bytes of one float32 matrix of them all


def test_what_cannot_be_scored_is_refused() -> None:
    some, none = np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)
    labels, empty = np.zeros(2, int), np.zeros(0, int)
    with pytest.raises(ValueError, match="no queries"):
        score_queries(none, empty, some, labels, ks=(1,), map_ks=())
    with pytest.raises(ValueError, match="gallery is empty"):
        score_queries(some, labels, none, empty, ks=(1,), map_ks=())
    for ks, map_ks in (((0,), ()), ((1,), (0,))):
        with pytest.raises(ValueError, match="from 1"):
            score_queries(some, labels, some, labels, ks=ks, map_ks=map_ks)
