"""Exact nearest neighbours among memory-mapped vectors, with filters, and with ties in the gallery's order."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int64

from samekind.errors import UsageError
from samekind.gallery.hits import Hit
from samekind.gallery.place import Place
from samekind.gallery.spaces import COSINE, Space
from samekind.gallery.table import PictureTable
from samekind.gallery.vectors import Snapshot

_QUERIES = 256  # queries per pass over the vectors
_SCORES = 2**22  # scores that are in memory at once, 16 MB; rows per matrix product follow from it
_COPIED = 2**14  # rows that are looked at for a mask at once, and copied out where it is sparse
_SPARSE = 0.35  # of a chunk's rows: below, copying them out is cheaper than multiplying the whole chunk
_FEW = 4096  # candidates that are kept before looking which of them still can win
_ROUNDING = 2.0**-24  # unit roundoff of float32
_MORE = 4  # roundings beside those of a sum of products, see `top_k`

Result = tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]


class Found(NamedTuple):
    """A row that was found: its score, its number of insertion, which ranks equal scores, a place of it, and its id."""

    score: float
    seq: int
    uri: str
    domain: str | None
    id: str


def top_k(
    vectors: Float32[np.ndarray, "n w"],
    queries: Float32[np.ndarray, "q w"],
    k: int,
    mask: Bool[np.ndarray, " n"] | None = None,
    *,
    space: Space = COSINE,
    longest: float | None = None,
) -> list[Result]:
    """Per query the rows with the k highest scores, and these; fewer where `mask` leaves fewer rows.

    Scores are the space's, in double precision, functions of the float32 row and query and of nothing else: inner
    products, or those of the exact points that rows stand for. Equal scores rank by row number, also at the k-th place.
    Memory does not grow with n. `longest` bounds the norms of rows where that is known. Raises UsageError for k < 1.

    The products over all rows are float32 matrix products, each off by at most w * 2^-24 * |x| * |y| in whatever order
    they are summed (N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1), and by twice
    2^-24 * |x| * |y| more where the last numbers are rounded (`spaces.Poincare`). No further is a product from a score,
    but for what is the same for all rows. A row of the true top k can therefore lie below the k-th best product by
    no more than twice that: every row above this line is computed again in double precision, and only then are rows
    ranked.
    """
    if k < 1:
        raise UsageError(f"k must be 1 or more, not {k}.")
    reach = space.longest(vectors) if longest is None else longest
    found: list[Result] = []
    for start in range(0, len(queries), _QUERIES):
        part = np.ascontiguousarray(queries[start : start + _QUERIES])
        slack = 2.1 * (vectors.shape[1] + _MORE) * _ROUNDING * reach * np.linalg.norm(part, axis=1)
        best = [_Best(k, float(each)) for each in slack]
        for rows, block, wanted in _chunks(vectors, mask, len(part)):
            scores = part @ block.T
            for one, line in zip(best, scores if wanted is None else scores[:, wanted], strict=True):
                for at in range(0, len(rows), _FEW):  # in pieces, because the first ones keep most of the rest out
                    one.offer(rows[at : at + _FEW], line[at : at + _FEW])
        found += [rank(vectors, query, one.candidates(), k, space) for query, one in zip(part, best, strict=True)]
    return found


def _chunks(
    vectors: Float32[np.ndarray, "n w"], mask: Bool[np.ndarray, " n"] | None, queries: int
) -> Iterator[tuple[Int[np.ndarray, " c"], Float32[np.ndarray, "b w"], Bool[np.ndarray, " b"] | None]]:
    """The wanted row numbers, a block of vectors, and which of the block these are (None: all of it)."""
    plain = np.asarray(vectors)
    size = _COPIED if mask is not None else max(1, _SCORES // queries)
    for start in range(0, len(plain), size):
        block = plain[start : start + size]
        rows = np.arange(start, start + len(block))
        wanted = None if mask is None else mask[start : start + len(block)]
        count = len(block) if wanted is None else int(np.count_nonzero(wanted))
        if count == len(block):
            yield rows, block, None
        elif count > _SPARSE * len(block):
            yield rows[wanted], block, wanted
        elif count:
            yield rows[wanted], block[wanted], None


class _Best:
    """The rows that can still be among the k best, by scores that are off by half of `slack` at most."""

    def __init__(self, k: int, slack: float) -> None:
        self._k = k
        self._slack = slack
        self._line = -np.inf
        self._limit = _FEW
        self._kept: list[tuple[Int[np.ndarray, " c"], Float32[np.ndarray, " c"]]] = []
        self._count = 0

    def offer(self, rows: Int[np.ndarray, " c"], scores: Float32[np.ndarray, " c"]) -> None:
        """Consider more rows."""
        above = np.flatnonzero(scores >= self._line)
        self._kept.append((rows[above], scores[above]))
        self._count += len(above)
        if self._count > self._limit:
            self._drop()

    def candidates(self) -> Int[np.ndarray, " c"]:
        """All rows that may be among the k best."""
        self._drop()
        return self._kept[0][0]

    def _drop(self) -> None:
        rows = np.concatenate([part for part, _ in self._kept] or [np.empty(0, np.int64)])
        scores = np.concatenate([part for _, part in self._kept] or [np.empty(0, np.float32)])
        if len(scores) > self._k:
            last = len(scores) - self._k
            self._line = float(np.partition(scores, last)[last]) - self._slack
            rows, scores = rows[scores >= self._line], scores[scores >= self._line]
        self._kept, self._count = [(rows, scores)], len(rows)
        self._limit = max(_FEW, 2 * len(rows))


def rank(
    vectors: Float32[np.ndarray, "n w"],
    query: Float32[np.ndarray, " w"],
    rows: Int[np.ndarray, " c"],
    k: int,
    space: Space,
) -> Result:
    """The k best of these rows by their scores in double precision, equal ones by row number."""
    scores = np.empty(len(rows))
    for start in range(0, len(rows), _FEW):
        part = slice(start, start + _FEW)
        scores[part] = space.scores(vectors[rows[part]], query)
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def choose(
    snapshot: Snapshot, domains: Sequence[str] | None, matching: Int[np.ndarray, " m"] | None
) -> Bool[np.ndarray, " n"] | None:
    """The rows with a place in `domains` and a `seq` in `matching`; None is no filter, and all rows."""
    mask = snapshot.in_domains(domains) if domains else None
    if matching is not None:
        found = np.zeros(len(snapshot), bool)
        found[np.searchsorted(snapshot.seq, matching)] = True
        mask = found if mask is None else mask & found
    return mask


def matching(folder: Place, version: int, where: str) -> Int64[np.ndarray, " m"]:
    """The `seq` of the rows of a version that a user's SQL is true for; raises as `PictureTable` does."""
    return PictureTable.open(folder).at(version).filter(where)


def check_domains(domains: Sequence[str] | None, known: Sequence[str]) -> None:
    """Raise UsageError for a domain that no picture has."""
    if unknown := sorted(set(domains or ()) - set(known)):
        there = ", ".join(known) or "no domain at all"
        raise UsageError(f"No picture has the domain {', '.join(unknown)}; the gallery has: {there}.")


def found(snapshot: Snapshot, result: Result, domains: Sequence[str] | None, offset: int = 0) -> list[Found]:
    """The rows from `offset` on; of several places the first one (by uri) in `domains` is told."""
    told = []
    for row, score in zip(*(part[offset:].tolist() for part in result), strict=True):
        places = snapshot.places(row)
        uri, domain = next((place for place in places if not domains or place[1] in domains), places[0])
        name = snapshot.rows.column("id")[row].as_py()
        told.append(Found(score, int(snapshot.seq[row]), uri, domain, name))
    return told


def hits(told: Iterable[Found], space: Space, offset: int = 0) -> tuple[Hit, ...]:
    """What was found, best first, as hits of the ranks from `offset` + 1 on."""
    return tuple(
        Hit(rank, space.similarity(one.score), one.uri, one.domain, one.id)
        for rank, one in enumerate(told, start=offset + 1)
    )
