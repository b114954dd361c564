"""Rankings of a gallery, exact and in blocks of queries: whole, or no deeper than what is asked for.

Pictures rank by `Compared.exact`, falling, and where that is equal by their place in the gallery: a ranking depends on
the vectors alone, not on blocks, threads or processors. That is too slow to compute for every pair, so products of
matrices rank first. They are off by a bounded rounding; what lies closer together than this bound, and matters, is
computed again. A query's products become whole numbers of a fixed step, so that one integer, the key, holds score and
place: the fastest sort there is settles both, and "too close" is the same number of steps for every query.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from samekind.evaluation.spaces import Compared, Space, prepared

_WHOLE = 2**21  # keys of a block of whole rankings, 16 MB; a block needs some arrays of this size
_QUERIES = 1024  # queries of a block whose rankings are cut
_CHUNK = 4096  # pictures that such a block is multiplied with at once: 16 MB of scores
_CROWDED = 8  # candidates, in multiples of those expected, above which a block is ranked whole
_SEED = 0  # of the order in which a gallery is looked through; results do not depend on it
_REACH = 61  # a key lies between -2^61 and 2^61
_LEAST = 1e-280  # reach that can be divided by; below only where all vectors are 0
_SINGLE = 1e-28, 1e37  # reach whose products single precision holds, neither too small nor too large
_PADDING = 2**62  # behind every key, and no two differ by more than an integer holds


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a block of queries finds.

    start: the first query's number. top: the first hits, as places in the gallery. relevant: for each rank if it is.
    """

    start: int
    top: Int64[np.ndarray, "b t"]
    relevant: Bool[np.ndarray, "b w"]


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
    """Rankings of all queries, block after block, on as many threads as torch has; only a few are in memory at once.

    `relevant` goes `depth` ranks deep (None: through the whole gallery), or `top` where that is more. Raises ValueError
    for an empty gallery, for vectors that cannot be compared (see `prepared`), and where lengths do not fit together.
    """
    import torch

    from samekind.retriever.encode import ordered_map

    for what, vectors, labels in (("queries", queries, query_labels), ("gallery", gallery, gallery_labels)):
        if len(vectors) != len(labels):
            raise ValueError(f"The {what} have {len(vectors)} vectors and {len(labels)} labels.")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"Queries of {queries.shape[1]} numbers cannot ask a gallery of {gallery.shape[1]} numbers.")

    ranker = Ranker(prepared(gallery, space, "gallery"), gallery_labels, space, depth, top)
    asked = prepared(queries, space, "queries")
    threads = torch.get_num_threads()

    def work(start: int) -> Ranked:
        if threads > 1:
            torch.set_num_threads(1)  # for the products of this thread: blocks run side by side instead
        block = slice(start, start + ranker.block)
        return Ranked(start, *ranker.rank(asked[block], query_labels[block]))

    try:
        yield from ordered_map(work, range(0, len(asked), ranker.block), workers=threads, look_ahead=threads)
    finally:
        torch.set_num_threads(threads)


class Ranker:
    """Ranks a gallery of prepared vectors for one block of queries at a time; several threads may do so at once."""

    def __init__(
        self,
        gallery: Float32[np.ndarray, "g d"],
        labels: Int[np.ndarray, " g"],
        space: Space,
        depth: int | None,
        top: int,
    ) -> None:
        import torch

        size, dim = gallery.shape
        if size == 0:
            raise ValueError("The gallery is empty: there is nothing to rank.")
        self.gallery = Compared(gallery, space)
        self.labels = labels
        self.top = min(top, size)
        self.depth = size if depth is None else min(max(depth, self.top, 1), size)
        self._bits = (size - 1).bit_length()
        # In any order, a sum of d products is off by d roundings of the summed magnitudes at most (N. Higham, Accuracy
        # and Stability of Numerical Algorithms, 2nd ed., section 3.1), and two scores part by twice that. In double
        # precision this holds of squared norms before they are summed, and of the exact scores, too.
        self._single, self._double = (self._steps(n * (dim + 8)) for n in (2 * 2.0**-24, 8 * 2.0**-53))
        # Near the ball's rim single precision says too little; below "highest", torch rounds products to bfloat16.
        single = space != "poincare" and torch.get_float32_matmul_precision() == "highest"
        self.cut = single and 8 * self.depth <= size
        self.block = _QUERIES if self.cut else max(1, _WHOLE // size)
        if self.cut:
            self._order = np.random.default_rng(_SEED).permutation(size)
            self._shuffled = gallery[self._order]
            shift = self.gallery.shift
            with np.errstate(over="ignore"):  # what is too large is ranked whole
                self._shift = None if shift is None else shift[self._order].astype(np.float32)

    def rank(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """The first hits and the relevance of each rank, for prepared queries."""
        return self._cut(queries, labels) if self.cut else self._whole(queries, labels)

    def _steps(self, share: float) -> int:
        """Steps in a share of a query's reach, and one for the rounding to steps."""
        return int(np.ceil(share * 2.0 ** (_REACH - self._bits))) + 1

    def _scale(self, queries: Float32[np.ndarray, "b d"]) -> Float64[np.ndarray, " b"]:
        """Minus the steps in one unit of score, because keys rise."""
        reach = np.maximum(self.gallery.reach(queries), _LEAST)
        return np.asarray(-(2.0 ** (_REACH - self._bits)) / reach)

    def _whole(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """Sort everything, by products in double precision."""
        import torch

        left, right = torch.from_numpy(self.gallery.widened(queries)), torch.from_numpy(self.gallery.matrix)
        scores: Float64[np.ndarray, "b g"] = torch.mm(left, right.T).numpy()
        if self.gallery.shift is not None:
            scores += self.gallery.shift
        scores *= self._scale(queries)[:, None]
        keys = np.rint(scores, out=scores).astype(np.int64)
        keys <<= self._bits
        keys |= np.arange(keys.shape[1])
        keys.sort(axis=1)
        return self._settled(keys, self._double, queries, labels)

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
        near = np.diff(keys, axis=1) < (tolerance + 1) << self._bits
        places = keys & ((1 << self._bits) - 1)
        relevant = self.labels[places] == labels[:, None]
        doubtful = near & (relevant[:, 1:] != relevant[:, :-1])
        doubtful[:, : self.top] |= near[:, : self.top]
        if tolerance == self._double and doubtful.any():
            # So close are mostly copies of one picture, whose order among themselves is that of their places.
            copies = self.gallery.copies[places]
            doubtful &= (copies[:, 1:] != copies[:, :-1]) | (places[:, 1:] < places[:, :-1])
        if doubtful.any():
            members, chains = _chained(near, doubtful)
            exact = self._exact(members, places, queries)
            order = members[np.lexsort((places.flat[members], -exact, chains))]
            places.flat[members], relevant.flat[members] = places.flat[order], relevant.flat[order]
        return places[:, : self.top], relevant[:, : self.depth]

    def _exact(
        self, members: Int64[np.ndarray, " n"], places: Int64[np.ndarray, "b w"], queries: Float32[np.ndarray, "b d"]
    ) -> Float64[np.ndarray, " n"]:
        """The exact scores of some of the places, given as rising positions in the flat matrix."""
        exact = np.empty(len(members))
        bounds = np.searchsorted(members, np.arange(len(queries) + 1) * places.shape[1])
        for row in np.flatnonzero(np.diff(bounds)):
            part = slice(bounds[row], bounds[row + 1])
            exact[part] = self.gallery.exact(queries[row], places.flat[members[part]])
        return exact

    def _cut(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """Sort no more than what may be among the first `depth`, by products in single precision."""
        found = self._candidates(queries)
        if found is None:
            return self._in_parts(queries, labels)
        keys, lines = found
        # Nothing behind this can be among the first `depth`; everything before it has to be there.
        ends = keys[:, self.depth - 1] + ((self._single + 1) << self._bits)
        lost = ends > lines
        width = int(np.count_nonzero(keys <= ends[:, None], axis=1)[~lost].max(initial=self.depth))
        top, relevant = self._settled(keys[:, :width], self._single, queries, labels)
        if lost.any():
            top[lost], relevant[lost] = self._in_parts(queries[lost], labels[lost])
        return top, relevant

    def _in_parts(self, queries: Float32[np.ndarray, "b d"], labels: Int[np.ndarray, " b"]) -> "_Part":
        """Whole rankings, cut where they are done, for more queries than fit into a block."""
        step = max(1, _WHOLE // len(self.labels))
        parts = [self._whole(queries[at : at + step], labels[at : at + step]) for at in range(0, len(queries), step)]
        return np.concatenate([top for top, _ in parts]), np.concatenate([relevant for _, relevant in parts])

    def _candidates(
        self, queries: Float32[np.ndarray, "b d"]
    ) -> tuple[Int64[np.ndarray, "b w"], Int64[np.ndarray, " b"]] | None:
        """Per query the sorted keys of all pictures above a line, and the line as a key; None where this does not help.

        The gallery is looked through in random order, so that the first chunk is a sample of it. The line is the
        sample's score at the rank that `depth` has in it on average, and four standard deviations further down.
        """
        import torch

        reach = self.gallery.reach(queries)
        if reach.min() < _SINGLE[0] or reach.max() > _SINGLE[1]:
            return None
        size, scale = len(self.labels), self._scale(queries)
        left, right = torch.from_numpy(queries), torch.from_numpy(self._shuffled)
        out = torch.empty(len(queries), min(_CHUNK, size))
        average = self.depth * out.shape[1] / size
        rank = min(int(np.ceil(average + 4 * average**0.5 + 4)), out.shape[1])
        limit = _CROWDED * len(queries) * rank * size // out.shape[1]
        lines = np.empty((0, 1), np.float32)
        rows, keys = [], []
        for at in range(0, size, _CHUNK):
            part = right[at : at + _CHUNK]
            scores = torch.mm(left, part.T, out=out if len(part) == out.shape[1] else None).numpy()
            if self._shift is not None:
                scores += self._shift[at : at + _CHUNK]
            if not len(lines):
                lines = np.partition(scores, -rank, axis=1)[:, -rank, None].copy()
            hits = np.flatnonzero(scores >= lines)
            limit -= len(hits)
            if limit < 0:
                return None
            row, column = np.divmod(hits, scores.shape[1])
            steps = np.rint(scores.flat[hits] * scale[row]).astype(np.int64)
            rows.append(row.astype(np.int16))
            keys.append(steps << self._bits | self._order[at + column])
        ends = np.rint(lines[:, 0] * scale).astype(np.int64) << self._bits
        return self._padded(np.concatenate(rows), np.concatenate(keys), len(queries)), ends

    def _padded(
        self, rows: Int[np.ndarray, " n"], keys: Int64[np.ndarray, " n"], queries: int
    ) -> Int64[np.ndarray, "b w"]:
        """Keys by their rows, sorted, as a matrix that is filled up behind them."""
        counts = np.bincount(rows, minlength=queries)
        order = np.argsort(rows, kind="stable")
        slots = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
        table = np.full((queries, max(int(counts.max()), self.depth)), _PADDING)
        table[rows[order], slots] = keys[order]
        table.sort(axis=1)
        return table


def _chained(
    near: Bool[np.ndarray, "b v"], doubtful: Bool[np.ndarray, "b v"]
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """What hangs together with something doubtful: rising positions in the flat [b v+1] matrix, and their chains.

    `near[i, j]`: j and j + 1 hang together.
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
