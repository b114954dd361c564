"""What computes goes through one thread: queries that wait are encoded together and searched together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from samekind.gallery.hits import Hit
from samekind.gallery.searching import Searchable
from samekind.retriever.protocol import RetrieverLike
from samekind.service.refusals import Overloaded, UnknownItem
from samekind.service.served import Served
from samekind.service.settings import Settings

_STOPPING = "The service is stopping."


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of a query: prepared pixels [s s 3] (uint8), a text, or the id of a picture in the gallery."""

    kind: Literal["pixels", "text", "id"]
    value: UInt8[np.ndarray, "s s 3"] | str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query from rank offset + 1 on, best first.

    exact: every picture was compared; total: pictures that were ranked; rows: pictures in the gallery; version: of the
    gallery; encode_seconds, search_seconds: wall-clock time of the two steps, of all queries that went together.
    """

    hits: tuple[Hit, ...]
    exact: bool
    total: int
    rows: int
    version: int
    encode_seconds: float
    search_seconds: float


@dataclass(eq=False, slots=True)
class _Query:
    """What was asked of one version of a gallery, and what has become of it: vectors of its parts, hits, an error."""

    gallery: Searchable
    parts: Sequence[Part]
    k: int
    offset: int
    domains: tuple[str, ...]
    exact: bool
    answer: "asyncio.Future[Answer]"
    vectors: dict[int, Float32[np.ndarray, " d"]] = field(default_factory=dict)
    composed: Float32[np.ndarray, " d"] | None = None
    hits: tuple[Hit, ...] = ()
    compared: bool = True
    total: int = 0
    error: Exception | None = None


class Batcher:
    """One thread that encodes and searches. Use it from the event loop that `start` ran in.

    Nothing is delayed for others to come: a batch is what waits when the thread gets free. `observe(queries,
    encode_seconds, search_seconds)` is called in the loop after each batch.
    """

    def __init__(self, settings: Settings, observe: Callable[[int, float, float], None] | None = None) -> None:
        self._settings = settings
        self.observe = observe
        self._queue: deque[_Query] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._running: asyncio.Future[tuple[float, float]] | None = None
        self._pace = 0.05  # seconds a query, smoothed

    @property
    def waiting(self) -> int:
        """Queries that are not being computed yet."""
        return sum(not query.answer.done() for query in self._queue)

    async def start(self) -> None:
        """Be ready for queries."""
        self._thread = ThreadPoolExecutor(1, "samekind-search")

    async def close(self) -> None:
        """Finish the batch that is computed just now; what waits is sent away with Overloaded."""
        thread, self._thread = self._thread, None
        while self._queue:
            _finish(self._queue.popleft(), Overloaded(1.0, _STOPPING))
        if self._running:
            await asyncio.wait([self._running])
        if thread:
            thread.shutdown()

    async def search(
        self,
        served: Served,
        parts: Sequence[Part],
        k: int,
        offset: int = 0,
        domains: Sequence[str] = (),
        *,
        exact: bool = False,
    ) -> Answer:
        """The hits of ranks offset + 1 to offset + k for the weighted sum of the parts.

        They come from the gallery's index where it has one, unless `exact` asks for a comparison with every picture,
        or the index is no good for this query and those that are searched together with it. A gallery without pictures
        has no hits. A caller that is cancelled while it waits costs nothing. Raises Overloaded when too much waits,
        UnknownItem, UsageError for parts that cancel out or an unknown domain, and SamekindError for a part that the
        retriever has no usable vector for.
        """
        if self._thread is None:
            raise Overloaded(1.0, _STOPPING)
        if len(self._queue) >= self._settings.waiting:
            self._queue = deque(query for query in self._queue if not query.answer.done())
        if len(self._queue) >= self._settings.waiting:
            raise Overloaded(min(30.0, max(1.0, self._pace * len(self._queue))))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Query(served.gallery, parts, k, offset, tuple(sorted(set(domains))), exact, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        """Have the thread compute what waits, if it is free."""
        if self._running or self._thread is None:
            return
        batch: list[_Query] = []
        while self._queue and len(batch) < self._settings.batch:
            query = self._queue.popleft()
            if not query.answer.done():
                batch.append(query)
        if batch:
            self._running = asyncio.get_running_loop().run_in_executor(self._thread, compute, batch)
            self._running.add_done_callback(lambda done: self._end(batch, done))

    def _end(self, batch: list[_Query], done: "asyncio.Future[tuple[float, float]]") -> None:
        """Answer a batch, after the thread has got the next one."""
        self._running = None
        self._begin()
        if error := done.exception():
            for query in batch:
                _finish(query, error)
            return
        encode, search = done.result()
        self._pace += ((encode + search) / len(batch) - self._pace) / 8
        for query in batch:
            rows, version = query.gallery.rows, query.gallery.version
            told = Answer(query.hits, query.compared, query.total, rows, version, encode, search)
            _finish(query, query.error or told)
        if self.observe:
            self.observe(len(batch), encode, search)


def _finish(query: _Query, outcome: Answer | BaseException) -> None:
    """Tell whoever still waits."""
    if query.answer.done():
        return
    if isinstance(outcome, Answer):
        query.answer.set_result(outcome)
    else:
        query.answer.set_exception(outcome)


def compute(batch: Sequence[_Query]) -> tuple[float, float]:
    """Encode and search; returns the seconds of both. Every query ends with its hits or an error of its own."""
    began = time.perf_counter()
    filled = [query for query in batch if query.gallery.rows or any(part.kind == "id" for part in query.parts)]
    for kind in ("pixels", "text"):
        _encode(filled, kind)
    for query in filled:
        _each(query, _compose)
    encoded = time.perf_counter()
    found = [query for query in filled if query.error is None]
    for group in _grouped(found, lambda query: (id(query.gallery), query.domains, query.offset, query.exact)):
        _together(group, _search)
    return encoded - began, time.perf_counter() - encoded


def _encode(queries: Sequence[_Query], kind: str) -> None:
    """Vectors of all parts of a kind, those of one retriever in one call."""
    asking = [query for query in queries if any(part.kind == kind for part in query.parts)]
    for group in _grouped(asking, lambda query: id(query.gallery.retriever)):
        _together(group, lambda some: _vectors(some[0].gallery.retriever, some, kind))


def _vectors(retriever: RetrieverLike, queries: Sequence[_Query], kind: str) -> None:
    values: list[Any] = []
    wanted: list[tuple[_Query, int, int]] = []
    texts: dict[str, int] = {}
    for query in queries:
        for number, part in enumerate(query.parts):
            if part.kind != kind:
                continue
            place = texts.setdefault(part.value, len(values)) if isinstance(part.value, str) else len(values)
            if place == len(values):
                values.append(part.value)
            wanted.append((query, number, place))
    found = retriever.encode_pixels(np.stack(values)) if kind == "pixels" else retriever.encode_texts(values)
    for query, number, place in wanted:
        query.vectors[number] = found[place]


def _compose(query: _Query) -> None:
    """The vector to search with."""
    for number, part in enumerate(query.parts):
        if part.kind == "id":
            picture = query.gallery.picture(str(part.value))
            if picture is None:
                raise UnknownItem(str(part.value))
            query.vectors[number] = picture.vector
    vectors = np.stack([query.vectors[number] for number in range(len(query.parts))])
    weights = np.array([part.weight for part in query.parts], np.float64)
    query.composed = query.gallery.meta.compared.composed(weights, vectors)


def _search(queries: Sequence[_Query]) -> None:
    """The hits of queries to one gallery, with the same domains and offset, all of them to be exact or none."""
    gallery, domains, offset, exact = queries[0].gallery, queries[0].domains, queries[0].offset, queries[0].exact
    vectors = np.stack([query.composed for query in queries if query.composed is not None])
    most = max(query.k for query in queries)
    found, compared = gallery.answers(vectors, most, offset=offset, domains=domains, exact=exact)
    total = gallery.matching(domains)  # of the version that was searched
    for query, hits in zip(queries, found, strict=True):
        query.hits, query.compared, query.total = hits[: query.k], compared, total


def _together(queries: Sequence[_Query], step: Callable[[Sequence[_Query]], None]) -> None:
    """Do a step for all at once; where that fails, for one after the other, so that one alone has the error."""
    try:
        step(queries)
    except Exception:
        for query in queries:
            _each(query, lambda one: step([one]))


def _each(query: _Query, step: Callable[[_Query], None]) -> None:
    if query.error is None:
        try:
            step(query)
        except Exception as error:
            query.error = error


def _grouped(queries: Iterable[_Query], key: Callable[[_Query], Hashable]) -> Iterable[list[_Query]]:
    groups: dict[Hashable, list[_Query]] = {}
    for query in queries:
        groups.setdefault(key(query), []).append(query)
    return groups.values()
