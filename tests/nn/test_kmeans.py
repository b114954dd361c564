"""Groups of vectors whose truth is known, and the silhouette beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from samekind.errors import UsageError
from samekind.nn.kmeans import carried_kmeans, estimate_count, kmeans, silhouette, unit


def blobs(classes: int, each: int, seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Directions around orthogonal axes, `each` times, and their truth."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), each)
    return unit(np.eye(classes, 12)[truth] + noise * rng.normal(size=(len(truth), 12))), truth


def test_groups_that_lie_apart_are_found() -> None:
    vectors, truth = blobs(5, 20)
    found = kmeans(vectors, 5, seed=0)
    assert all(len(np.unique(found.labels[truth == name])) == 1 for name in range(5))
    assert len(np.unique(found.labels)) == 5
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1.0, atol=1e-5)


def test_each_vector_belongs_to_its_nearest_centre() -> None:
    vectors, _ = blobs(3, 10, noise=1.0)
    found = kmeans(vectors, 4, seed=1)
    cosines = vectors @ found.centres.T
    np.testing.assert_array_equal(found.labels, cosines.argmax(1))
    assert found.cosine == pytest.approx(float(cosines.max(1).mean()), abs=1e-6)


def test_the_length_of_a_vector_plays_no_part_and_the_seed_decides() -> None:
    vectors, _ = blobs(4, 8, noise=0.6)
    scaled = vectors * np.linspace(0.5, 3.0, len(vectors))[:, None]
    first, again = kmeans(vectors, 4, seed=3), kmeans(scaled, 4, seed=3)
    np.testing.assert_array_equal(first.labels, again.labels)


def test_fewer_pictures_than_classes_are_refused_by_name() -> None:
    vectors, _ = blobs(2, 3)
    with pytest.raises(UsageError, match=r"The domain sketch has 6 pictures, too few for 7 classes\..*--classes-count"):
        kmeans(vectors, 7, seed=0, what="The domain sketch")


def test_as_many_groups_as_vectors_is_one_each() -> None:
    vectors, _ = blobs(3, 1)
    assert sorted(kmeans(vectors, 3, seed=0).labels.tolist()) == [0, 1, 2]


def test_the_silhouette_is_scikit_learns() -> None:
    vectors, _ = blobs(4, 9, noise=0.7)
    labels = np.random.default_rng(0).integers(0, 4, len(vectors))
    labels[0] = 4  # alone in its group
    expected = silhouette_score(vectors.astype(np.float64), labels, metric="cosine")
    assert silhouette(vectors, labels) == pytest.approx(expected, abs=1e-5)


def test_the_number_of_groups_that_lie_apart_is_estimated() -> None:
    domains = [blobs(6, 30, seed=0)[0], blobs(6, 40, seed=1)[0]]
    count, tried = estimate_count(domains, seed=0, most=12)
    assert count == 6
    assert max(tried, key=lambda each: tried[each]) == 6


def test_no_number_is_estimated_of_three_pictures() -> None:
    with pytest.raises(UsageError, match="--classes-count"):
        estimate_count([blobs(3, 1)[0]], seed=0)


@pytest.mark.parametrize("domains", [2, 3])
def test_carried_groups_of_one_number_are_one_class_in_every_domain(domains: int) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 12)
    style = [0.8 * rng.normal(size=12) for _ in range(domains)]
    made = [np.eye(5, 12)[truth] + each + 0.1 * rng.normal(size=(60, 12)) for each in style]
    found = carried_kmeans(made, 5, seed=0, names=["a domain"] * domains)
    for each in found:
        np.testing.assert_array_equal(each.labels, found[0].labels)
    assert len(np.unique(found[0].labels)) == 5
    assert all(len(np.unique(found[0].labels[truth == name])) == 1 for name in range(5))


def test_carried_groups_refuse_a_small_domain_by_name() -> None:
    with pytest.raises(UsageError, match="The small one has 3 pictures, too few for 4"):
        carried_kmeans([blobs(4, 2)[0], blobs(3, 1)[0]], 4, seed=0, names=["The large one", "The small one"])


def test_a_centre_without_vectors_stays_and_nothing_is_lost() -> None:
    vectors, _ = blobs(2, 6)
    found = carried_kmeans([vectors, vectors[:6]], 4, seed=0, names=["a", "b"])
    assert all(np.isfinite(each.centres).all() and len(each.centres) == 4 for each in found)
