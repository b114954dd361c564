"""Indexing: pictures are read, hashed and encoded in a bounded pipeline, and committed in groups."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from samekind.errors import SamekindError
from samekind.gallery.commit import NewRow, Writer
from samekind.gallery.plan import PASSING, Ledger, Place, Plan, absent
from samekind.gallery.report import IngestReport, Teller
from samekind.gallery.schema import RetrieverLike
from samekind.gallery.spaces import SPACES, Space
from samekind.images.decode import decode, read
from samekind.images.errors import ImageError
from samekind.images.refs import ImageRef, Skip, is_url

BATCH = 32  # pictures per forward pass
WAITING = 4 * BATCH  # prepared pictures that wait for others of their domain, at most
COMMIT_ROWS = 4096  # rows that wait for a commit at most,
COMMIT_SECONDS = 5.0  # and how long: a commit takes milliseconds, but leaves a file behind

_ID_DIGITS = 24  # of the SHA-256: among a million million contents two share them with probability 1e-5


@dataclass(frozen=True, slots=True)
class Options:
    """How to read: threads (None: as many as cores), whether URLs are fetched, whether what moved keeps its domain."""

    workers: int | None = None
    allow_urls: bool = False
    inherit_domain: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture that was read: its hash, and its pixels unless the gallery has the content."""

    ref: ImageRef
    digest: str
    size: int
    pixels: UInt8[np.ndarray, "h w 3"] | None = None
    width: int = 0
    height: int = 0


class Ingest:
    """One run over a plan."""

    def __init__(
        self,
        retriever: Callable[[], RetrieverLike],
        writer: Writer,
        plan: Plan,
        options: Options,
        teller: Teller,
    ) -> None:
        self._lent = retriever
        self.writer = writer
        self.retriever: RetrieverLike
        self.ledger: Ledger = writer.ledger
        self.plan = plan
        self.options = options
        self.skipped: list[Skip] = list(plan.skipped.values())
        self.report = IngestReport(listed=plan.total, unchanged=plan.unchanged, relabelled=plan.relabelled)
        self._gone = set(plan.gone)
        self._searched: set[str] = set()
        self._buffers: dict[str | None, list[tuple[NewRow, UInt8[np.ndarray, "h w 3"]]]] = {}
        self._taken = 0
        self._teller = teller
        self._committed = time.monotonic()

    def run(self) -> IngestReport:
        """Do what the plan says. An interrupt commits what is encoded before it passes on."""
        self._tell(force=True)
        try:
            self._read_all()
            for uri in self._gone & self.ledger.places.keys():
                self.ledger.detach(uri)
                self.report.removed += 1
            self.writer.finish()
        except SamekindError:
            raise
        except BaseException:
            with suppress(SamekindError):
                self.writer.commit()
            raise
        finally:
            self._tell(force=True)
        self.report.skipped = len(self.skipped)
        return self.report

    def _read_all(self) -> None:
        # Here, because it brings torch along, which listing an unchanged gallery can do without.
        from samekind.retriever.encode import default_workers, ordered_map

        if not self.plan.pending:
            return
        self.retriever = self._lent()
        pending: Iterator[ImageRef] = iter(list(self.plan.pending.values()))
        workers = self.options.workers or default_workers()
        loaded = ordered_map(self._load, pending, workers=workers, look_ahead=2 * BATCH + workers)
        with closing(loaded):  # type: ignore[type-var]
            for outcome in loaded:
                if isinstance(outcome, Skip):
                    self._skip(outcome)
                else:
                    self._take(outcome)
                self._taken += 1
                if self.writer.expected >= COMMIT_ROWS or time.monotonic() - self._committed >= COMMIT_SECONDS:
                    self.writer.commit()
                    self._committed = time.monotonic()
                self._tell()
        for domain in list(self._buffers):
            self._encode(domain)

    def _load(self, ref: ImageRef) -> Loaded | Skip:
        """Read, hash, decode, prepare; runs in the threads. Whatever goes wrong concerns this picture alone."""
        described = ""  # what reading raises names the picture already
        try:
            data = read(ref.uri, allow_urls=self.options.allow_urls)
            digest = hashlib.sha256(data).hexdigest()
            if digest[:_ID_DIGITS] in self.ledger.rows:
                return Loaded(ref, digest, len(data))
            described = f"{ref.uri}: "
            decoded = decode(data, target=self.retriever.preprocess.target)
            pixels = self.retriever.prepare(decoded.image)
            return Loaded(ref, digest, len(data), pixels, decoded.width, decoded.height)
        except ImageError as error:
            return Skip(ref.uri, error.reason, described + str(error))
        except Exception as error:  # a shape or a mode that nobody thought of
            return Skip(ref.uri, "failed", f"{ref.uri} cannot be prepared: {type(error).__name__}: {error}")

    def _skip(self, skip: Skip) -> None:
        self.skipped.append(skip)
        if skip.reason not in PASSING and skip.uri in self.ledger.places:
            self.ledger.detach(skip.uri)
            self.report.removed += 1

    def _take(self, loaded: Loaded) -> None:
        """Put a place to the row of its content, making one where there is none."""
        ref, name = loaded.ref, loaded.digest[:_ID_DIGITS]
        before = self.ledger.places.get(ref.uri)
        known = name in self.ledger.rows
        if not known and loaded.pixels is None:  # its first picture has turned out to have no vector meanwhile
            self._skip(self._useless(ref.uri))
            return
        old = self._left_behind(name) if known and before is None else None
        domain = ref.domain
        if domain is None and before:
            domain = before.domain
        if old is not None:
            domain = domain or (self.ledger.places[old].domain if self.options.inherit_domain else None)
            self.ledger.detach(old)
        row = None if known else NewRow(name, self.ledger.insert(name), loaded.digest, loaded.width, loaded.height)
        size, mtime_ns = (loaded.size, None) if ref.size is None else (ref.size, ref.mtime_ns)
        self.ledger.attach(ref.uri, Place(name, domain, size, mtime_ns))
        self.writer.expect(name)
        self._count(before, name, known=known, moved=old is not None)
        if row is not None and loaded.pixels is not None:
            self._buffer(domain, row, loaded.pixels)

    def _count(self, before: Place | None, name: str, *, known: bool, moved: bool) -> None:
        report = self.report
        report.touched += before is not None and before.id == name
        report.changed += before is not None and before.id != name
        report.moved += moved
        report.duplicates += before is None and known and not moved
        report.new += before is None and not known

    def _left_behind(self, name: str) -> str | None:
        """A place of the row that the file has left; such places outside of the sources are looked for once."""
        if name not in self._searched:
            self._searched.add(name)
            self._gone.update(uri for uri in self.ledger.rows[name] if not is_url(uri) and absent(uri))
        return next((uri for uri in self.ledger.rows[name] if uri in self._gone), None)

    def _buffer(self, domain: str | None, row: NewRow, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
        """Batches are of one domain each, which methods may look at; a full one is encoded."""
        self._buffers.setdefault(domain, []).append((row, pixels))
        fullest = max(self._buffers, key=lambda each: len(self._buffers[each]))
        if len(self._buffers[fullest]) >= BATCH or sum(map(len, self._buffers.values())) >= WAITING:
            self._encode(fullest)

    def _encode(self, domain: str | None) -> None:
        batch = self._buffers.pop(domain)
        vectors = self.retriever.encode_pixels(np.stack([pixels for _, pixels in batch]), domain)
        usable = self._space.usable(vectors)
        stored = iter(self._space.rows(vectors[usable]))
        for (row, _), good in zip(batch, usable, strict=True):
            if good:
                self.writer.add(row, next(stored))
                self.report.encoded += 1
                continue
            for uri in list(self.ledger.rows[row.id]):
                self.ledger.detach(uri)
                self.skipped.append(self._useless(uri))
            self.writer.forget(row.id)

    def _useless(self, uri: str) -> Skip:
        what = f"{uri}: the retriever {self.retriever.name} finds no {self._space.kind} for it"
        return Skip(uri, "no_vector", what)

    @property
    def _space(self) -> Space:
        return SPACES[self.retriever.space]

    def _tell(self, *, force: bool = False) -> None:
        plan = (self.plan.total, len(self.plan.pending), self.plan.unchanged)
        counts = {"done": self.writer.done, "skipped": len(self.skipped), "read": self._taken}
        self._teller.reading(plan, **counts, force=force)
