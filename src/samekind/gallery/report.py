"""What indexing tells: progress while it runs, a report and skipped.jsonl when it has ended."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from samekind.gallery.place import Place, write_atomically
from samekind.images.refs import Skip

SKIPPED_NAME = "skipped.jsonl"
TICK = 0.25  # seconds between two calls


@dataclass(frozen=True, slots=True)
class Progress:
    """Where indexing stands, in pictures.

    total: None until the sources are listed; done: committed to the gallery in this run, what a kill cannot undo;
    unchanged: known from before, nothing to do; rate: pictures read per second; eta: seconds left, None when unknown.
    At the end done + skipped + unchanged = total.
    """

    total: int | None
    done: int
    skipped: int
    unchanged: int
    rate: float
    eta: float | None


class Teller:
    """Calls back a few times a second at most; without a callback it does nothing."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._began: float | None = None
        self._told = time.monotonic()

    def listing(self, skipped: int, unchanged: int) -> None:
        """The sources are being listed."""
        if self._due():
            self._tell(Progress(None, 0, skipped, unchanged, 0.0, None))

    def reading(self, plan: tuple[int, int, int], *, done: int, skipped: int, read: int, force: bool = False) -> None:
        """`read` pictures were read; `plan` is the number of all, of those to read, and of the unchanged ones."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        if not self._due() and not force:
            return
        total, pending, unchanged = plan
        rate = read / (now - self._began) if now > self._began else 0.0
        self._tell(Progress(total, done, skipped, unchanged, rate, (pending - read) / rate if rate else None))

    def _due(self) -> bool:
        return self._progress is not None and time.monotonic() - self._told >= TICK

    def _tell(self, progress: Progress) -> None:
        self._told = time.monotonic()
        if self._progress:
            self._progress(progress)


@dataclass(slots=True)
class IngestReport:
    """What a run did, in pictures (places, so that exact duplicates count each).

    listed = unchanged + new + duplicates + moved + changed + touched + skipped (without what could not even be listed).
    new: content not seen before; duplicates: known content at one more place; moved: known content whose old place is
    gone; changed: other content at a known place; touched: new time of change, same content; relabelled: of the
    unchanged, those with a new domain; removed: places taken out; encoded: vectors computed; rows: contents in the
    gallery afterwards; ann: what ann.json says of the index afterwards, None without.
    """

    listed: int = 0
    unchanged: int = 0
    new: int = 0
    duplicates: int = 0
    moved: int = 0
    changed: int = 0
    touched: int = 0
    relabelled: int = 0
    removed: int = 0
    skipped: int = 0
    encoded: int = 0
    rows: int = 0
    seconds: float = 0.0
    ann: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """What `samekind index --json` writes."""
        return {"schema": 1, **asdict(self)}


def write_skipped(folder: Place, skipped: Sequence[Skip]) -> None:
    """Replace skipped.jsonl: a line for every picture that the last run could not use, none when all were fine."""
    lines = [json.dumps({"uri": skip.uri, "reason": skip.reason, "detail": skip.detail}) + "\n" for skip in skipped]
    write_atomically(folder / SKIPPED_NAME, "".join(lines).encode())
