"""Tests of differences: what a p-value counts, that it is fair where nothing differs, and small where much does."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.evaluation import significance
from samekind.evaluation.significance import fisher_randomisation, holm

FIFTHS = st.lists(st.integers(-5, 5), min_size=1, max_size=9)


def exact_fisher(differences: list[int]) -> float:
    """Whole numbers, so that sums have no rounding."""
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return sum(each >= abs(sum(differences)) for each in sums) / len(sums)


@given(FIFTHS)
@settings(deadline=None)
def test_few_differences_are_tested_exactly(fifths: list[int]) -> None:
    a = np.array([0.2 * max(n, 0) for n in fifths], np.float32)  # as P@5 is stored
    b = np.array([0.2 * max(-n, 0) for n in fifths], np.float32)
    assert fisher_randomisation(a, b) == pytest.approx(exact_fisher(fifths))


def test_random_patterns_come_near_to_the_exact_value() -> None:
    differences = [3, -1, 4, 1, -5, 9, 2, -6, 5, 3, 5, 8, 9, 7]
    expected = exact_fisher(differences)
    assert 0.005 < expected < 0.2
    values = np.array(differences, float)
    found = fisher_randomisation(values, 0 * values, draws=16_000)  # of 2^14 patterns, so not all of them
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / 16_000))
    assert fisher_randomisation(values, 0 * values, draws=2**14) == expected


def test_queries_that_do_not_differ_change_no_randomisation() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(40)
    same = rng.random(500)
    longer = fisher_randomisation(np.concatenate([a, same]), np.concatenate([b, same]))
    assert longer == fisher_randomisation(a, b)


def test_p_values_are_uniform_where_both_are_alike() -> None:
    """Kolmogorov's statistic against the uniform distribution, and the share of false alarms at 5 %."""
    rng = np.random.default_rng(2)
    found = np.sort([fisher_randomisation(rng.random(60), rng.random(60), draws=400, seed=n) for n in range(400)])
    steps = np.arange(1, 401) / 400
    assert np.abs(found - steps).max() < 1.63 / math.sqrt(400)  # the bound of 1 %
    assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 400))


def test_a_clear_difference_has_the_smallest_p_value_there_is() -> None:
    rng = np.random.default_rng(3)
    b = rng.random(200).astype(np.float32)
    assert fisher_randomisation(b + np.float32(0.3), b, draws=999) == pytest.approx(1 / 1000)
    noisy = b + rng.normal(0.0, 0.3, 200).astype(np.float32)
    assert fisher_randomisation(noisy, b, draws=999) > 0.01


def test_blocks_change_no_p_value_and_memory_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random(3000), rng.random(3000)
    before = fisher_randomisation(a, b, draws=2000, seed=1)
    tracemalloc.start()
    fisher_randomisation(a, b, draws=2000, seed=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 3000 * 8  # what all draws would take
    monkeypatch.setattr(significance, "_CHUNK", 4000)
    assert fisher_randomisation(a, b, draws=2000, seed=1) == before


def test_holm_multiplies_the_smallest_most_and_never_turns_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="no queries"):
        fisher_randomisation(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="at least one draw"):
        fisher_randomisation(np.zeros(2), np.ones(2), draws=0)
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm([0.5, p])
