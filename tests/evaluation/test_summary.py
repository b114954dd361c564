"""Means and intervals: what they are made of, and what they must be where that can be derived."""

import math
import statistics
import tracemalloc

import numpy as np
import pytest

from samekind.evaluation import summary
from samekind.evaluation.metrics import pooled_precision_at_k
from samekind.evaluation.scoring import Scores, score_queries
from samekind.evaluation.summary import bootstrap, drawings, intervals, means, per_class, resampled

CLASSES = ("dog", "cat", "car")


def scores(seed: int = 0, queries: int = 40, gallery: int = 30) -> tuple[Scores, np.ndarray, np.ndarray]:
    """Scores with the queries' labels (the last class has nothing relevant), and the gallery's relevance by rank."""
    rng = np.random.default_rng(seed)
    q, g = (rng.normal(size=(n, 5)).astype(np.float32) for n in (queries, gallery))
    ql, gl = rng.integers(0, 3, queries), rng.integers(0, 2, gallery)
    found = score_queries(q, ql, g, gl, ks=(1, 5, 25), map_ks=(5, None), top=gallery)
    return found, ql, gl[found.top] == ql[:, None]


def test_macro_means_are_plain_means_over_queries() -> None:
    found, _, _ = scores()
    told = means(found)
    assert list(told) == [
        *(f"{kind}@{k}" for kind in ("P", "R", "hit") for k in (1, 5, 25)),
        *("mAP@5", "mAP@all", "median_rank", "without_relevant"),
    ]
    for name in ("P@1", "P@25", "R@5", "hit@5"):
        assert told[name] == pytest.approx(statistics.fmean(found.values[name].tolist()))
    assert told["mAP@all"] == pytest.approx(statistics.fmean(found.values["AP@all"].tolist()))
    assert told["median_rank"] == statistics.median(rank for rank in found.values["first"].tolist() if rank)
    assert told["without_relevant"] == statistics.fmean((found.relevant == 0).tolist()) > 0


def test_micro_precision_is_that_of_ucdir_and_all_else_is_macro() -> None:
    found, _, ranked = scores(1)
    micro, macro = means(found, "micro"), means(found)
    for k in (1, 5, 25):
        assert micro[f"P@{k}"] == pytest.approx(pooled_precision_at_k(ranked, k))
    assert micro["P@25"] > macro["P@25"]
    assert {name: value for name, value in micro.items() if name[:2] != "P@"} == {
        name: value for name, value in macro.items() if name[:2] != "P@"
    }


def test_micro_precision_is_0_where_nothing_is_relevant() -> None:
    vectors = np.eye(3, dtype=np.float32)
    found = score_queries(vectors, np.zeros(3, int), vectors, np.ones(3, int), ks=(1,), map_ks=())
    assert means(found, "micro")["P@1"] == 0
    assert math.isnan(means(found)["median_rank"])
    assert intervals(found, "micro")["P@1"] == (0, 0)


def test_the_bootstrap_is_its_slow_twin() -> None:
    rng = np.random.default_rng(3)
    above, below = rng.random(17).astype(np.float32), rng.integers(0, 3, 17).astype(np.float32)
    drawn = [row for block in drawings(17, 300, 5) for row in block.tolist()]
    assert len(drawn) == 300
    plain = [statistics.fmean(float(above[n]) for n in row) for row in drawn]
    ratio = [math.fsum(float(above[n]) for n in row) / math.fsum(float(below[n]) for n in row) for row in drawn]
    for values, parts in ((plain, (above,)), (ratio, (above, below))):
        expected = np.quantile(values, [0.05, 0.95])
        assert bootstrap(*parts, seed=5, draws=300, level=0.9) == pytest.approx(tuple(expected))


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """The mean of n draws of 0 or 1 has the standard deviation sqrt(p (1 - p) / n), and is nearly normal."""
    values = np.repeat([0.0, 1.0], [700, 300])
    low, high = bootstrap(values, draws=4000)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert (low, high) == pytest.approx((0.3 - half, 0.3 + half), abs=half / 10)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(400):
        low, high = bootstrap(rng.random(50), seed=seed, draws=200)
        inside.append(low <= 0.5 <= high)
    assert 0.90 <= np.mean(inside) <= 0.98  # 95 % but for small samples; three standard errors are 3 %


def test_values_that_are_all_the_same_have_an_interval_of_no_width() -> None:
    low, high = bootstrap(np.full(9, 0.25, np.float32))
    assert low == high == 0.25


def test_an_interval_of_too_few_draws_is_stretched_to_its_mean() -> None:
    values = np.arange(9.0)
    for seed in range(20):
        low, high = bootstrap(values, seed=seed, draws=1)
        assert low <= 4 <= high
        assert 4 in (low, high)


def test_all_metrics_share_the_draws_and_the_seed_repeats_them() -> None:
    found, _, _ = scores(2)
    told = intervals(found, seed=4, draws=100)
    assert told == intervals(found, seed=4, draws=100)
    assert told != intervals(found, seed=5, draws=100)
    assert told["mAP@all"] == pytest.approx(bootstrap(found.values["AP@all"], seed=4, draws=100))
    assert told.keys() == means(found).keys() - {"median_rank", "without_relevant"}


def test_classes_have_means_and_intervals_of_their_own_queries() -> None:
    found, labels, _ = scores(6)
    told = per_class(found, labels, CLASSES, ("P@1", "mAP@all"))
    assert list(told) == list(CLASSES)
    for n, name in enumerate(CLASSES):
        mine = found.values["AP@all"][labels == n]
        assert told[name].queries == len(mine)
        assert told[name].means["mAP@all"] == pytest.approx(mine.mean())
        assert told[name].intervals["mAP@all"] == pytest.approx(bootstrap(mine))
        assert told[name].means.keys() == told[name].intervals.keys() == {"P@1", "mAP@all"}
    assert told["car"].means["P@1"] == 0
    overall = sum(each.queries * each.means["P@1"] for each in told.values()) / len(labels)
    assert overall == pytest.approx(means(found)["P@1"])


def test_draws_come_in_blocks_that_change_nothing_and_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((1000, 2))
    whole = resampled(values, 500, 1)
    monkeypatch.setattr(summary, "_DRAWN", 3500)
    assert resampled(values, 500, 1) == pytest.approx(whole)
    tracemalloc.start()
    resampled(values, 500, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500 * 1000  # an eighth of the bytes of all draws


def test_no_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="no queries"):
        bootstrap(np.zeros(0))
