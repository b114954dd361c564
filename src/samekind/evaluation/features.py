"""The vectors of a data set's pictures by one retriever: encoded in threads, kept on disk, never encoded twice."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int

import samekind
from samekind.datasets.table import Table
from samekind.evaluation.features_kept import FromKept, from_kept
from samekind.evaluation.features_store import VectorStore, evict
from samekind.evaluation.features_treated import PLAIN, Treated, Treatment
from samekind.images.refs import ImageRef, Skip
from samekind.reading.encoding import encoded
from samekind.reading.opening import Outcome, Reader, Threads

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever

KEEP_ROWS = 1024  # pictures between two parts on disk,
KEEP_SECONDS = 10.0  # and seconds: a kill costs no more than these
TICK = 0.25  # seconds between two calls of `progress`

# Reasons that say nothing about the content: the same picture may be readable next time.
PASSING = frozenset({"unreadable", "vanished", "failed", "crashed"})


@dataclass(frozen=True, slots=True)
class Progress:
    """Where encoding stands, in pictures: of `total`, `cached` were known before, `done` and `skipped` are new."""

    total: int
    done: int
    skipped: int
    cached: int
    seconds: float


@dataclass
class Features:
    """Vectors of some rows of a table; `vectors` has a row for every picture, zeros where none was asked for.

    `skipped`: why a row that was asked for has no vector. `encoded` and `cached` count pictures, `seconds` is what
    opening and encoding took in this run. `fault` says why nothing could be kept on disk.
    """

    vectors: Float32[np.ndarray, "n d"]
    skipped: dict[int, Skip] = field(default_factory=dict)
    encoded: int = 0
    cached: int = 0
    seconds: float = 0.0
    fault: str | None = None

    def joined(self, other: "Features", rows: Int[np.ndarray, " m"]) -> "Features":
        """These, with the vectors of `rows` from another treatment of the same table."""
        self.vectors[rows] = other.vectors[rows]
        return Features(
            self.vectors,
            self.skipped | other.skipped,
            self.encoded + other.encoded,
            self.cached + other.cached,
            self.seconds + other.seconds,
            self.fault or other.fault,
        )


def encode_table(
    retriever: "Retriever",
    table: Table,
    rows: Int[np.ndarray, " m"],
    *,
    cache: Path,
    data_sha256: str,
    treatment: Treatment = PLAIN,
    reader: Reader | None = None,
    progress: Callable[[Progress], None] | None = None,
    contents: Sequence[str] | None = None,
) -> Features:
    """The vectors of `rows`, from the cache below `cache` where they are there, else from the pictures.

    A picture that cannot be opened has its reason in `Features.skipped`. Stopped at any moment, the same call goes on
    where it was. `data_sha256` is the table's own hash: contents and paths, so that a changed picture is another key.
    `reader` opens the pictures, and may encode them as well; by default threads of this process open them.

    With `contents`, the SHA-256 of each file, what the backbone says of pictures is shared with training and with other
    retrievers: found in the user's cache folder, or made and kept there (some 100 kB a picture with tokens and pixels;
    within `SAMEKIND_CACHE_GIB`). Tokens are kept in half precision: vectors differ by about 1e-3 from those without.
    Pictures that are treated (inverted, raw) are encoded as ever.
    """
    if treatment.inverted or treatment.raw:
        contents = None
    key = {
        "retriever": retriever.sha256,
        "data": data_sha256,
        "precision": "float32" if treatment.raw else retriever.precision,
        "samekind": samekind.__version__,  # pictures might be opened otherwise by another version
        **{name: getattr(treatment, name) for name in Treatment.__slots__},
        **({} if contents is None else {"from": "kept tokens"}),
    }
    dim = retriever.encoder.dim if treatment.raw else retriever.dim
    store = VectorStore(cache, key, len(table.files), dim)
    known = store.read()
    wanted = np.unique(np.asarray(rows, np.int64))
    missing = wanted[~known.done[wanted]]
    features = Features(known.vectors, cached=len(wanted) - len(missing))
    features.skipped = {row: known.skipped[row] for row in wanted.tolist() if row in known.skipped}
    if len(missing):
        began = time.perf_counter()
        run = _Run(retriever, table, treatment, store, features, progress)
        if contents is not None:
            run.from_kept(wanted, missing, contents)
        run.all(missing, reader or Threads())
        features.seconds = time.perf_counter() - began
        evict(cache, keep=store.folder)
    features.fault = store.fault
    return features


class _Run:
    """One pass over the pictures that the cache does not have."""

    def __init__(
        self,
        retriever: "Retriever",
        table: Table,
        treatment: Treatment,
        store: VectorStore,
        features: Features,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.retriever, self.table, self.treatment = retriever, table, treatment
        self.store, self.features, self.progress = store, features, progress
        self.fresh: list[int] = []
        self.lost: dict[int, Skip] = {}
        self.done: set[int] = set()  # rows that need not be opened any more
        self.total = self.told = self.new_skips = 0
        self.began = self.kept = self.last = time.monotonic()

    def from_kept(self, wanted: Int[np.ndarray, " m"], missing: Int[np.ndarray, " k"], contents: Sequence[str]) -> None:
        """What the backbone has said of the pictures before, as far as that is kept; `all` encodes the rest."""
        self.total = len(missing) + self.features.cached
        told = self.treatment.domains
        found = from_kept(self.retriever, self.table, wanted, missing, contents, domains=told, work=self.store.folder)
        try:
            with closing(found):  # type: ignore[type-var]
                for chunk in found:
                    self._take_kept(chunk)
                    self._keep(force=False)
                    self._tell()
        finally:
            self._keep(force=True)

    def all(self, missing: Int[np.ndarray, " m"], reader: Reader) -> None:
        """Encode `missing` rows that have no vector yet; whatever ends this early, what is encoded is written first."""
        self.total = len(missing) + self.features.cached
        rows = [row for row in missing.tolist() if row not in self.done]
        treated = Treated(self.retriever, self.treatment)
        try:
            if rows:
                with closing(reader(treated, map(self._ref, rows), ())) as opened:  # type: ignore[type-var]
                    for row, outcome in zip(rows, encoded(treated, opened), strict=True):
                        self._take(row, outcome)
                        self._keep(force=False)
                        self._tell()
        finally:
            self._keep(force=True)
        self._tell(force=True)

    def _ref(self, row: int) -> ImageRef:
        domain = self.table.domains[int(self.table.domain[row])] if self.treatment.domains else None
        return ImageRef(str(self.table.root / self.table.files[row]), domain)

    def _take(self, row: int, outcome: Outcome) -> None:
        """One vector, or why there is none, in words that hold wherever the pictures are."""
        if isinstance(outcome, Skip):
            detail = outcome.detail.replace(f"{self.table.root}/", "")
            self._skip(row, Skip(self.table.files[row], outcome.reason, detail))
            return
        self.features.vectors[row] = outcome.vector
        self.features.encoded += 1
        self.fresh.append(row)

    def _take_kept(self, found: FromKept) -> None:
        """The vectors of one chunk."""
        self.features.vectors[found.rows] = found.vectors
        self.features.encoded += len(found.rows)
        self.fresh += found.rows
        self.done.update(found.rows, found.skipped)
        for row in found.skipped.keys() - self.features.skipped.keys():
            self._skip(row, found.skipped[row])

    def _skip(self, row: int, skip: Skip) -> None:
        """Note a picture that has no vector, for later runs too if it never will."""
        self.features.skipped[row] = skip
        self.new_skips += 1
        if skip.reason not in PASSING:
            self.lost[row] = skip

    def _keep(self, *, force: bool) -> None:
        """Write a part when it is due."""
        waiting, now = len(self.fresh) + len(self.lost), time.monotonic()
        if not waiting or not (force or waiting >= KEEP_ROWS or now - self.kept >= KEEP_SECONDS):
            return
        self.store.write(self.fresh, self.features.vectors[self.fresh], self.lost)
        self.fresh, self.lost, self.kept = [], {}, now

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.progress and (force or now - self.last >= TICK):
            self.last = now
            done, cached = self.features.encoded, self.features.cached
            self.progress(Progress(self.total, done, self.new_skips, cached, now - self.began))
