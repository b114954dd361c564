"""Searches for many pictures: a listing is opened, encoded and answered block by block, one line of JSON for each."""

import json
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, cast

import numpy as np
from jaxtyping import Float32

from samekind.errors import SamekindError
from samekind.gallery.batch_file import AnswerFile, Note
from samekind.gallery.hits import Hit
from samekind.gallery.report import Progress, Teller
from samekind.gallery.searching import Searchable
from samekind.images.refs import ImageRef, Skip
from samekind.images.source import list_images
from samekind.reading.encoding import encoded
from samekind.reading.opening import Outcome, Reader, Threads

BLOCK = 256  # queries that are answered and written together at most, always whole batches of them,
SECONDS = 5.0  # and how long they wait: a pass over the gallery's vectors costs the same for one as for all

Write = Callable[[bytes], None]


@dataclass(slots=True)
class BatchReport:
    """What a batch of searches did, in queries: of `total`, `before` were answered by an earlier run.

    skipped: those without an answer, also the earlier run's; first: one of them, if this run has met one; exact: every
    row was compared, in this run.
    """

    total: int = 0
    before: int = 0
    skipped: int = 0
    first: Skip | None = None
    exact: bool = True


def search_all(
    gallery: Searchable,
    source: str | Path,
    to: Path | Write,
    *,
    k: int = 20,
    domains: Sequence[str] | None = None,
    where: str | None = None,
    exact: bool = True,
    allow_urls: bool = False,
    reader: Reader | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BatchReport:
    """Search with every picture that `source` lists (a folder, a list, a manifest, a picture), in its order.

    Each gets a line of JSON, {"query": uri, "hits": [...]}, or {"query": uri, "error": {"reason": ..., "detail": ...}}
    if it has no answer. Hits are those of `Searchable.search` for that picture alone. The lines go to a function, or to
    a file that is there once it is whole (see `AnswerFile`): the same call goes on where an earlier one was stopped.
    `reader` opens the pictures, and may encode them as well; by default threads of this process open them. Memory does
    not grow with the number of pictures. `progress` is called a few times a second.

    Raises what `search` raises for k and filters, UsageError for no such source, SamekindError for one without
    pictures, a file of other answers, or a gallery that changes on disk so that its version cannot be asked any more.
    """
    gallery.check_filled()
    asking = _Asking(gallery, k, domains, where, exact)
    with ExitStack() as ends:
        file = None
        if isinstance(to, Path):
            note = Note.of(gallery, source, k, domains, where, exact=exact, allow_urls=allow_urls)
            file = ends.enter_context(AnswerFile.opened(to, note))
        teller = Teller(progress)
        listing = ends.enter_context(closing(_Listing(source, allow_urls, teller)))
        report = BatchReport(listing.total)
        if file:
            report.before, report.skipped = file.known(each.uri for each in listing.after(0))
        if report.before < report.total:
            run = _Run(asking, reader or Threads(), teller, report)
            run.all(listing.after(report.before), file.append if file else cast("Write", to))
        if file:
            file.finish()
    return report


class _Asking:
    """One version of a gallery, asked alike by all."""

    def __init__(
        self, gallery: Searchable, k: int, domains: Sequence[str] | None, where: str | None, exact: bool
    ) -> None:
        """Raise what is wrong with filters before anything is opened."""
        self.gallery = gallery
        self._k = k
        self._filters: dict[str, Any] = {"domains": domains, "where": where, "exact": exact}
        gallery.answers(np.empty((0, gallery.meta.dim), np.float32), k, **self._filters)
        self._version = gallery.version

    def __call__(self, vectors: Sequence[Float32[np.ndarray, " d"]]) -> tuple[list[tuple[Hit, ...]], bool]:
        """The hits of each, and whether every row was compared."""
        if not vectors:
            return [], True
        found = self.gallery.answers(np.stack(vectors), self._k, **self._filters)
        if self.gallery.version != self._version:
            raise SamekindError(
                f"The gallery {self.gallery.path} has changed, and the version {self._version} that was searched is "
                "gone. Search again once nobody indexes into it."
            )
        return found


class _Listing:
    """What a source lists, on disk meanwhile: a million references would take some 300 MB of memory."""

    def __init__(self, source: str | Path, allow_urls: bool, teller: Teller) -> None:
        """Raise what `list_images` raises, and SamekindError for a source without pictures."""
        self._file = TemporaryFile(prefix="samekind-")  # noqa: SIM115
        self.total = skipped = 0
        last = None
        for item in list_images(source, allow_urls=allow_urls):
            pickle.dump(item, self._file)
            self.total += 1
            if isinstance(item, Skip):
                skipped, last = skipped + 1, item
            teller.listing(skipped, 0)
        if skipped == self.total:
            self.close()
            refused = f" ({skipped:,} could not be used, such as {last.detail})" if last else ""
            raise SamekindError(f"No pictures found in {source}{refused}. Is the disk mounted, and the name right?")

    def after(self, count: int) -> Iterator[ImageRef | Skip]:
        """All but the first; for one reader at a time."""
        self._file.seek(0)
        for number in range(self.total):
            item = pickle.load(self._file)  # noqa: S301 (nobody else can open it)
            if number >= count:
                yield item

    def close(self) -> None:
        """Forget it."""
        self._file.close()


class _Run:
    """One pass over what is to be asked."""

    def __init__(self, asking: _Asking, reader: Reader, teller: Teller, report: BatchReport) -> None:
        self.report = report
        self._asking = asking
        self._retriever = asking.gallery.retriever
        self._space = asking.gallery.meta.compared
        self._reader = reader
        self._teller = teller
        self._read = self._done = self._lost = 0  # in this run

    def all(self, entries: Iterator[ImageRef | Skip], write: Write) -> None:
        """Answer and write block by block; what is told as done is written."""
        from samekind.retriever.encode import BATCH

        self._tell(force=True)
        block: list[Outcome] = []
        written = time.monotonic()
        with closing(self._outcomes(entries)) as outcomes:  # type: ignore[type-var]
            for outcome in encoded(self._retriever, outcomes, BATCH):
                block.append(outcome)
                self._read += 1
                due = len(block) >= BLOCK or time.monotonic() - written >= SECONDS
                if due and len(block) % BATCH == 0:
                    self._answer(block, write)
                    block, written = [], time.monotonic()
                self._tell()
        self._answer(block, write)
        self._tell(force=True)

    def _outcomes(self, entries: Iterator[ImageRef | Skip]) -> Iterator[Outcome]:
        """What becomes of each, in their order; the reader sees only what can be opened."""
        line: deque[Skip | None] = deque()  # that the reader has taken, None for a picture

        def pictures() -> Iterator[ImageRef]:
            for entry in entries:
                line.append(entry if isinstance(entry, Skip) else None)
                if isinstance(entry, ImageRef):
                    yield replace(entry, domain=None)  # which a query has none of

        with closing(self._reader(self._retriever, pictures(), ())) as opened:  # type: ignore[type-var]
            for outcome in opened:
                while (skip := line.popleft()) is not None:
                    yield skip
                yield outcome
        yield from (skip for skip in line if skip is not None)

    def _answer(self, block: Sequence[Outcome], write: Write) -> None:
        asked = [self._vector(each) for each in block]
        found, compared = self._asking([each for each in asked if not isinstance(each, Skip)])
        hits = iter(found)
        lines = []
        for outcome, each in zip(block, asked, strict=True):
            if isinstance(each, Skip):
                told: dict[str, Any] = {"error": {"reason": each.reason, "detail": each.detail}}
                self._lost += 1
                self.report.skipped += 1
                self.report.first = self.report.first or each
            else:
                told = {"hits": [hit.to_json() for hit in next(hits)]}
            query = outcome.uri if isinstance(outcome, Skip) else outcome.ref.uri
            lines.append(json.dumps({"query": query, **told}, ensure_ascii=False) + "\n")
        write("".join(lines).encode())
        self._done += len(block)
        self.report.exact &= compared

    def _vector(self, outcome: Outcome) -> "Float32[np.ndarray, ' d'] | Skip":
        """What to search with, made as `Query` makes it of one picture."""
        if isinstance(outcome, Skip):
            return outcome
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # of vectors without a direction, which it refuses
                return self._space.composed(np.ones(1), cast("np.ndarray", outcome.vector)[None])
        except SamekindError:
            name = self._asking.gallery.meta.name
            what = f"{outcome.ref.uri}: the retriever {name} finds no {self._space.kind} for it"
            return Skip(outcome.ref.uri, "no_vector", what)

    def _tell(self, *, force: bool = False) -> None:
        total, before = self.report.total, self.report.before
        counts = {"done": self._done - self._lost, "skipped": self._lost, "read": self._read}
        self._teller.reading((total, total - before, before), **counts, force=force)
