"""Indexing: pictures are opened and encoded in a bounded pipeline, and committed in groups."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import numpy as np
from jaxtyping import Float32, UInt8

from samekind.errors import SamekindError
from samekind.gallery.commit import NewRow, Writer
from samekind.gallery.plan import PASSING, Ledger, Place, Plan, absent
from samekind.gallery.report import IngestReport, Teller
from samekind.gallery.spaces import SPACES, Space
from samekind.images.refs import Skip, is_url
from samekind.reading.opening import Opened, Reader
from samekind.retriever.protocol import RetrieverLike

BATCH = 32  # pictures per forward pass
WAITING = 4 * BATCH  # prepared pictures that wait for others of their domain, at most
COMMIT_ROWS = 4096  # rows that wait for a commit at most,
COMMIT_SECONDS = 5.0  # and how long: a commit takes milliseconds, but leaves a file behind


class Ingest:
    """One run over a plan."""

    def __init__(
        self,
        retriever: Callable[[], RetrieverLike],
        writer: Writer,
        plan: Plan,
        reader: Reader,
        teller: Teller,
        *,
        inherit_domain: bool = True,
    ) -> None:
        """`inherit_domain`: what moved keeps its domain."""
        self._lent = retriever
        self.writer = writer
        self.retriever: RetrieverLike
        self.ledger: Ledger = writer.ledger
        self.plan = plan
        self._reader = reader
        self._inherit_domain = inherit_domain
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
        if not self.plan.pending:
            return
        self.retriever = self._lent()
        opened = self._reader(self.retriever, list(self.plan.pending.values()), self.ledger)
        with closing(opened):  # type: ignore[type-var]
            for outcome in opened:
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

    def _skip(self, skip: Skip) -> None:
        self.skipped.append(skip)
        if skip.reason not in PASSING and skip.uri in self.ledger.places:
            self.ledger.detach(skip.uri)
            self.report.removed += 1

    def _take(self, opened: Opened) -> None:
        """Put a place to the row of its content, making one where there is none."""
        ref, name = opened.ref, opened.id
        before = self.ledger.places.get(ref.uri)
        known = name in self.ledger
        if not known and opened.pixels is None and opened.vector is None:
            self._skip(self._useless(ref.uri))  # its first picture has turned out to have no vector meanwhile
            return
        old = self._left_behind(name) if known and before is None else None
        domain = ref.domain
        if domain is None and before:
            domain = before.domain
        if old is not None:
            domain = domain or (self.ledger.places[old].domain if self._inherit_domain else None)
            self.ledger.detach(old)
        row = None if known else NewRow(name, self.ledger.insert(name), opened.digest, opened.width, opened.height)
        size, mtime_ns = (opened.size, None) if ref.size is None else (ref.size, ref.mtime_ns)
        self.ledger.attach(ref.uri, Place(name, domain, size, mtime_ns))
        self.writer.expect(name)
        self._count(before, name, known=known, moved=old is not None)
        if row is None:
            return
        if opened.vector is not None:
            self._store([row], opened.vector[None])
        elif opened.pixels is not None:
            self._buffer(domain, row, opened.pixels)

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
        self._store([row for row, _ in batch], vectors)

    def _store(self, rows: Sequence[NewRow], vectors: Float32[np.ndarray, "n d"]) -> None:
        """Hand rows with a usable vector to the writer; the others turn out to be no pictures of this gallery."""
        usable = self._space.usable(vectors)
        stored = iter(self._space.rows(vectors[usable]))
        for row, good in zip(rows, usable, strict=True):
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
