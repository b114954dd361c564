"""Groups of vectors: K-means on the sphere, and how many groups there seem to be."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from samekind.errors import UsageError

ITERATIONS = 20
RESTARTS = 5
ROUNDS = 2  # that domains hand their centres round
SAMPLE = 1_000  # vectors that the silhouette looks at: its cost grows with their square


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
    what: str = "There",
) -> Clusters:
    """Spherical K-means of L2-normalised vectors, the best of some restarts (faiss).

    `what` names the vectors in the error. Raises UsageError for fewer vectors than groups.
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
    machine.train(points)
    centres = unit(np.asarray(machine.centroids))
    cosines = points @ centres.T
    labels = cosines.argmax(1)
    return Clusters(centres, labels, float(cosines[np.arange(len(points)), labels].mean()))


def carried_kmeans(
    domains: Sequence[Float[np.ndarray, "_n e"]], count: int, *, seed: int, names: Sequence[str], rounds: int = ROUNDS
) -> list[Clusters]:
    """K-means in every domain, such that groups of equal number begin as one: a group in all domains.

    Each domain's mean is taken away first: it is its style. One domain is grouped alone; from its centres the others
    start, and then each domain in turn starts from the mean of the others' centres, `rounds` times. Every domain is
    tried as the first one, and the groups whose vectors lie closest to their centres are taken. Raises UsageError for
    a domain with fewer vectors than groups.
    """
    points = [unit(each - each.mean(0, keepdims=True)) for each in domains]
    alone = [kmeans(each, count, seed=seed, what=name) for each, name in zip(points, names, strict=True)]
    tried = []
    for first, found in enumerate(alone):
        started = [found if place == first else _lloyd(each, found.centres) for place, each in enumerate(points)]
        for _ in range(rounds):
            for place, each in enumerate(points):
                others = sum(group.centres for other, group in enumerate(started) if other != place)
                started[place] = _lloyd(each, unit(np.asarray(others))) if len(points) > 1 else started[place]
        tried.append(started)
    return max(tried, key=lambda groups: sum(group.cosine for group in groups))


def _lloyd(points: Float[np.ndarray, "n e"], centres: Float[np.ndarray, "c e"]) -> Clusters:
    """Spherical K-means from given centres; a centre that loses all its points stays where it is."""
    for _ in range(ITERATIONS):
        labels = (points @ centres.T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points)
        filled = np.bincount(labels, minlength=len(centres)) > 0
        centres = np.where(filled[:, None], unit(sums), centres)
    cosines = points @ centres.T
    labels = cosines.argmax(1)
    return Clusters(centres, labels, float(cosines[np.arange(len(points)), labels].mean()))


def unit(vectors: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n e"]:
    """The same directions at norm one, float32, in C order; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def silhouette(vectors: Float[np.ndarray, "n e"], labels: Int[np.ndarray, " n"]) -> float:
    """The mean silhouette by cosine distance, from -1 to 1 (Rousseeuw 1987); 0 for a vector alone in its group.

    Raises ValueError for fewer than two groups.
    """
    names, groups = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise ValueError("a silhouette needs two groups or more")
    points = unit(vectors)
    member = np.eye(len(names), dtype=np.float64)[groups]
    sizes = member.sum(0)
    sums = (1.0 - points @ points.T).astype(np.float64) @ member
    rows = np.arange(len(points))
    mine = sizes[groups]
    # A vector's distance to itself is no distance, up to the rounding of its own cosine.
    own = (sums[rows, groups] - (1.0 - (points**2).sum(1))) / np.maximum(mine - 1, 1)
    others = sums / sizes
    others[rows, groups] = np.inf
    nearest = others.min(1)
    widths = np.where(mine > 1, (nearest - own) / np.maximum(np.maximum(nearest, own), 1e-12), 0.0)
    return float(widths.mean())


def estimate_count(
    domains: Sequence[Float[np.ndarray, "_n e"]], *, seed: int, least: int = 2, most: int = 64
) -> tuple[int, dict[int, float]]:
    """How many groups there seem to be in every domain, with the mean silhouette of each count that was tried.

    Counts grow by about a sixth from `least` to `most`, or to a quarter of the smallest domain. At most `SAMPLE`
    vectors of a domain are looked at. Raises UsageError for a domain of fewer than four vectors.
    """
    smallest = min((len(vectors) for vectors in domains), default=0)
    if smallest < 2 * least:
        raise UsageError(
            f"A domain of {smallest} pictures is too small to estimate a number of classes: give --classes-count, or "
            "add pictures."
        )
    rng = np.random.default_rng(seed)
    samples = [each[np.sort(rng.permutation(len(each))[:SAMPLE])] for each in domains]
    scores: dict[int, float] = {}
    count = least
    while count <= max(least, min(most, smallest // 4)):
        labels = [kmeans(sample, count, seed=seed, restarts=2).labels for sample in samples]
        scores[count] = float(np.mean([_silhouette(*each) for each in zip(samples, labels, strict=True)]))
        count = max(count + 1, round(count * 7 / 6))
    return max(scores, key=lambda each: (scores[each], -each)), scores


def _silhouette(vectors: Float[np.ndarray, "n e"], labels: Int[np.ndarray, " n"]) -> float:
    """As `silhouette`; -1 where all vectors fell into one group."""
    return silhouette(vectors, labels) if len(np.unique(labels)) > 1 else -1.0
