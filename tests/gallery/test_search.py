"""The exact search against a slow twin, with ties, filters and every size of block."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.errors import UsageError
from samekind.gallery import search
from samekind.gallery.search import top_k


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def slow_twin(vectors: np.ndarray, query: np.ndarray, k: int, mask: np.ndarray | None) -> tuple[list[int], list[float]]:
    """Every row by itself, then Python's stable sort: equal scores stay in the order of rows."""
    rows = [row for row in range(len(vectors)) if mask is None or mask[row]]
    score = {row: float(np.sum(vectors[row].astype(np.float64) * query.astype(np.float64))) for row in rows}
    best = sorted(rows, key=lambda row: -score[row])[:k]
    return best, [score[row] for row in best]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_search_equals_its_slow_twin_with_ties_also_at_the_last_place(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    n, distinct, d = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 8), st.integers(1, 40)))
    vectors = unit(rng.normal(size=(distinct, d)))[rng.integers(0, distinct, n)]
    queries = unit(np.concatenate([rng.normal(size=(2, d)), vectors[:1]]))
    k = data.draw(st.integers(1, n + 2))
    mask = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_COPIED", data.draw(st.integers(1, 64)))
        patch.setattr(search, "_SCORES", data.draw(st.integers(1, 200)))
        patch.setattr(search, "_FEW", data.draw(st.integers(1, 64)))
        patch.setattr(search, "_QUERIES", data.draw(st.integers(1, 4)))
        found = top_k(vectors, queries, k, mask)
    for query, (rows, scores) in zip(queries, found, strict=True):
        assert (rows.tolist(), scores.tolist()) == slow_twin(vectors, query, k, mask)


def test_rows_that_differ_less_than_float32_rounding_are_ranked_by_the_exact_score() -> None:
    """The rows differ in one number each, by its last bit."""
    rng = np.random.default_rng(0)
    query = unit(rng.normal(size=(1, 512)))
    near = np.repeat(query, 3000, axis=0)
    for row in range(1, 3000):
        place = rng.integers(512)
        near[row, place] = np.nextafter(near[row, place], np.float32(rng.choice([-1, 1])))
    near = np.concatenate([unit(rng.normal(size=(9000, 512))), near])
    ((rows, scores),) = top_k(near, query, 25)
    assert (rows.tolist(), scores.tolist()) == slow_twin(near, query[0], 25, None)


def test_a_vector_scores_the_same_wherever_it_stands() -> None:
    rng = np.random.default_rng(1)
    one, query = unit(rng.normal(size=(1, 257))), unit(rng.normal(size=(1, 257)))
    scores = {float(top_k(np.repeat(one, count, axis=0), query, count)[0][1][-1]) for count in range(1, 70)}
    assert len(scores) == 1


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 1.0])
def test_a_mask_gives_what_searching_the_masked_rows_alone_gives(share: float) -> None:
    rng = np.random.default_rng(2)
    vectors, queries = unit(rng.normal(size=(20_000, 16))), unit(rng.normal(size=(3, 16)))
    mask = rng.random(len(vectors)) < share
    kept = np.flatnonzero(mask)
    for masked, alone in zip(top_k(vectors, queries, 10, mask), top_k(vectors[mask], queries, 10), strict=True):
        np.testing.assert_array_equal(masked[0], kept[alone[0]])
        np.testing.assert_array_equal(masked[1], alone[1])


def test_more_hits_than_rows_gives_all_rows_best_first() -> None:
    vectors = unit(np.array([[1.0, 0.1], [0.0, 1.0], [1.0, 0.0]]))
    ((rows, scores),) = top_k(vectors, np.array([[1.0, 0.0]], np.float32), 10)
    assert rows.tolist() == [2, 0, 1]
    assert all(a >= b for a, b in itertools.pairwise(scores))


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_hits_than_one_is_refused(k: int) -> None:
    with pytest.raises(UsageError, match="k must be 1 or more"):
        top_k(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), k)


def test_no_row_is_no_hit() -> None:
    ((rows, scores),) = top_k(np.empty((0, 4), np.float32), np.ones((1, 4), np.float32), 3)
    assert len(rows) == len(scores) == 0
