"""What the spaces of vectors differ in: which can be stored, as what rows, how a query is made, and what rows score."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

import samekind
from samekind.errors import SamekindError, UsageError

LONGEST = 1.01  # bound on the norm of a stored vector where that should be one
RIM = 1e-4  # between the boundary of the ball and the points that are stored, at least
_ZERO = 1e-6  # of the longest summand: norm below which a sum is rounding


class Space(ABC):
    """How vectors of d numbers are stored in rows of w, so that a large inner product means near.

    The products rank up to rounding, which `search.top_k` bounds by the norms of rows; `scores` has the last word.
    """

    name: ClassVar[str]
    kind: ClassVar[str]  # of vector, in words

    def width(self, dim: int) -> int:
        """Numbers in a row, of vectors of `dim` numbers."""
        return dim

    @abstractmethod
    def usable(self, vectors: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Which of a retriever's vectors can be stored; never those that are not finite."""

    def rows(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n w"]:
        """What is stored of usable vectors."""
        return vectors

    def vectors(self, rows: Float32[np.ndarray, "n w"]) -> Float32[np.ndarray, "n d"]:
        """The vectors that rows stand for."""
        return rows

    def queries(self, vectors: Float32[np.ndarray, "q d"]) -> Float32[np.ndarray, "q w"]:
        """What is multiplied with the rows to find the nearest vectors to these."""
        return vectors

    @abstractmethod
    def longest(self, rows: Float32[np.ndarray, "n w"]) -> float:
        """A bound on the norms of the rows."""

    @abstractmethod
    def scores(self, rows: Float32[np.ndarray, "c w"], query: Float32[np.ndarray, " w"]) -> Float64[np.ndarray, " c"]:
        """What ranks: in double precision, a function of one row and the query alone; more is nearer."""

    @abstractmethod
    def similarity(self, score: float) -> float:
        """What a hit of this score tells people."""

    def composed(
        self, weights: Float64[np.ndarray, " n"], vectors: Float[np.ndarray, "n d"]
    ) -> Float32[np.ndarray, " d"]:
        """The vector to search with for a weighted sum of vectors; raises UsageError for parts that cancel out."""
        tangents, weights = self._tangents(vectors.astype(np.float64)), weights / np.abs(weights).max()
        total = weights @ tangents
        longest = float((np.abs(weights) * np.linalg.norm(tangents, axis=1)).max())
        if not float(np.linalg.norm(total)) > _ZERO * longest:
            raise UsageError("The parts of the query cancel out, which leaves nothing to search for; change a weight.")
        return self._vector(total, weights).astype(np.float32)

    @abstractmethod
    def _tangents(self, vectors: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """What is added up of each vector."""

    @abstractmethod
    def _vector(
        self, total: Float64[np.ndarray, " d"], weights: Float64[np.ndarray, " n"]
    ) -> Float64[np.ndarray, " d"]:
        """The vector that a weighted sum of tangents stands for."""


class Cosine(Space):
    """Vectors of norm one, stored as they are; a score is their inner product, a sum is brought to norm one again."""

    name = "cosine"
    kind = "vector of norm one"

    def usable(self, vectors: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Those of norm one, as far as the search relies on it."""
        return np.asarray(np.abs(_norms(vectors.astype(np.float64)) - 1) < LONGEST - 1)

    def longest(self, rows: Float32[np.ndarray, "n w"]) -> float:
        """The same for all, so that no row need be looked at."""
        return LONGEST

    def scores(self, rows: Float32[np.ndarray, "c w"], query: Float32[np.ndarray, " w"]) -> Float64[np.ndarray, " c"]:
        """Inner products."""
        return _sums(rows.astype(np.float64) * query.astype(np.float64))

    def similarity(self, score: float) -> float:
        """The cosine, in [-1, 1]: unit vectors are so to float32's rounding only."""
        return min(max(score, -1.0), 1.0)

    def _tangents(self, vectors: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        return np.asarray(vectors / _norms(vectors)[:, None])

    def _vector(
        self, total: Float64[np.ndarray, " d"], weights: Float64[np.ndarray, " n"]
    ) -> Float64[np.ndarray, " d"]:
        return np.asarray(total / np.linalg.norm(total))


class Poincare(Space):
    """Points x strictly inside the unit ball, stored on the hyperboloid: 2 x / (1 - |x|^2), (1 + |x|^2) / (1 - |x|^2).

    With the last number of a query negated, inner products are -cosh(distance), so that the largest is the nearest
    (docs/decisions/0007-points-of-the-ball-as-inner-products.md). Rounded to float32, such products tell near points
    apart ever less the nearer these are to the boundary. So a row stands for the point that all its numbers but the
    last say, the last being sqrt(1 + their squares), and a score is that point's: the float32 rounding of the others
    moves a point no further than that of the retriever's own numbers did.
    """

    name = "poincare"
    kind = f"point of the unit ball at least {RIM:g} from its boundary"

    def width(self, dim: int) -> int:
        """One number more."""
        return dim + 1

    def usable(self, vectors: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Points that keep `RIM` from the boundary; nearer to it float32's spacing is a distance of 0.001 and more."""
        return np.asarray(_norms(vectors.astype(np.float64)) <= 1 - RIM)

    def rows(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n w"]:
        """On the hyperboloid; raises SamekindError for what is no point strictly inside the ball."""
        points = _inside(vectors.astype(np.float64))
        most = (2 * points / (1 - _sums(points**2))[:, None]).astype(np.float32)
        last = np.sqrt(1 + _sums(most.astype(np.float64) ** 2))
        return np.concatenate([most, last[:, None].astype(np.float32)], axis=1)

    def vectors(self, rows: Float32[np.ndarray, "n w"]) -> Float32[np.ndarray, "n d"]:
        """The points, to float32."""
        return _points(rows)[0].astype(np.float32)

    def queries(self, vectors: Float32[np.ndarray, "q d"]) -> Float32[np.ndarray, "q w"]:
        """The rows of these points with the last number negated; raises as `rows` does."""
        rows = self.rows(vectors)
        rows[:, -1] *= -1
        return rows

    def longest(self, rows: Float32[np.ndarray, "n w"]) -> float:
        """The longest row's norm, from the last numbers: its square is 2 last^2 - 1."""
        last = float(rows[:, -1].max(initial=1))
        return float(np.sqrt(2 * last**2 - 1))

    def scores(self, rows: Float32[np.ndarray, "c w"], query: Float32[np.ndarray, " w"]) -> Float64[np.ndarray, " c"]:
        """1 - cosh(distance) = -2 |x - y|^2 / ((1 - |x|^2) (1 - |y|^2)), at most 0, and 0 for the same point alone."""
        (points, factors), (asked, factor) = _points(rows), _points(query[None])
        return np.asarray(-_sums((points - asked) ** 2) * factors * factor / 2)

    def similarity(self, score: float) -> float:
        """1 / cosh(distance), in (0, 1]."""
        return 1 / (1 - score)

    def _tangents(self, vectors: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """log0(x) = artanh(|x|) x / |x|, the tangent vectors at the centre that lead to the points."""
        norms = _norms(_inside(vectors))
        return np.asarray(vectors * _ratio(np.arctanh(norms), norms)[:, None])

    def _vector(
        self, total: Float64[np.ndarray, " d"], weights: Float64[np.ndarray, " n"]
    ) -> Float64[np.ndarray, " d"]:
        """exp0(v) = tanh(|v|) v / |v|, the inverse of log0, of the weighted mean v = total / (sum of all |weight|)."""
        mean = total / np.abs(weights).sum()
        norms = _norms(mean[None])
        return np.asarray(mean * _ratio(np.tanh(norms), norms))


COSINE = Cosine()
SPACES: dict[str, Space] = {space.name: space for space in (COSINE, Poincare())}


def space_of(name: str, whose: str) -> Space:
    """The space of this name; raises SamekindError for vectors that are compared in a way the search does not know."""
    if name not in SPACES:
        raise SamekindError(
            f"{whose} has vectors of the space {name!r}; samekind {samekind.__version__} compares vectors of "
            f"{', '.join(SPACES)}. Upgrade: pip install --upgrade samekind."
        )
    return SPACES[name]


def _sums(terms: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
    """A plain sum per row: a matrix product may sum the same vector differently at another place."""
    return np.asarray(np.add.reduce(terms, axis=1))


def _norms(vectors: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
    return np.asarray(np.sqrt(_sums(vectors**2)))


def _ratio(image: Float64[np.ndarray, " n"], norms: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Of a function at a norm and the norm, whose limit at 0 is 1."""
    return np.asarray(np.divide(image, norms, out=np.ones_like(norms), where=norms > 0))


def _inside(points: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    outside = ~(_sums(points**2) < 1)
    if outside.any():
        norm = float(_norms(points[outside][:1])[0])
        raise SamekindError(
            f"A vector to search with is no point strictly inside the unit ball (its norm is {norm:.9g}), which the "
            "space poincare asks for. Look at the retriever that made it."
        )
    return points


def _points(rows: Float32[np.ndarray, "n w"]) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, " n"]]:
    """The points of the ball that rows (or queries) stand for, and 2 / (1 - |x|^2), which is 1 + the last number."""
    most = rows[:, :-1].astype(np.float64)
    factors = 1 + np.sqrt(1 + _sums(most**2))
    return most / factors[:, None], factors
