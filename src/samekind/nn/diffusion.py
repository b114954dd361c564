"""Diffusion on the graph of nearest neighbours: which pictures many short ways link, within and across domains.

Coifman and Lafon 2006 (diffusion maps); von Luxburg 2007, "A Tutorial on Spectral Clustering" (the eigengap).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from samekind.errors import UsageError
from samekind.nn.kmeans import centred, unit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NEIGHBOURS = 10  # of a picture in its own domain; half as many in all others together
POWER = 4  # of cosines: near neighbours count for much more than far ones
WEAKEST = 1e-4  # the weight of an edge between vectors that have nothing in common: no vector is left alone
DENSE = 500  # vectors up to which all eigenvectors are computed


class Spectrum(NamedTuple):
    """The largest eigenvalues of the normalised graph, from 1 down, and their eigenvectors."""

    values: Float[np.ndarray, " m"]
    vectors: Float[np.ndarray, "n m"]

    def embedded(self, time: int) -> Float[np.ndarray, "n m"]:
        """Where each vector is after `time` steps of a random walk, at norm one, float32."""
        return unit(self.vectors * np.clip(self.values, 0.0, None) ** time)


def neighbour_graph(domains: Sequence[Float[np.ndarray, "_n e"]], *, neighbours: int = NEIGHBOURS) -> "csr_matrix":
    """The symmetric graph of the vectors of all domains, one after the other: powers of nearest neighbours' cosines.

    Each domain's mean is taken away first: it is its style. A vector has `neighbours` in its own domain and half as
    many in all others together: across domains they are less sure, but without them every domain would fall into
    groups of its own.
    """
    import faiss
    from scipy.sparse import coo_matrix

    points = [centred(each) for each in domains]
    starts = np.cumsum([0, *(len(each) for each in points)])
    across = max(1, round(neighbours / 2 / max(1, len(points) - 1)))
    rows, columns, weights = [], [], []
    for place, asking in enumerate(points):
        for other, asked in enumerate(points):
            # One more within a domain: each vector finds itself.
            count = min(neighbours + 1 if other == place else across, len(asked))
            index = faiss.IndexFlatIP(asked.shape[1])
            index.add(asked)
            cosines, found = index.search(asking, count)
            rows.append(np.repeat(np.arange(len(asking)), count) + starts[place])
            columns.append(found.ravel() + starts[other])
            weights.append(np.clip(cosines.ravel(), 0.0, None) ** POWER + WEAKEST)
    row, column, weight = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights).astype(np.float64)
    others = row != column
    graph = coo_matrix((weight[others], (row[others], column[others])), shape=(starts[-1], starts[-1])).tocsr()
    return (graph + graph.T) / 2


def spectrum(graph: "csr_matrix", count: int) -> Spectrum:
    """The `count` largest eigenvalues of D^-1/2 W D^-1/2 and their eigenvectors (scipy; ARPACK for a large graph)."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import eigsh

    size = graph.shape[0]
    count = min(count, size)
    degree = np.maximum(np.asarray(graph.sum(1)).ravel(), 1e-12)
    scale = diags(degree**-0.5)
    walk = scale @ graph @ scale
    if size <= max(DENSE, count + 1):
        values, vectors = np.linalg.eigh(walk.toarray())
    else:
        values, vectors = eigsh(walk, k=count, which="LA", v0=np.sqrt(degree))
    order = np.argsort(-values)[:count]
    vectors = vectors[:, order]
    # An eigenvector's sign is anyone's; the largest entry is made positive, so that a run can be repeated.
    largest = np.abs(vectors).argmax(0)
    return Spectrum(values[order], vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))


def estimate_count(values: Float[np.ndarray, " m"], *, least: int = 2) -> tuple[int, dict[int, float]]:
    """How many groups there seem to be: before the largest gap between eigenvalues; with the gap after each count.

    Raises UsageError for too few eigenvalues, which come of too few vectors.
    """
    if len(values) <= least:
        raise UsageError(
            "There are too few pictures to estimate a number of classes: give --classes-count, or add pictures."
        )
    gaps = {count: float(values[count - 1] - values[count]) for count in range(least, len(values))}
    return max(gaps, key=lambda each: (gaps[each], -each)), gaps
