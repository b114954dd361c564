"""Parts of a gallery: which of its rows a shard has, by their numbers of insertion alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

RUN = 256  # neighbours that stay together, which lie together on disk too


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one of `count` shards, numbers from 0: runs of rows in turn, as cards are dealt.

    There are no boundaries to keep or to move, parts stay of one size while the gallery grows, and what a part gets
    lies behind all that it has.
    """

    number: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """For people, and for files."""
        return f"part-{self.number}-of-{self.count}"

    @property
    def where(self) -> str | None:
        """SQL that is true for its rows; None for all there are."""
        return None if self.count == 1 else f"seq / {RUN} % {self.count} = {self.number}"

    def has(self, seq: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which of these rows are its own."""
        return np.asarray(seq // RUN % self.count == self.number)


WHOLE = Part()
