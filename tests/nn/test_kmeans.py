"""Groups of vectors whose truth is known."""

import numpy as np
import pytest

from samekind.errors import UsageError
from samekind.nn.kmeans import kmeans, unit


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


def test_a_weight_counts_as_that_many_vectors() -> None:
    vectors, _ = blobs(3, 10, noise=1.0)
    weights = np.where(np.arange(30) < 10, 3.0, 1.0)
    repeated = np.concatenate([vectors[:10], vectors[:10], vectors])
    weighted, plain = kmeans(vectors, 1, seed=0, weights=weights), kmeans(repeated, 1, seed=0)
    np.testing.assert_allclose(weighted.centres, plain.centres, atol=1e-5)
