"""The graph of nearest neighbours and what diffuses on it, where the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from samekind.errors import UsageError
from samekind.nn.diffusion import DENSE, Spectrum, estimate_count, neighbour_graph, spectrum
from samekind.nn.kmeans import kmeans, unit


def world(
    classes: int, each: int, *, domains: int = 2, noise: float = 0.25, style: float = 1.0, seed: int = 0
) -> tuple[list[np.ndarray], np.ndarray]:
    """Vectors of several domains: a direction per class, one style per domain, noise; and the truth of one domain."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), each)
    centres = rng.normal(size=(classes, 16))
    styles = style * rng.normal(size=(domains, 16))
    return [unit(centres[truth] + one + noise * rng.normal(size=(len(truth), 16))) for one in styles], truth


def test_the_graph_is_symmetric_without_loops_and_leaves_no_vector_alone() -> None:
    domains, _ = world(3, 9)
    graph = neighbour_graph(domains, neighbours=4)
    assert graph.shape == (54, 54)
    assert abs(graph - graph.T).max() == 0
    assert not graph.diagonal().any()
    assert (np.diff(graph.indptr) >= 4).all()
    across = graph[:27, 27:].toarray()
    assert (across > 0).any(1).all()
    assert (across > 0).any(0).all()


def test_of_several_domains_the_others_share_their_edges() -> None:
    domains, _ = world(2, 10, domains=3)
    asked = neighbour_graph(domains, neighbours=8)[:20].toarray() > 0
    # Two edges to each of two others are asked for; the rest is being asked.
    assert (asked[:, 20:40].sum(1) >= 2).all()
    assert (asked[:, 40:].sum(1) >= 2).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_no_eigenvalue_is_above_one_and_the_first_is_one(seed: int, classes: int) -> None:
    found = spectrum(neighbour_graph(world(classes, 6, seed=seed)[0]), 10)
    assert found.values[0] == pytest.approx(1.0, abs=1e-6)
    assert (np.diff(found.values) <= 1e-9).all()
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(10), atol=1e-6)


def test_few_eigenvectors_of_a_large_graph_are_those_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = neighbour_graph(world(5, 20, noise=0.8)[0])
    whole = spectrum(graph, 6)
    monkeypatch.setattr("samekind.nn.diffusion.DENSE", 0)
    few = spectrum(graph, 6)
    assert graph.shape[0] < DENSE
    np.testing.assert_allclose(few.values, whole.values, atol=1e-6)
    np.testing.assert_allclose(few.vectors, whole.vectors, atol=1e-5)


def test_diffused_groups_are_one_class_in_every_domain_where_plain_ones_are_styles() -> None:
    domains, truth = world(5, 20, style=4.0)
    plain = kmeans(np.concatenate(domains), 5, seed=0).labels
    found = kmeans(spectrum(neighbour_graph(domains), 16).embedded(8), 5, seed=0, restarts=10).labels
    both = np.concatenate([truth, truth])
    assert adjusted_rand_score(both, plain) < 0.5
    assert adjusted_rand_score(both, found) == pytest.approx(1.0)


def test_groups_that_k_means_cannot_see_are_found_as_scikit_learn_finds_them() -> None:
    """Two long arcs on a sphere: near neighbours link each, and no centre has all of an arc nearest to it."""
    angles = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    rings = [np.stack([np.cos(angles), np.sin(angles), np.full(150, height)], 1) for height in (0.25, -0.25)]
    truth = np.repeat([0, 1], 150)
    vectors = unit(np.concatenate(rings))
    graph = neighbour_graph([vectors], neighbours=4)
    found = kmeans(spectrum(graph, 2).embedded(8), 2, seed=0).labels
    theirs = SpectralClustering(2, affinity="precomputed", random_state=0).fit_predict(graph.toarray())
    assert adjusted_rand_score(truth, kmeans(vectors, 2, seed=0).labels) < 0.5
    assert adjusted_rand_score(truth, found) == pytest.approx(1.0)
    assert adjusted_rand_score(theirs, found) == pytest.approx(1.0)


@pytest.mark.parametrize("classes", [2, 6, 8])
def test_the_number_of_groups_that_lie_apart_is_estimated(classes: int) -> None:
    count, gaps = estimate_count(spectrum(neighbour_graph(world(classes, 30)[0]), 20).values)
    assert count == classes
    assert max(gaps, key=lambda each: gaps[each]) == classes
    assert set(gaps) == set(range(2, 20))


def test_no_number_is_estimated_of_two_eigenvalues() -> None:
    with pytest.raises(UsageError, match="--classes-count"):
        estimate_count(np.array([1.0, 0.9]))


def test_equal_vectors_and_a_domain_of_one_are_no_trouble() -> None:
    domains = [np.tile(unit(np.ones((1, 4))), (30, 1)), unit(np.ones((1, 4)))]
    found = spectrum(neighbour_graph(domains), 8)
    assert np.isfinite(found.embedded(8)).all()


def test_a_step_of_the_walk_weakens_the_later_eigenvectors() -> None:
    found = Spectrum(np.array([1.0, 0.5]), np.array([[1.0, 1.0], [1.0, -1.0]]))
    np.testing.assert_allclose(found.embedded(1), unit(np.array([[1.0, 0.5], [1.0, -0.5]])))
    np.testing.assert_allclose(found.embedded(3), unit(np.array([[1.0, 0.125], [1.0, -0.125]])))
