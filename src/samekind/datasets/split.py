"""Splits that nobody can draw anew: a picture's side follows from its path alone, on every machine, in every order."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from jaxtyping import Bool

from samekind.errors import UsageError

TRAIN_SHARE = 0.8


def hash_split(files: Sequence[str], share: float = TRAIN_SHARE) -> Bool[np.ndarray, " n"]:
    """Which pictures are for training, by their POSIX paths below the data's root: about `share` of them.

    A path is for training when the first eight bytes of its SHA-256, as a fraction of all that they could be, lie below
    `share`. So a picture keeps its side whatever else is in the folder, and a larger share keeps what a smaller one
    has. Raises UsageError for a share outside of 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"A split's share of training pictures must lie between 0 and 1, not at {share}.")
    places = np.fromiter((_place(file) for file in files), np.float64, len(files))
    return np.asarray(places < share)


def _place(file: str) -> float:
    """Where in [0, 1) a path lies; 53 bits, so that the fraction is exact in double precision."""
    return (int.from_bytes(sha256(file.encode()).digest()[:8], "big") >> 11) / 2**53


def split_sha256(files: Sequence[str], share: float = TRAIN_SHARE) -> str:
    """The hash of a split: of the sorted lines `train PATH` and `test PATH`, each with its line break."""
    sides = hash_split(files, share).tolist()
    lines = sorted(f"{'train' if side else 'test'} {file}\n" for file, side in zip(files, sides, strict=True))
    return sha256("".join(lines).encode()).hexdigest()


def names_sha256(names: Sequence[str]) -> str:
    """The hash of a list of classes or files in its order: of its lines, each with its line break."""
    return sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
