"""What computes goes through one thread: queries that wait are encoded together and searched together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from samekind.gallery.hits import Hit
from samekind.service.served import Served
from samekind.service.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of a query: prepared pixels [s s 3] (uint8), a text, or the id of a picture in the gallery."""

    kind: Literal["pixels", "text", "id"]
    value: UInt8[np.ndarray, "s s 3"] | str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query from rank offset + 1 on, best first.

    total: pictures that were ranked; rows: pictures in the gallery; version: of the gallery; encode_seconds,
    search_seconds: wall-clock time of the two steps, of all queries that went together.
    """

    hits: tuple[Hit, ...]
    total: int
    rows: int
    version: int
    encode_seconds: float
    search_seconds: float


class Batcher:
    """One thread that encodes and searches. Use it from the event loop that `start` ran in.

    `observe(queries, encode_seconds, search_seconds)` is called in that loop after each batch.
    """

    def __init__(self, settings: Settings, observe: Callable[[int, float, float], None] | None = None) -> None:
        self._settings = settings
        self.observe = observe

    @property
    def waiting(self) -> int:
        """Queries that are not being computed yet."""
        raise NotImplementedError

    async def start(self) -> None:
        """Be ready for queries."""
        raise NotImplementedError

    async def close(self) -> None:
        """Finish the batch that is computed just now; what waits is sent away with Overloaded."""
        raise NotImplementedError

    async def search(
        self, served: Served, parts: Sequence[Part], k: int, offset: int = 0, domains: Sequence[str] = ()
    ) -> Answer:
        """The hits of ranks offset + 1 to offset + k for the weighted sum of the parts.

        Raises Overloaded when too much waits, UnknownItem, and UsageError for parts that cancel out or an unknown
        domain.
        """
        raise NotImplementedError
