"""How alike two vectors are: cosine, squared Euclidean distance, distance in the Poincare ball; fast and exact.

What ranks a gallery is always `exact`: a function of the two float32 vectors alone, in double precision, each sum in
the order of the coordinates' numpy kernel, whatever stands around them. Matrix products give the same but for rounding;
`reach` bounds what is rounded, so that whoever ranks by products knows which pictures are too close to call.
"""

from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

Space: TypeAlias = Literal["cosine", "euclidean", "poincare"]
SPACES: tuple[str, ...] = get_args(Space)

_UNIT = 1e-4  # a retriever's vectors have norm one but for float32's rounding; others are brought there
_BUFFER = 8192  # numbers that numpy's iterator holds


def prepared(vectors: Float[np.ndarray, "n d"], space: Space, what: str) -> Float32[np.ndarray, "n d"]:
    """The vectors as they are compared: float32, and for the cosine of norm one.

    Rows whose norm is one to 1e-4 stay as they are, bit for bit, so that they compare as they do in a gallery's search.
    Raises ValueError, which calls them `what`, for numbers that are not finite, for a vector of norm 0 where directions
    are compared, and for one outside the unit ball where that is the space.
    """
    if space not in SPACES:
        raise ValueError(f"There is no space {space!r}: choose {', '.join(SPACES)}.")
    rows = np.ascontiguousarray(vectors, np.float32)
    norms = np.sqrt(_squares(rows))
    if not np.isfinite(norms).all():
        row = int(np.argmin(np.isfinite(norms)))
        raise ValueError(f"Vector {row} of the {what} holds NaN, infinity or numbers too large to compare.")
    if space == "poincare" and (norms >= 1).any():
        raise ValueError(
            f"Vector {int(np.argmax(norms))} of the {what} lies outside the unit ball: its norm is not < 1."
        )
    if space != "cosine" or not (off := np.abs(norms - 1) > _UNIT).any():
        return rows
    if not norms.all():
        raise ValueError(f"Vector {int(np.argmin(norms))} of the {what} has norm 0: it has no direction to compare.")
    rows = rows.copy()
    rows[off] = rows[off] / norms[off, None]
    return rows


class Compared:
    """A gallery of prepared vectors, ready to be compared in a space; a higher score is nearer.

    For a query x the product `widened(x) @ matrix.T`, plus `shift` where there is one, ranks as `exact` does, but for
    rounding. With |x - y|^2 = |x|^2 + |y|^2 - 2xy, and without what depends on the query alone, that is xy - |y|^2/2
    for the Euclidean distance. In the ball the distance arcosh(1 + 2 |x-y|^2 / ((1-|x|^2) (1-|y|^2))) grows with
    |x-y|^2 / (1-|y|^2) (M. Nickel and D. Kiela, Poincare Embeddings, NIPS 2017, equation 1).
    """

    def __init__(self, vectors: Float32[np.ndarray, "g d"], space: Space) -> None:
        self.space = space
        self.vectors = vectors
        squares = _squares(vectors)
        self.longest = float(np.sqrt(squares.max()))
        self.shift: Float64[np.ndarray, " g"] | None = None
        self._weights: Float64[np.ndarray, " g"] | None = None
        if space == "euclidean":
            self.shift = -squares / 2
        if space == "poincare":
            self._weights = 1 / (1 - squares)
            self.shift = -squares * self._weights

    @cached_property
    def matrix(self) -> Float64[np.ndarray, "g e"]:
        """The right side of the product in double precision; in the ball one number longer than the vectors."""
        wide = self.vectors.astype(np.float64)
        if self._weights is None:
            return wide
        matrix = np.concatenate([2 * wide, -np.ones((len(wide), 1))], axis=1)
        return np.asarray(matrix * self._weights[:, None])

    @cached_property
    def copies(self) -> Int64[np.ndarray, " g"]:
        """A number for each vector, the same for equal ones."""
        known: dict[bytes, int] = {}
        return np.array([known.setdefault(row.tobytes(), len(known)) for row in self.vectors])

    def widened(self, queries: Float32[np.ndarray, "q d"]) -> Float64[np.ndarray, "q e"]:
        """The left side of the product in double precision."""
        wide = queries.astype(np.float64)
        return np.concatenate([wide, _squares(queries)[:, None]], axis=1) if self.space == "poincare" else wide

    def reach(self, queries: Float32[np.ndarray, "q d"]) -> Float64[np.ndarray, " q"]:
        """Per query a bound on the summed magnitudes that a score, or what ranks like it, is the sum of."""
        norms = np.sqrt(_squares(queries))
        if self.space == "cosine":
            return np.asarray(norms * self.longest)
        heaviest = 1.0 if self._weights is None else float(self._weights.max())
        return np.asarray((norms + self.longest) ** 2 * heaviest)

    def exact(self, query: Float32[np.ndarray, " d"], rows: Int[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """The scores of some rows of the gallery for one query: inner products, or distances with a minus.

        In the ball the score is -|x-y|^2 / (1-|y|^2), which ranks as the distance does and rounds less.
        """
        others, wide = self.vectors[rows].astype(np.float64), query.astype(np.float64)
        if self.space == "cosine":
            return _sums(others, wide)
        others -= wide
        squares = _sums(others, others)
        return -squares if self._weights is None else -squares * self._weights[rows]


def _squares(vectors: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
    """Squared norms, some rows at a time widened to double precision."""
    squares = np.empty(len(vectors))
    for start in range(0, len(vectors), 4096):
        wide = vectors[start : start + 4096].astype(np.float64)
        squares[start : start + 4096] = _sums(wide, wide)
    return squares


def _sums(left: Float64[np.ndarray, "n d"], right: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, " n"]:
    """Row by row the sum of products, in an order that depends on nothing but d; a matrix product's does not.

    einsum reads a row in one go up to the size of numpy's buffer, so that longer rows are summed in such pieces.
    """
    pieces = range(0, left.shape[1], _BUFFER)
    parts = [np.einsum("...j,...j->...", left[:, at : at + _BUFFER], right[..., at : at + _BUFFER]) for at in pieces]
    return np.asarray(sum(parts[1:], start=parts[0]))
