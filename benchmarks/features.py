"""Vectors to measure searches with: encoded pictures, and as many more between them as are asked for."""

import tempfile
from pathlib import Path

import numpy as np
from materials import unit

import samekind

NEIGHBOURS = 10
NOISE = 0.15  # the length of what is added to each vector of norm one


def encoded(data: Path) -> np.ndarray:
    """The vectors of all pictures below a folder by `mini` [n, 512], or those in a file of numpy's."""
    if data.is_file():
        return np.asarray(np.load(data))
    with tempfile.TemporaryDirectory() as folder:
        gallery = samekind.Gallery.open(folder, samekind.load("mini"), create=True)
        gallery.add(data, ann=False)
        return np.array(gallery.snapshot().vectors)


def grown(base: np.ndarray, count: int) -> np.ndarray:
    """`count` unit vectors in chance order: those of `base`, then points between one of them and one of its neighbours.

    So they have the clusters and the local dimension of real ones, which copies with noise alone would not have.
    """
    rng = np.random.default_rng(0)
    near = np.concatenate(
        [np.argsort(-(part @ base.T), axis=1)[:, 1 : NEIGHBOURS + 1] for part in np.split(base, [len(base) // 2])]
    )
    vectors = np.empty((count, base.shape[1]), np.float32)
    vectors[: len(base)] = base[:count]
    for start in range(len(base), count, len(base)):
        rows = rng.permutation(len(base))[: count - start]
        share = rng.uniform(0.5, 1, (len(rows), 1)).astype(np.float32)
        other = base[near[rows, rng.integers(0, NEIGHBOURS, len(rows))]]
        noise = rng.standard_normal((len(rows), base.shape[1]), dtype=np.float32) * np.float32(
            NOISE / base.shape[1] ** 0.5
        )
        between = share * base[rows] + (1 - share) * other + noise
        vectors[start : start + len(rows)] = between / np.linalg.norm(between, axis=1, keepdims=True)
    return vectors[rng.permutation(count)]


def random(count: int, dim: int) -> np.ndarray:
    """`count` random directions: the hardest there is."""
    return unit(np.random.default_rng(0), count, dim)
