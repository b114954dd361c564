"""Pairs of domains: who asks, who answers, and what a known arrangement must score."""

import numpy as np
import pytest

from samekind.evaluation.pairs import mean, score_pairs


def test_every_ordered_pair_of_domains_is_scored_with_its_sizes() -> None:
    vectors = np.eye(6, dtype=np.float32)
    pairs = score_pairs(vectors, np.array([0, 1, 0, 1, 0, 0]), ["b", "b", "a", "a", "c", "c"])
    assert [(p.query, p.gallery) for p in pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "a"),
        ("b", "c"),
        ("c", "a"),
        ("c", "b"),
    ]
    assert {(p.queries, p.gallery_size) for p in pairs} == {(2, 2)}


def test_a_known_arrangement_scores_what_follows_from_it() -> None:
    # Vectors say the class without error, but class 1 is missing from domain b.
    vectors = np.eye(2, dtype=np.float32)[[0, 0, 1, 0, 0]]
    forth, back = score_pairs(vectors, np.array([0, 0, 1, 0, 0]), ["a", "a", "a", "b", "b"], ks=(1, 2, 4))
    assert forth.metrics["P@1"] == pytest.approx(2 / 3)
    assert forth.metrics["P@4"] == pytest.approx(2 / 3 * 2 / 4)
    assert forth.metrics["without_relevant"] == pytest.approx(1 / 3)
    assert forth.chance == pytest.approx(2 / 3)
    assert back.metrics["P@2"] == 1
    assert back.chance == pytest.approx(2 / 3)
    assert mean([forth, back], "P@1") == pytest.approx((2 / 3 + 1) / 2)
