"""Rankings: exact in every space, to the last bit and the last tie, in any blocks, threads and shortcuts."""

import inspect
from typing import Any, get_args

import numpy as np
import pytest
import slow
import torch

from samekind.evaluation import ranking
from samekind.evaluation.ranking import Ranker, ranked_blocks
from samekind.evaluation.spaces import Compared, Space, prepared
from samekind.gallery.search import top_k

SPACES = get_args(Space)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def labels(rng: np.random.Generator, count: int, classes: int = 4) -> np.ndarray:
    return rng.integers(0, classes, count)


def random(space: str, seed: int = 0, queries: int = 12, gallery: int = 400, dim: int = 8) -> Problem:
    """No ties; of norm one for the cosine, up to the rim in the ball."""
    rng = np.random.default_rng(seed)
    q, g = (rng.normal(size=(n, dim)).astype(np.float32) for n in (queries, gallery))
    if space != "euclidean":
        q, g = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (q, g))
    if space == "poincare":
        q, g = (rows * rng.uniform(0, 0.9999, (len(rows), 1)).astype(np.float32) for rows in (q, g))
    return q, labels(rng, queries), g, labels(rng, gallery)


def tied(space: str, seed: int = 0, queries: int = 12, gallery: int = 400) -> Problem:
    """Few numbers with few bits: sums are exact in any order, and full of ties."""
    rng = np.random.default_rng(seed)
    q, g = (rng.integers(-1, 2, (n, 4)).astype(np.float32) / 4 for n in (queries, gallery))
    if space == "cosine":
        q, g = (np.sign(rows + 0.1) / 2 for rows in (q, g))  # norm one
    return q.astype(np.float32), labels(rng, queries), g.astype(np.float32), labels(rng, gallery)


def close(space: str, seed: int = 0, queries: int = 6, gallery: int = 400) -> Problem:
    """Scores that differ by less than float32 tells: directions of +-1/16 with a few numbers moved by 2^-12.

    Norms are one to 1e-4. Numbers are multiples of 2^-12, so that double precision has no rounding.
    """
    rng = np.random.default_rng(seed)
    base = rng.choice([-1, 1], 256) / 16
    q, g = (np.repeat(base[None], n, axis=0) for n in (queries, gallery))
    for rows in (q, g):
        for row in rows:
            up, down = rng.choice(256, 2, replace=False)
            row[up] += np.sign(row[up]) * 2.0**-12
            row[down] -= np.sign(row[down]) * 2.0**-12
    shrink = 0.5 if space == "poincare" else 1  # into the ball
    return (q * shrink).astype(np.float32), labels(rng, queries), (g * shrink).astype(np.float32), labels(rng, gallery)


def expected(problem: Problem, space: str) -> tuple[np.ndarray, np.ndarray]:
    q, ql, g, gl = problem
    order = np.array([slow.ranking(slow.scores(row, g, space)) for row in q])
    return order, gl[order] == ql[:, None]


def ranked(problem: Problem, space: str, depth: int | None, top: int = 10) -> tuple[np.ndarray, np.ndarray]:
    blocks = list(ranked_blocks(*problem, depth=depth, top=top, space=space))  # type: ignore[arg-type]
    assert [block.start for block in blocks] == np.cumsum([0, *(len(block.top) for block in blocks)])[:-1].tolist()
    return np.concatenate([block.top for block in blocks]), np.concatenate([block.relevant for block in blocks])


@pytest.fixture(
    scope="module",
    params=[(make, space) for make in (random, tied, close) for space in SPACES],
    ids=lambda of: f"{of[0].__name__}-{of[1]}",
)
def case(request: pytest.FixtureRequest) -> Any:
    make, space = request.param
    problem = make(space)
    return problem, space, expected(problem, space)


@pytest.mark.parametrize("depth", [1, 20, None])
@pytest.mark.parametrize(
    ("queries", "chunk", "whole", "top"), [(5, 64, 700, 10), (1024, 300, 1, 10), (1024, 4096, 2**21, 0)]
)
def test_rankings_are_their_slow_twins_in_any_blocks(
    case: Any, depth: int | None, queries: int, chunk: int, whole: int, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_QUERIES", queries), ("_CHUNK", chunk), ("_WHOLE", whole)):
        monkeypatch.setattr(ranking, name, value)
    problem, space, (order, relevance) = case
    places, relevant = ranked(problem, space, depth, top)
    assert relevant.shape[1] == (400 if depth is None else max(depth, top))
    assert np.array_equal(places, order[:, :top])
    assert np.array_equal(relevant, relevance[:, : relevant.shape[1]])


@pytest.mark.parametrize("space", ["cosine", "euclidean"])
@pytest.mark.parametrize("seed", range(3))
def test_cut_rankings_are_whole_ones_cut_on_long_vectors_and_many_pictures(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, ql, g, gl = random(space, seed, 40, 5000, 64)
    twice = rng.integers(0, 5000, 500)
    g[twice] = g[rng.permutation(twice)]  # copies, and neighbours that differ in a last bit
    g[twice[:100]] = np.nextafter(g[twice[100:200]], np.float32(9))
    q[:10] = g[twice[:10]]
    problem = q, ql, g, gl
    ranker = Ranker(prepared(g, space, "gallery"), gl, space, 50, 50)
    assert ranker.cut
    whole = ranker._whole(prepared(q, space, "queries"), ql)
    for one, other in zip(ranked(problem, space, 50, 50), whole, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_last_rank_is_right_where_single_precision_puts_another_picture_there(depth: int) -> None:
    rng = np.random.default_rng(depth)
    q = rng.normal(size=(20, 512))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    for query in q:
        across = rng.normal(size=(60, 512))
        across -= across @ query[:, None] * query
        across *= np.sqrt(0.99) / np.linalg.norm(across, axis=1, keepdims=True)
        g = (across + (0.1 + rng.normal(size=(60, 1)) * 2e-8) * query).astype(np.float32)
        problem = query[None].astype(np.float32), np.array([0]), g, np.arange(60) % 2
        _, relevance = expected(problem, "cosine")
        assert np.array_equal(ranked(problem, "cosine", depth, 0)[1], relevance[:, :depth])


@pytest.mark.parametrize("make", [random, tied, close])
def test_hits_are_those_of_a_search_in_a_gallery(make: Any) -> None:
    q, ql, g, gl = make("cosine")
    g[200:300] = g[:100]  # copies
    theirs = [rows.tolist() for rows, _ in top_k(g, q, 30)]
    assert ranked((q, ql, g, gl), "cosine", 30, 30)[0].tolist() == theirs


def test_equal_vectors_tie_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    vector = rng.normal(size=(1, 512)).astype(np.float32)
    gallery, of = np.repeat(vector, 9001, 0), np.zeros(9001, int)
    of[0] = 1  # the first of all the ties, and so at rank 1
    for depth in (5, None):  # cut: too crowded around the line, and ranked whole
        top, relevant = ranked((vector, np.array([1]), gallery, of), "cosine", depth)
        assert top[0].tolist() == list(range(10))
        assert relevant[0].tolist() == [True, *[False] * (relevant.shape[1] - 1)]


def test_copies_that_a_product_tells_apart_by_rounding_keep_the_order_of_the_gallery() -> None:
    vectors, of = np.ones((3, 4), np.float32) / 2, np.zeros(3, int)
    ranker = Ranker(vectors, of, "cosine", None, 3)
    keys = np.array([[0 << ranker._bits | 2, 1 << ranker._bits | 0, 2 << ranker._bits | 1]])
    assert ranker._settled(keys, ranker._double, vectors[:1], of[:1])[0].tolist() == [[0, 1, 2]]


def test_copies_between_other_ties_keep_the_order_of_the_gallery() -> None:
    """Chains of copies, and of vectors that tie with them without being equal."""
    q, ql, g, gl = tied("euclidean", 1, gallery=60)
    q[0], g[1::3] = 0, -g[::3]  # as far from 0 as their opposites
    order, relevance = expected((q, ql, g, gl), "euclidean")
    top, relevant = ranked((q, ql, g, gl), "euclidean", None, 60)
    assert np.array_equal(top, order)
    assert np.array_equal(relevant, relevance)


def test_a_sample_that_misleads_costs_time_but_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is near the query lies in the first chunk, so that the line is drawn too high."""
    monkeypatch.setattr(ranking, "_CHUNK", 100)
    problem = random("cosine", 3, queries=4, gallery=3000)
    q, _, g, _ = problem
    q[1:] = q[0]
    sample = np.random.default_rng(ranking._SEED).permutation(3000)[:100]
    g[sample] = -g[sample] * np.sign(-g[sample] @ q[0])[:, None]
    g[sample] = (q[0] + g[sample] / 50) / np.linalg.norm(q[0] + g[sample] / 50, axis=1, keepdims=True)
    calls = []
    whole = Ranker._whole
    monkeypatch.setattr(Ranker, "_whole", lambda self, *rest: calls.append(len(rest[0])) or whole(self, *rest))
    order, relevance = expected(problem, "cosine")
    top, relevant = ranked(problem, "cosine", 300)
    assert sum(calls) == 4
    assert np.array_equal(top, order[:, :10])
    assert np.array_equal(relevant, relevance[:, :300])


def test_threads_change_nothing_and_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_QUERIES", 3)
    problem, before = close("cosine"), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(ranked(problem, "cosine", 20))
            assert torch.get_num_threads() == threads
            blocks = ranked_blocks(*problem, depth=20, top=1)
            next(blocks)
            blocks.close()  # type: ignore[attr-defined]
            assert torch.get_num_threads() == threads
        assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
    finally:
        torch.set_num_threads(before)


def test_reduced_precision_of_products_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = random("cosine")[2]
    assert Ranker(gallery, np.zeros(400, int), "cosine", 5, 5).cut
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert not Ranker(gallery, np.zeros(400, int), "cosine", 5, 5).cut


@pytest.mark.parametrize("dim", [1, 3, 17, 512, 8191, 8193, 20000])
def test_an_exact_score_depends_on_two_vectors_alone(dim: int) -> None:
    rng = np.random.default_rng(dim)
    gallery, query = rng.normal(size=(30, dim)).astype(np.float32) / dim, rng.normal(size=dim).astype(np.float32) / dim
    for space in SPACES:
        compared = Compared(gallery, space)
        whole = compared.exact(query, np.arange(30))
        for rows in ([7], [29, 3], [0, 0, 5], list(range(29, 0, -1))):
            assert np.array_equal(compared.exact(query, np.array(rows)), whole[rows])


@pytest.mark.parametrize("space", SPACES)
def test_products_rank_like_exact_scores_within_the_bound_on_their_rounding(space: Space) -> None:
    q, _, g, _ = random(space, 5, dim=300)
    compared = Compared(g, space)
    products = compared.widened(q) @ compared.matrix.T + (0 if compared.shift is None else compared.shift)
    slack = 8 * 308 * 2.0**-53 * compared.reach(q)
    for row, bound, query in zip(products, slack, q, strict=True):
        order = np.argsort(-row)
        falls = np.diff(compared.exact(query, order))
        assert (falls[np.diff(row[order]) < -bound] < 0).all()


def test_vectors_of_norm_one_stay_as_they_are_and_others_are_brought_there() -> None:
    rows = np.array([[0.6, 0.8], [3, 4], [0.60001, 0.8]], np.float32)
    ready = prepared(rows, "cosine", "queries")
    assert np.array_equal(ready[[0, 2]], rows[[0, 2]])
    assert ready[1] == pytest.approx([0.6, 0.8])
    assert rows[1].tolist() == [3, 4]
    assert np.array_equal(prepared(rows, "euclidean", "queries"), rows)


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    good, zero = np.eye(3, dtype=np.float32) / 2, np.zeros((2, 3), np.float32)
    for bad in (np.nan, np.inf):
        rows = good.copy()
        rows[1, 2] = bad
        with pytest.raises(ValueError, match="Vector 1 of the queries holds NaN"):
            prepared(rows, "euclidean", "queries")
    with pytest.raises(ValueError, match="Vector 0 of the gallery has norm 0"):
        prepared(zero, "cosine", "gallery")
    with pytest.raises(ValueError, match="Vector 2 of the gallery lies outside the unit ball"):
        prepared(np.diag(np.array([0.5, 0.5, 1], np.float32)), "poincare", "gallery")
    assert np.array_equal(prepared(zero, "euclidean", "gallery"), zero)
    of, unchecked = np.zeros(3, int), inspect.unwrap(ranked_blocks)  # the tests' shape checks would come first
    with pytest.raises(ValueError, match="gallery is empty"):
        ranked((good, of, good[:0], of[:0]), "cosine", None)
    with pytest.raises(ValueError, match="queries have 3 vectors and 2 labels"):
        list(unchecked(good, of[:2], good, of, depth=None, top=1))
    with pytest.raises(ValueError, match="Queries of 2 numbers"):
        list(unchecked(good[:, :2], of, good, of, depth=None, top=1))


def test_vectors_that_are_all_zero_tie_where_distances_are_compared() -> None:
    zero, of = np.zeros((5, 3), np.float32), np.arange(5)
    for space in ("euclidean", "poincare"):
        assert ranked((zero, of, zero, of), space, None)[0].tolist() == [[0, 1, 2, 3, 4]] * 5


@pytest.mark.parametrize("power", [-80, -73, 63, 70])
def test_distances_too_small_or_too_large_for_single_precision_rank_as_others(power: int) -> None:
    q, ql, g, gl = random("euclidean")
    scale = np.float32(2.0**power)  # exact
    one, other = ranked((q, ql, g, gl), "euclidean", 5), ranked((q * scale, ql, g * scale, gl), "euclidean", 5)
    assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def test_a_gallery_of_one_picture_is_ranked() -> None:
    vector, of = np.ones((1, 3), np.float32), np.array([2])
    top, relevant = ranked((vector, of, vector, of), "cosine", 7)
    assert top.tolist() == [[0]]
    assert relevant.tolist() == [[True]]
