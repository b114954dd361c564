"""Commits: what is encoded and where it was found goes to the table in groups, each whole or not at all."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses
from jaxtyping import Float32

from samekind.errors import SamekindError
from samekind.gallery.plan import Ledger
from samekind.gallery.schema import table_schema
from samekind.gallery.table import PictureTable, files

_PLACE_COLUMNS = ("id", "uri", "domain", "size", "mtime_ns", "copies")
_KEEP = timedelta(seconds=60)  # old versions, for readers that are at them
_COMMITS = 64  # between two times of joining the small files that commits make
_FILES = 64  # that may stay when a run ends


@dataclass(frozen=True, slots=True)
class NewRow:
    """A content that the table gets: the facts that are not in the ledger."""

    id: str
    seq: int
    content_hash: str
    width: int
    height: int


class Writer:
    """Brings the table to what the ledger says.

    A group is two commits of Lance: new rows, then changed places. A process that is killed between them leaves a uri
    in two rows at worst, which the next `Ledger` sees and heals. Rows without a place are deleted at the very end, so
    that no vector is lost that a picture further down the listing may still need (files renamed in a circle).
    """

    def __init__(self, table: PictureTable, ledger: Ledger, width: int) -> None:
        self.table = table
        self.ledger = ledger
        self.done = 0
        self.expected = 0  # pictures since the last commit
        self._schema = table_schema(width)
        self._stored = set(ledger.rows)
        self._ready: list[tuple[NewRow, Float32[np.ndarray, " w"]]] = []
        self._waiting: Counter[str] = Counter()
        self._commits = 0
        self._replaced = 0  # rows whose old version is still on disk

    def expect(self, name: str) -> None:
        """Count a picture as done when the row of its content is committed."""
        self._waiting[name] += 1
        self.expected += 1

    def forget(self, name: str) -> None:
        """The content will never be committed: it has no usable vector."""
        del self._waiting[name], self.ledger.rows[name]
        self.ledger.dirty.pop(name, None)

    def add(self, row: NewRow, vector: Float32[np.ndarray, " w"]) -> None:
        """A new row is complete, with what is stored of its vector."""
        self._ready.append((row, vector))

    def commit(self) -> None:
        """Write everything that is complete; raises SamekindError, with nothing half-written, when that fails."""
        # What is handed to Lance is never handed to it again: an interrupt may come after it was written.
        ready, self._ready, self.expected = self._ready, [], 0
        placed = [(row, vector) for row, vector in ready if self.ledger.rows[row.id]]
        changed = [name for name in self.ledger.dirty if name in self._stored and self.ledger.rows[name]]
        if placed:
            self.table.append(self._new_rows(placed))
        if changed:
            self.table.update(pa.table(self._places(changed), schema=self._subset(_PLACE_COLUMNS)))
        written = [row.id for row, _ in placed]
        self._stored.update(written)
        for name in (*written, *changed):
            self.ledger.dirty.pop(name, None)
            self.done += self._waiting.pop(name, 0)
        self._commits += bool(written or changed)
        self._replaced += len(changed)
        if self._commits >= _COMMITS:
            self._tidy(_KEEP)

    def finish(self) -> None:
        """The last commit: also deletes the rows that no place is left of."""
        self.commit()
        if orphans := [name for name in self.ledger.orphans() if name in self._stored]:
            self.table.delete(orphans)
            self._replaced += len(orphans)
        if (self._commits and files(self.table.folder) > _FILES) or self._replaced > len(self._stored) // 4:
            self._tidy(timedelta(0))  # a reader that this overtakes starts again, see vectors.py

    def _tidy(self, keep: timedelta) -> None:
        self._commits = 0
        with suppress(SamekindError):  # what is committed stays; a disk too full to tidy is one to be told at a commit
            self.table.tidy(keep)

    def _new_rows(self, placed: Sequence[tuple[NewRow, Float32[np.ndarray, " w"]]]) -> pa.Table:
        rows = [row for row, _ in placed]
        columns = self._places([row.id for row in rows])
        columns |= {name: [getattr(row, name) for row in rows] for name in ("seq", "content_hash", "width", "height")}
        vectors = np.concatenate([vector for _, vector in placed])
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors), len(vectors) // len(rows))
        return pa.table(columns, schema=self._schema)

    def _places(self, names: Sequence[str]) -> dict[str, object]:
        facts = [self.ledger.facts(name) for name in names]
        return {
            "id": list(names),
            "uri": [uri for uri, _, _ in facts],
            "domain": [place.domain for _, place, _ in facts],
            "size": [place.size for _, place, _ in facts],
            "mtime_ns": [place.mtime_ns for _, place, _ in facts],
            "copies": [copies for _, _, copies in facts],
        }

    def _subset(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self._schema.field(name) for name in names])
