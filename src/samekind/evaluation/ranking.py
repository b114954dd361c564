"""Rankings of a gallery, exact and in blocks of queries: whole, or no deeper than what is asked for.

Pictures rank by `Compared.exact`, falling, and where that is equal by their place in the gallery: a ranking depends on
the vectors alone, not on blocks, threads or processors. That is too slow to compute for every pair, so products of
matrices rank first. They are off by a bounded rounding; whatever lies closer together than this bound, and matters, is
computed again. A query's products become whole numbers of fixed step, so that one integer holds score and place, the
fastest sort there is settles both, and how many steps are "too close" is the same for every query.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from samekind.evaluation.spaces import Compared, Space, prepared
from samekind.retriever.encode import ordered_map

_WHOLE = 2**21  # scores of whole rankings that a block holds, 16 MB for each of some arrays
_QUERIES = 1024  # queries of a block whose rankings are cut
_CHUNK = 4096  # pictures that such a block is multiplied with at once: 16 MB of scores
_CROWDED = 8  # candidates, in multiples of those expected, above which a block is ranked whole
_SEED = 0  # of the order in which a gallery is looked through; results do not depend on it


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a block of queries finds: the places of the first hits in the gallery, and for each rank if it is relevant.

    start: the first query's number. relevant: as many ranks as were asked for, at most the whole gallery.
    """

    start: int
    top: Int64[np.ndarray, "b t"]
    relevant: Bool[np.ndarray, "b w"]


class Ranker:
    """Ranks a gallery for one block of queries at a time; blocks may be ranked in several threads at once.

    depth: how many ranks are told relevant or not, None for all. top: of how many ranks the pictures are told.
    """

    def __init__(
        self,
        gallery: Float[np.ndarray, "g d"],
        labels: Int[np.ndarray, " g"],
        space: Space,
        depth: int | None,
        top: int,
    ) -> None:
        if len(gallery) == 0:
            raise ValueError("The gallery is empty: there is nothing to rank.")
        size = len(gallery)
        self.gallery = Compared.of(prepared(gallery, space, "gallery"), space)
        self.labels = labels
        self.top = min(top, size)
        self.depth = size if depth is None else min(max(depth, self.top), size)
        # One bit more than places need keeps the padding of `_candidates` apart from every picture.
        self._bits = size.bit_length()
        self._steps = 2.0 ** (62 - self._bits)  # of one query's reach
        dim = gallery.shape[1]
        # Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1: a sum of d products in any order
        # is off by d roundings of the summed magnitudes at most; and two scores are, each by half a step more.
        self._rounded = {np.dtype(np.float64): 4 * (dim + 8) * 2.0**-53, np.dtype(np.float32): 2 * (dim + 8) * 2.0**-24}
        self.cut = self._cuts(space)
        self.block = _QUERIES if self.cut else max(1, _WHOLE // size)
        if self.cut:
            self._order = np.random.default_rng(_SEED).permutation(size)
            self._shuffled = self.gallery.vectors[self._order]
            shift = self.gallery.shift
            self._shift = None if shift is None else shift[self._order].astype(np.float32)

    def _cuts(self, space: Space) -> bool:
        """Is it worth while to look for the first ranks alone, by products in single precision?"""
        import torch

        # Near the ball's rim single precision says too little; below "highest", products are rounded to bfloat16.
        single = space != "poincare" and torch.get_float32_matmul_precision() == "highest"
        return single and 8 * self.depth <= len(self.gallery.vectors)

    def rank(self, start: int, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> Ranked:
        """Rank for prepared queries."""
        top, relevant = (self._cut if self.cut else self._whole)(queries, labels)
        return Ranked(start, top, relevant)

    def _whole(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """Sort everything, by products in double precision."""
        import torch

        left, right = torch.from_numpy(self.gallery.widened(queries)), torch.from_numpy(self.gallery.matrix)
        scores: Float64[np.ndarray, "b g"] = torch.mm(left, right.T).numpy()
        if self.gallery.shift is not None:
            scores += self.gallery.shift
        scores *= -self._scale(queries)[:, None]
        np.rint(scores, out=scores)
        keys = scores.astype(np.int64)
        keys <<= self._bits
        keys |= np.arange(keys.shape[1])
        keys.sort(axis=1)
        return self._settled(keys, self._tolerance(np.float64), queries, labels)

    def _scale(self, queries: Float32[np.ndarray, "b d"]) -> Float64[np.ndarray, " b"]:
        """Steps of the whole numbers in one unit of score."""
        return np.asarray(
            self._steps / np.maximum(self.gallery.reach(queries), np.finfo(np.float64).tiny * self._steps)
        )

    def _tolerance(self, kind: type) -> int:
        """Steps by which rounding may have parted or swapped two scores."""
        return int(np.ceil(self._rounded[np.dtype(kind)] * self._steps)) + 1

    def _settled(
        self,
        keys: Int64[np.ndarray, "b w"],
        tolerance: int,
        queries: Float32[np.ndarray, "b d"],
        labels: Int[np.ndarray, " b"],
    ) -> "_Part":
        """Sorted keys as places and relevance, with the true order wherever it matters and rounding leaves it open.

        It matters among the first `top`, and between relevant pictures and others. Chains of neighbours that are too
        close to call are ranked anew by their exact scores.
        """
        places = keys & ((1 << self._bits) - 1)
        relevant = self.labels[np.minimum(places, len(self.labels) - 1)] == labels[:, None]
        near = np.diff(keys >> self._bits, axis=1) <= tolerance
        doubtful = near & (relevant[:, 1:] != relevant[:, :-1])
        doubtful[:, : self.top] |= near[:, : self.top]
        if doubtful.any():
            members, chains = _chained(near, doubtful)
            rows, ranks = np.divmod(members, keys.shape[1])
            exact = np.empty(len(members))
            bounds = np.searchsorted(rows, np.arange(len(queries) + 1))
            for row in np.unique(rows).tolist():
                part = slice(bounds[row], bounds[row + 1])
                exact[part] = self.gallery.exact(queries[row], places[row, ranks[part]])
            order = members[np.lexsort((places.flat[members], -exact, chains))]
            places.flat[members], relevant.flat[members] = places.flat[order], relevant.flat[order]
        return places[:, : self.top], relevant[:, : self.depth]

    def _cut(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """Sort no more than what may be among the first `depth`, by products in single precision."""
        tolerance = self._tolerance(np.float32)
        keys, lines = self._candidates(queries)
        if keys is None:
            return self._in_parts(queries, labels)
        last = keys[:, self.depth - 1] >> self._bits
        lost = last + tolerance > lines
        within = np.count_nonzero(keys >> self._bits <= (last + tolerance)[:, None], axis=1)
        width = int(within[~lost].max(initial=self.depth))
        top, relevant = self._settled(keys[:, :width], tolerance, queries, labels)
        if lost.any():
            top, relevant = top.copy(), relevant.copy()
            top[lost], relevant[lost] = self._in_parts(queries[lost], labels[lost])
        return top, relevant

    def _in_parts(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        step = max(1, _WHOLE // len(self.labels))
        parts = [self._whole(queries[at : at + step], labels[at : at + step]) for at in range(0, len(queries), step)]
        return np.concatenate([top for top, _ in parts]), np.concatenate([relevant for _, relevant in parts])

    def _candidates(
        self, queries: Float32[np.ndarray, "b d"]
    ) -> tuple[Int64[np.ndarray, "b w"] | None, Int64[np.ndarray, " b"]]:
        """Per query the sorted keys of all pictures above a line, and the line in steps; None where they are too many.

        The gallery is looked through in random order, so that the first chunk is a sample of it. The line is the
        sample's score at a rank that leaves more than `depth` pictures above it in all, by four standard deviations.
        """
        import torch

        size, scale = len(self.labels), self._scale(queries)
        left, right = torch.from_numpy(queries), torch.from_numpy(self._shuffled)
        out = torch.empty(len(queries), min(_CHUNK, size))
        expected = self.depth * out.shape[1] / size
        rank = min(int(np.ceil(expected + 4 * expected**0.5 + 4)), out.shape[1])
        limit = _CROWDED * len(queries) * rank * size // out.shape[1]
        lines = np.empty(0, np.float32)
        found: list[tuple[Int[np.ndarray, " c"], Int64[np.ndarray, " c"]]] = []
        for at in range(0, size, _CHUNK):
            part = right[at : at + _CHUNK]
            scores = torch.mm(left, part.T, out=out if len(part) == out.shape[1] else None).numpy()
            if self._shift is not None:
                scores += self._shift[at : at + _CHUNK]
            if not len(lines):
                lines = np.partition(scores, scores.shape[1] - rank, axis=1)[:, scores.shape[1] - rank].copy()
            hits = np.flatnonzero(scores >= lines[:, None])
            limit -= len(hits)
            if limit < 0:
                return None, np.empty(0, np.int64)
            rows, columns = np.divmod(hits, scores.shape[1])
            steps = np.rint(scores.ravel()[hits] * -scale[rows]).astype(np.int64)
            found.append((rows, steps << self._bits | self._order[at + columns]))
        return self._padded(found, len(queries)), np.rint(-lines * scale).astype(np.int64)

    def _padded(
        self, found: list[tuple[Int[np.ndarray, " c"], Int64[np.ndarray, " c"]]], queries: int
    ) -> Int64[np.ndarray, "b w"]:
        """Keys with their rows as a sorted matrix, filled up with the highest number."""
        rows = np.concatenate([rows for rows, _ in found]).astype(np.int16)
        counts = np.bincount(rows, minlength=queries)
        keys = np.full((queries, max(int(counts.max()), self.depth)), np.iinfo(np.int64).max)
        order = np.argsort(rows, kind="stable")
        slots = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
        keys[rows[order], slots] = np.concatenate([keys for _, keys in found])[order]
        keys.sort(axis=1)
        return keys


def _chained(
    near: Bool[np.ndarray, "b v"], doubtful: Bool[np.ndarray, "b v"]
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """The flat places in a matrix of v + 1 columns, and the chain, of what hangs together with something doubtful.

    `near[i, j]`: j and j + 1 are neighbours in a chain.
    """
    rows = np.flatnonzero(doubtful.any(axis=1))
    width = near.shape[1] + 1
    starts = np.ones((len(rows), width), bool)
    starts[:, 1:] = ~near[rows]
    chains = starts.ravel().cumsum() - 1
    chosen = np.zeros(chains[-1] + 1, bool)
    chosen[chains.reshape(len(rows), width)[:, :-1][doubtful[rows]]] = True
    flat = np.flatnonzero(chosen[chains])
    return rows[flat // width] * width + flat % width, chains[flat]


_Part = tuple[Int64[np.ndarray, "b t"], Bool[np.ndarray, "b w"]]


def ranked_blocks(
    queries: Float[np.ndarray, "q d"],
    query_labels: Int[np.ndarray, " q"],
    gallery: Float[np.ndarray, "g d"],
    gallery_labels: Int[np.ndarray, " g"],
    *,
    depth: int | None,
    top: int,
    space: Space = "cosine",
) -> Iterator[Ranked]:
    """Rankings of all queries, block after block, on as many threads as torch has; never more than some in memory.

    Raises ValueError for an empty gallery and for vectors that cannot be compared (see `prepared`).
    """
    import torch

    ranker = Ranker(gallery, gallery_labels, space, depth, top)
    asked = prepared(queries, space, "queries")
    threads = torch.get_num_threads()

    def work(start: int) -> Ranked:
        if threads > 1:
            torch.set_num_threads(1)  # of this thread's products: the blocks themselves run side by side
        block = slice(start, start + ranker.block)
        return ranker.rank(start, asked[block], query_labels[block])

    try:
        yield from ordered_map(work, range(0, len(asked), ranker.block), workers=threads, look_ahead=threads)
    finally:
        torch.set_num_threads(threads)
