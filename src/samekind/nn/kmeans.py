"""Groups of vectors: K-means on the sphere."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from samekind.errors import UsageError

ITERATIONS = 20
RESTARTS = 5


class Clusters(NamedTuple):
    """Centres at norm one, the number of each vector's centre, and the mean cosine to it."""

    centres: Float[np.ndarray, "c e"]
    labels: Int[np.ndarray, " n"]
    cosine: float


def kmeans(
    vectors: Float[np.ndarray, "n e"],
    count: int,
    *,
    seed: int,
    iterations: int = ITERATIONS,
    restarts: int = RESTARTS,
    weights: Float[np.ndarray, " n"] | None = None,
    what: str = "There",
) -> Clusters:
    """Spherical K-means of L2-normalised vectors, the best of some restarts (faiss).

    `weights` say how much each vector counts, by default all the same. `what` names the vectors in the error. Raises
    UsageError for fewer vectors than groups.
    """
    if not 1 <= count <= len(vectors):
        raise UsageError(
            f"{what} has {len(vectors):,} pictures, too few for {count:,} classes. Give a smaller --classes-count, "
            "let it be estimated (--classes-count auto), or add pictures."
        )
    import faiss

    points = unit(vectors)
    machine = faiss.Kmeans(
        points.shape[1],
        count,
        niter=iterations,
        nredo=restarts,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    machine.train(points, weights=None if weights is None else np.asarray(weights, np.float32))
    centres = unit(np.asarray(machine.centroids))
    cosines = points @ centres.T
    labels = cosines.argmax(1)
    return Clusters(centres, labels, float(cosines[np.arange(len(points)), labels].mean()))


def centred(vectors: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n e"]:
    """Vectors at norm one less their mean, at norm one again: without what all of a domain have in common."""
    plain = unit(vectors)
    return unit(plain - plain.mean(0, keepdims=True))


def unit(vectors: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n e"]:
    """The same directions at norm one, float32, in C order; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
