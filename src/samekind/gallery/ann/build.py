"""Building a gallery's vector index, and keeping it up to date as rows come and go."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from samekind.errors import SamekindError, UsageError
from samekind.gallery.ann.finder import Finder
from samekind.gallery.ann.measure import sample, tuned
from samekind.gallery.ann.record import AUTOMATIC, FEWEST, Ann, now, read_ann, write_ann
from samekind.gallery.place import Place
from samekind.gallery.refusing import refusals
from samekind.gallery.schema import Meta
from samekind.gallery.spaces import COSINE
from samekind.gallery.table import PictureTable
from samekind.gallery.vectors import Snapshot
from samekind.retriever.protocol import RetrieverLike

_CELL = 4096  # rows: what Lance aims at. It joins cells that are far smaller when the index grows, which costs recall
_PARTS = 8  # of an index that grew: each is asked by itself, so that then it is made anew
_GROWN = 2  # times the rows that it was made of: then its cells fit no more
_MEASURED = 1.05  # times the rows that it was measured with: until then recall is taken to be the same


# Makes the index of a table, of so many cells, for vectors of so many numbers. Returns who made it, for people.
Builder = Callable[[PictureTable, int, int], str]


def here(table: PictureTable, partitions: int, width: int) -> str:
    """A `Builder`: this process, which goes without saying."""
    table.build_index(partitions, width)
    return ""


class Keeper:
    """Brings the index to what the table says. The lock's holder alone may use it.

    ann.json is written last, and says `building` from the beginning of a build until then. A run that is killed leaves
    either what there was or a gallery whose searches are exact, and the next run goes on.
    """

    def __init__(
        self,
        folder: Place,
        meta: Meta,
        snapshot: Callable[[], Snapshot],
        retriever: Callable[[], RetrieverLike],
        builder: Builder = here,
    ) -> None:
        """`snapshot` gives the newest one."""
        self.folder = folder
        self.meta = meta
        self._snapshot = snapshot
        self._retriever = retriever
        self._builder = builder

    def check(self, wanted: bool | None) -> None:
        """Raise UsageError for an index that is asked for in a space that it is no good for."""
        if wanted and self.meta.space != COSINE.name:
            raise UsageError(
                f"The vectors of the gallery {self.folder} are of the space {self.meta.space}, where an index saves no "
                "time: it finds the nearest only if it looks nearly everywhere. Leave --ann away: searches are exact."
            )

    def keep(self, wanted: bool | None) -> Ann | None:
        """Build (True), remove (False), or keep what there is and build where there are many rows (None).

        Returns what is known of the index now, None where there is none. Raises UsageError as `check` does, and
        SamekindError for a full disk; pictures that are in the gallery stay.
        """
        self.check(wanted)
        known = None
        with suppress(SamekindError):  # damaged, or of another version: made anew where it is wanted
            known = read_ann(self.folder, self.meta.uuid)
        if wanted is False:
            return self._remove()
        table = PictureTable.open(self.folder)
        rows = table.rows
        unasked = rows < AUTOMATIC or self.meta.space != COSINE.name
        if wanted is None and (known.state == "refused" if known else unasked):
            return known
        if rows < FEWEST:
            return self._too_few(known)
        state = self._kept(table, known, rows, wanted=bool(wanted))
        return state or self._build(table, rows)

    def _too_few(self, known: Ann | None) -> Ann | None:
        """An index cannot be built, or rows have left: exact searches are fast among so few. The wish is remembered."""
        if known is None or known.state != "building":
            known = Ann("building", self.meta.uuid)
            self._write(known)
        return known

    def _remove(self) -> Ann:
        table = PictureTable.open(self.folder)
        ann = Ann("refused", self.meta.uuid)
        self._write(ann)
        if table.index():
            table.drop_index()
        return ann

    def _kept(self, table: PictureTable, known: Ann | None, rows: int, *, wanted: bool) -> Ann | None:
        """The index with what is new in the table, measured again if that is much; None where it has to be made."""
        facts = table.index()
        if known is None or known.state not in ("ready", "exact") or facts is None:
            return None
        if rows > _GROWN * known.trained or (wanted and known.state == "exact" and known.version != table.version):
            return None
        with suppress(SamekindError):  # an index that cannot be read is made anew
            if facts.missing:
                table.extend_index()
                facts = table.index()
            if facts is None or facts.parts > _PARTS:
                return None
            if not wanted and known.rows / _MEASURED <= rows <= known.rows * _MEASURED:
                return known
            measured = self._measured(table, known)
            return None if known.state == "ready" and measured.state == "exact" else measured
        return None

    def _build(self, table: PictureTable, rows: int) -> Ann:
        self._write(Ann("building", self.meta.uuid))
        began = time.monotonic()
        partitions = max(1, round(rows / _CELL))
        built = self._builder(table, partitions, self.meta.width)
        ann = Ann("building", self.meta.uuid, partitions=partitions, trained=rows, built=built, created=now())
        return self._measured(table, replace(ann, seconds={"build": round(time.monotonic() - began, 1)}))

    def _measured(self, table: PictureTable, ann: Ann) -> Ann:
        """Choose the efforts and write down what they find."""
        began = time.monotonic()
        snapshot = self._snapshot()
        facts = table.index()
        drawn = sample(snapshot, self._retriever)
        ann = tuned(Finder(table, ann, snapshot), drawn)
        seconds = {**ann.seconds, "measure": round(time.monotonic() - began, 1)}
        size, kind = (facts.size / 1e6, facts.kind) if facts else (0.0, "")
        ann = replace(ann, kind=kind, megabytes=round(size, 1), seconds=seconds)
        ann = replace(ann, rows=len(snapshot), version=snapshot.version)
        self._write(ann)
        return ann

    def _write(self, ann: Ann) -> None:
        with refusals(self.folder):
            write_ann(self.folder, ann)
