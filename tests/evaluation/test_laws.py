"""What must hold of any ranking, whatever it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samekind.evaluation.metrics import (
    average_precision_at_k,
    first_relevant_rank,
    hit_rate_at_k,
    precision_at_k,
    recall_at_k,
)
from samekind.evaluation.scoring import Scores, score_queries
from samekind.evaluation.significance import fisher_randomisation, holm
from samekind.evaluation.summary import bootstrap

ROW = hnp.arrays(bool, st.tuples(st.just(1), st.integers(1, 30)))
CUTS = st.integers(1, 35)
VALUES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30)


@given(st.integers(1, 9), st.integers(0, 9), CUTS)
def test_a_perfect_ranking_scores_1_but_for_the_denominator(relevant: int, others: int, k: int) -> None:
    ranked = np.array([[True] * relevant + [False] * others])
    assert average_precision_at_k(ranked, k, "min_k_relevant").tolist() == [1]
    assert average_precision_at_k(ranked, k, "found").tolist() == [1]
    assert average_precision_at_k(ranked, k, "relevant")[0] == pytest.approx(min(k, relevant) / relevant)
    assert precision_at_k(ranked, k)[0] == pytest.approx(min(k, relevant) / k)
    assert recall_at_k(ranked, k)[0] == pytest.approx(min(k, relevant) / relevant)
    assert first_relevant_rank(ranked).tolist() == [1]


@given(st.integers(1, 9), st.integers(0, 9))
def test_the_reversed_ranking_has_the_value_that_follows_from_the_definition(relevant: int, others: int) -> None:
    ranked = np.array([[False] * others + [True] * relevant])
    expected = math.fsum(n / (others + n) for n in range(1, relevant + 1)) / relevant
    assert average_precision_at_k(ranked)[0] == pytest.approx(expected)
    assert first_relevant_rank(ranked).tolist() == [others + 1]


@given(ROW, CUTS)
def test_denominators_are_ordered(ranked: np.ndarray, k: int) -> None:
    found, least, every = (
        average_precision_at_k(ranked, k, each)[0] for each in ("found", "min_k_relevant", "relevant")
    )
    assert 1 >= found >= least >= every >= 0


@given(ROW)
def test_over_the_whole_gallery_the_denominators_are_one(ranked: np.ndarray) -> None:
    values = [average_precision_at_k(ranked, None, each)[0] for each in ("found", "min_k_relevant", "relevant")]
    assert values[0] == values[1] == values[2]


@given(ROW, CUTS)
def test_precision_counts_whole_pictures_and_recall_and_hit_rate_never_fall(ranked: np.ndarray, k: int) -> None:
    assert round(precision_at_k(ranked, k)[0] * k, 9) == ranked[0, :k].sum()
    assert recall_at_k(ranked, k + 1)[0] >= recall_at_k(ranked, k)[0]
    assert hit_rate_at_k(ranked, k + 1)[0] >= hit_rate_at_k(ranked, k)[0]
    first = first_relevant_rank(ranked)[0]
    assert hit_rate_at_k(ranked, k)[0] == (0 < first <= k)


@given(ROW, st.data())
def test_moving_a_relevant_picture_up_never_lowers_average_precision(ranked: np.ndarray, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, ranked.shape[1] - 1))
    better = ranked.copy()
    better[0, : place + 1] = np.roll(ranked[0, : place + 1], 1)
    if ranked[0, place]:
        assert average_precision_at_k(better)[0] >= average_precision_at_k(ranked)[0] - 1e-12


def scored(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray, space: str = "cosine") -> Scores:
    asked = np.arange(len(queries)) % 3
    return score_queries(queries, asked, gallery, labels, ks=(1, 4), map_ks=(4, None), space=space)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["cosine", "euclidean", "poincare"]))
def test_the_order_of_the_gallery_changes_nothing_where_nothing_ties(seed: int, space: str) -> None:
    rng = np.random.default_rng(seed)
    queries, gallery = (rng.normal(size=(n, 6)).astype(np.float32) / 9 for n in (5, 30))
    labels, order = rng.integers(0, 4, 30), rng.permutation(30)
    one, other = scored(queries, gallery, labels, space), scored(queries, gallery[order], labels[order], space)
    assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)
    assert np.array_equal(one.top, order[other.top])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_the_gallery_changes_nothing_but_places_among_ties_of_one_kind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(8, 6)).astype(np.float32)
    which, order = rng.integers(0, 8, 40), rng.permutation(40)  # equal vectors have equal labels
    queries, gallery, labels = rng.normal(size=(5, 6)).astype(np.float32), base[which], which % 3
    one, other = scored(queries, gallery, labels), scored(queries, gallery[order], labels[order])
    assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.125, 1024, width=32))
def test_lengths_change_no_cosine_and_moves_change_no_distance(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    queries, gallery = (rng.normal(size=(n, 6)).astype(np.float32) for n in (5, 30))
    labels, power = rng.integers(0, 4, 30), np.float32(2.0 ** round(math.log2(factor)))
    assert np.array_equal(scored(queries, gallery, labels).top, scored(queries * power, gallery, labels).top)
    whole = (queries * 64).round(), (gallery * 64).round()  # whole numbers move without rounding
    moved = scored(whole[0] + 7, whole[1] + 7, labels, "euclidean")
    assert np.array_equal(scored(*whole, labels, "euclidean").top, moved.top)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(0, 9), st.sampled_from([0.5, 0.95]))
def test_an_interval_contains_its_mean_and_grows_with_its_level(values: list[float], seed: int, level: float) -> None:
    array = np.array(values, np.float32)
    low, high = bootstrap(array, seed=seed, draws=200, level=level)
    assert low <= array.mean(dtype=np.float64) <= high
    assert array.min() - 1e-9 <= low <= high <= array.max() + 1e-9
    wider = bootstrap(array, seed=seed, draws=200, level=0.99)
    assert wider[0] <= low <= high <= wider[1]


@settings(max_examples=50, deadline=None)
@given(VALUES, st.data())
def test_the_test_is_symmetric_and_its_p_values_are_probabilities(values: list[float], data: st.DataObject) -> None:
    a = np.array(values, np.float32)
    b = np.array(data.draw(st.permutations(values)), np.float32)
    p = fisher_randomisation(a, b, draws=100)
    assert 0 < p <= 1
    assert p == fisher_randomisation(b, a, draws=100)
    assert fisher_randomisation(a, a, draws=100) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(values: list[float]) -> None:
    corrected = holm(values)
    order = np.argsort(values, kind="stable")
    assert all(after >= before for before, after in zip(values, corrected, strict=True))
    assert np.all(np.diff(corrected[order]) >= 0)
    assert corrected.max() <= 1
    assert corrected[order[0]] == min(1, values[order[0]] * len(values))
