"""The metrics against their slow twins, against scikit-learn, and where nothing is to be found."""

from typing import get_args

import numpy as np
import pytest
import slow
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from samekind.evaluation.metrics import (
    Denominator,
    average_precision_at_k,
    chance,
    first_relevant_rank,
    hit_rate_at_k,
    hits_at,
    hits_within_relevant,
    median_rank,
    pooled_precision_at_k,
    precision_at_k,
    recall_at_k,
    relevant_counts,
)

RANKED = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
DENOMINATORS = get_args(Denominator)
CUTS = st.integers(1, 15)


@given(RANKED, CUTS)
def test_precision_recall_and_hit_rate_are_their_slow_twins(ranked: np.ndarray, k: int) -> None:
    rows = ranked.tolist()
    assert precision_at_k(ranked, k).tolist() == pytest.approx([slow.precision(row, k) for row in rows])
    assert recall_at_k(ranked, k).tolist() == pytest.approx([slow.recall(row, k) for row in rows])
    assert hit_rate_at_k(ranked, k).tolist() == [slow.hit_rate(row, k) for row in rows]


@given(RANKED, st.none() | CUTS, st.sampled_from(DENOMINATORS))
def test_average_precision_is_its_slow_twin_under_every_denominator(
    ranked: np.ndarray, k: int | None, denominator: Denominator
) -> None:
    expected = [slow.average_precision(row, k, denominator) for row in ranked.tolist()]
    assert average_precision_at_k(ranked, k, denominator).tolist() == pytest.approx(expected)


@given(RANKED, CUTS)
def test_first_ranks_and_pooled_precision_are_their_slow_twins(ranked: np.ndarray, k: int) -> None:
    rows = ranked.tolist()
    assert first_relevant_rank(ranked).tolist() == [slow.first(row) for row in rows]
    assert hits_within_relevant(ranked, k).tolist() == [slow.hits_within(row, k) for row in rows]
    assert pooled_precision_at_k(ranked, k) == pytest.approx(slow.pooled_precision(rows, k))


@given(RANKED, st.lists(CUTS, min_size=1, max_size=5, unique=True))
def test_hits_at_many_cuts_are_those_at_each(ranked: np.ndarray, ks: list[int]) -> None:
    expected = [[sum(row[:k]) for k in sorted(ks)] for row in ranked.tolist()]
    assert hits_at(ranked, sorted(ks)).tolist() == expected


@given(RANKED, st.integers(1, 12), st.sampled_from(DENOMINATORS))
def test_the_head_of_a_ranking_and_the_count_of_all_relevant_are_enough(
    ranked: np.ndarray, k: int, denominator: Denominator
) -> None:
    head, relevant = ranked[:, :k], ranked.sum(axis=1)
    assert np.array_equal(
        average_precision_at_k(head, k, denominator, relevant), average_precision_at_k(ranked, k, denominator)
    )
    assert np.array_equal(recall_at_k(head, k, relevant), recall_at_k(ranked, k))
    assert np.array_equal(hits_within_relevant(head, k, relevant), hits_within_relevant(ranked, k))
    assert pooled_precision_at_k(head, k, relevant) == pooled_precision_at_k(ranked, k)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_scikit_learn_on_random_rankings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranked = rng.random((20, 60)) < 0.2
    ranked[:, rng.integers(0, 60)] = True  # it warns where nothing is relevant
    theirs = [average_precision_score(row, -np.arange(60)) for row in ranked]
    assert average_precision_at_k(ranked).tolist() == pytest.approx(theirs)


def test_a_query_with_nothing_relevant_has_0_everywhere() -> None:
    ranked = np.zeros((1, 4), bool)
    for metric in (precision_at_k, recall_at_k, hit_rate_at_k, hits_within_relevant):
        assert metric(ranked, 2).tolist() == [0]
    assert [average_precision_at_k(ranked, 2, each).tolist() for each in DENOMINATORS] == [[0]] * 3
    assert first_relevant_rank(ranked).tolist() == [0]
    assert pooled_precision_at_k(ranked, 2) == 0


def test_the_median_rank_is_over_queries_that_have_one() -> None:
    assert median_rank(np.array([0, 3, 1, 0, 8])) == 3
    assert median_rank(np.array([2, 5])) == 3.5
    assert np.isnan(median_rank(np.array([0, 0])))


def test_pooled_precision_weighs_queries_by_what_they_could_find() -> None:
    # The first may find 1 of 1 and does, the second 2 of 2 and finds 1, the third nothing.
    ranked = np.array([[True, False, False], [True, False, True], [False, False, False]])
    assert pooled_precision_at_k(ranked, 2) == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_chance_is_the_share_of_relevant_pairs(queries: list[int], gallery: list[int]) -> None:
    share = np.mean([q == g for q in queries for g in gallery])
    assert chance(np.array(queries), np.array(gallery)) == pytest.approx(share)
    assert relevant_counts(np.array(queries), np.array(gallery)).tolist() == [gallery.count(q) for q in queries]


def test_an_empty_gallery_has_nothing_relevant_and_no_chance() -> None:
    labels, empty = np.zeros(2, int), np.zeros(0, int)
    assert relevant_counts(labels, empty).tolist() == [0, 0]
    assert first_relevant_rank(np.zeros((2, 0), bool)).tolist() == [0, 0]
    assert average_precision_at_k(np.zeros((2, 0), bool)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="at least one"):
        chance(labels, empty)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k: int) -> None:
    ranked = np.ones((1, 3), bool)
    for metric in (precision_at_k, recall_at_k, hit_rate_at_k, average_precision_at_k, hits_within_relevant):
        with pytest.raises(ValueError, match="from 1"):
            metric(ranked, k)
