"""May the difference of two retrievers be chance? A test over the queries that both answered, corrected for many.

It asks whether the mean difference is 0, from two sides, and assumes no distribution (M. Smucker, J. Allan and B.
Carterette, A comparison of statistical significance tests for information retrieval evaluation, CIKM 2007). The gallery
and the retrievers' training stay as they are: a small p says that other queries like these would agree, not that
another training would.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float64, UInt8

_CHUNK = 2**20  # table look-ups at once, 8 MB
_SLACK = 2.0**-23  # of the summed magnitudes: differences come from float32, and equal ones must count as equal


def fisher_randomisation(
    a: Float[np.ndarray, " q"], b: Float[np.ndarray, " q"], *, draws: int = 10_000, seed: int = 0
) -> float:
    """The p-value of the mean difference by swapping the retrievers' names, query by query (R. Fisher, 1935).

    If both were alike, each query's difference d = a - b could as well be -d. p is the share of sign patterns whose
    |sum(+-d)| >= |sum(d)|. Where at most `draws` patterns exist, i.e. few queries differ, all are taken and p is exact;
    otherwise `draws` random ones, the data themselves counted as one more: (1 + those) / (1 + draws), never below
    1 / (1 + draws). Swapping a and b changes nothing.

    Raises ValueError without queries, and where a and b are not of the same ones.
    """
    difference = _difference(a, b, draws)
    difference = difference[difference != 0]  # its sign is nothing
    exact = 2 ** min(len(difference), 64) <= draws
    padded = np.zeros((-(-len(difference) // 8), 8))
    padded.flat[: len(difference)] = difference
    # The signs of eight queries are the bits of a byte, and all 256 sums of eight are looked up.
    sums = padded @ _signs().T
    enough = abs(float(difference.sum())) - _SLACK * float(np.abs(difference).sum())
    patterns = _every(len(difference)) if exact else _random(len(padded), draws, seed)
    extreme = total = 0
    for bits in patterns:
        found = sums.ravel()[bits + np.arange(0, sums.size, 256)].sum(axis=1)
        extreme += int(np.count_nonzero(np.abs(found) >= enough))
        total += len(found)
    return extreme / total if exact else (1 + extreme) / (1 + total)


def holm(p_values: Sequence[float]) -> Float64[np.ndarray, " n"]:
    """p-values of a family of tests, corrected so that any wrong rejection is as rare as one test's would be.

    The i-th smallest of n (from 0) times n - i, never below a smaller one's, at most 1 (S. Holm, A simple sequentially
    rejective multiple test procedure, Scandinavian Journal of Statistics 1979). In the order given; compare each with
    the level. Raises ValueError for what is no probability.
    """
    p = np.asarray(p_values, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("A p-value lies between 0 and 1.")
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return corrected


def _difference(a: Float[np.ndarray, " q"], b: Float[np.ndarray, " q"], draws: int) -> Float64[np.ndarray, " q"]:
    if draws < 1:
        raise ValueError(f"A test needs at least one draw, not {draws}.")
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} and {len(b)} values are not of the same queries.")
    if len(a) == 0:
        raise ValueError("There are no queries to test.")
    return np.asarray(a.astype(np.float64) - b)


def _signs() -> Float64[np.ndarray, "256 8"]:
    """For each byte its bits as signs."""
    return np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * 2.0 - 1


def _every(queries: int) -> Iterator[UInt8[np.ndarray, "n m"]]:
    """All sign patterns of so many queries, as bytes; a pattern's number stands in their high bits."""
    columns = -(-queries // 8)
    for start in range(0, 2**queries, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, 2**queries), dtype=np.uint64)
        shifted = numbers << np.uint64((64 - queries) % 64)
        yield shifted.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :columns]


def _random(columns: int, draws: int, seed: int) -> Iterator[UInt8[np.ndarray, "n m"]]:
    """Random bytes; every row takes whole numbers from the generator, so that blocks change nothing."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // columns)
    for start in range(0, draws, step):
        size = min(step, draws - start), -(-columns // 8)
        yield rng.integers(0, 2**64, size, np.uint64).astype("<u8", copy=False).view(np.uint8)[:, :columns]
