"""The Lance table: the only place that imports lancedb, whose errors become refusals."""

import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses
from jaxtyping import Float32, Int64, UInt64

from samekind.errors import SamekindError, UsageError
from samekind.gallery.place import Place, Prefix, names
from samekind.gallery.refusing import overtaken, refusals, storage_trouble
from samekind.gallery.schema import TABLE_NAME, WHERE_COLUMNS, damaged, table_schema

if TYPE_CHECKING:
    from lancedb import DBConnection
    from lancedb.query import LanceVectorQueryBuilder
    from lancedb.table import Table

_MANIFEST = re.compile(r"(\d+)\.manifest")
_LAST = 2**64 - 1  # Lance's second naming scheme counts down from here, so that the newest sorts first
_IDS_PER_DELETE = 8000  # each commit leaves a version, and looks through all ids
ADDRESS = "_rowid"
INDEX = "ann"
_MARGIN = timedelta(hours=1)  # in object storage: how long versions stay that readers elsewhere may be at
BYTE = 8  # bits: the index of bits takes vectors of whole bytes only


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """Of a vector index: what Lance calls its kind, the rows in it, those not in it yet, parts, bytes on disk."""

    kind: str
    rows: int
    missing: int
    parts: int
    size: int


class PictureTable:
    """The table of one gallery at one version. Writing moves this handle on; readers keep theirs until `latest`."""

    def __init__(self, folder: Place, table: "Table") -> None:
        self.folder = folder
        self._table = table

    @classmethod
    def open(cls, folder: Place) -> "PictureTable":
        """Open the newest version; raises SamekindError when files are missing or garbled."""
        with refusals(folder):
            try:
                return cls(folder, connect(folder).open_table(TABLE_NAME))
            except ValueError as error:
                if (refused := storage_trouble(folder, error)) is not None:
                    raise refused from error
                raise damaged(folder, "its table is missing or garbled") from error

    @classmethod
    def create(cls, folder: Place, width: int) -> "PictureTable":
        """Make an empty table. What an interrupted creation left behind, which holds no row, is replaced."""
        with refusals(folder):
            if latest_version(folder) is not None and cls.open(folder).rows:
                raise damaged(folder, "it has pictures, but does not say by which retriever")
            _remove(_dataset(folder))
            return cls(folder, connect(folder).create_table(TABLE_NAME, schema=table_schema(width)))

    @property
    def version(self) -> int:
        """Counts commits; grows."""
        return int(self._table.version)

    @property
    def rows(self) -> int:
        """How many contents there are."""
        with refusals(self.folder):
            return int(self._table.count_rows())

    @property
    def uri(self) -> str:
        """Where Lance has it."""
        return str(_dataset(self.folder))

    @property
    def options(self) -> dict[str, str] | None:
        """How Lance asks the object storage that it is in, if it is."""
        return self.folder.options() if isinstance(self.folder, Prefix) else None

    @property
    def fragments(self) -> int:
        """Files that its rows are in, at the least."""
        with refusals(self.folder):
            stats = cast("dict[str, dict[str, int]]", self._table.stats())  # which lancedb declares to be an object
            return stats["fragment_stats"]["num_fragments"]

    def refresh(self) -> None:
        """Go to the newest version, after something else than this handle has made it."""
        with refusals(self.folder):
            self._table.checkout_latest()  # type: ignore[no-untyped-call]

    def at(self, version: int) -> "PictureTable":
        """This table at a version; raises SamekindError when that has been tidied away."""
        if version == self.version:
            return self
        older = self.open(self.folder)
        with refusals(self.folder):
            try:
                older._table.checkout(version)
            except ValueError as error:
                raise damaged(self.folder, f"its version {version} is gone") from error
        return older

    def scan(
        self, columns: Sequence[str], where: str | None = None, *, addresses: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Batches of these columns, in no particular order; with `addresses`, also of ADDRESS: see `candidates`."""
        with refusals(self.folder):
            query = self._table.search().select(list(columns)).with_row_id(addresses)
            yield from (query.where(where) if where else query).to_batches()

    def filter(self, where: str) -> Int64[np.ndarray, " m"]:
        """The `seq` of the rows that a user's SQL expression is true for; raises UsageError for a wrong expression."""
        if not where.strip():
            raise UsageError(f"The filter is empty; write SQL over {', '.join(WHERE_COLUMNS)}.")
        with refusals(self.folder):
            try:
                found = self._table.search().where(where).select(["seq"]).to_arrow()
            except ValueError as error:
                cause = str(error).removeprefix("Invalid input, ").split(", /")[0]
                raise UsageError(
                    f"The filter {where!r} cannot be evaluated: {cause}. It is SQL over the columns "
                    f"{', '.join(WHERE_COLUMNS)}, for example: width >= 512 AND uri LIKE '%/dog/%'"
                ) from error
        return np.asarray(found.column("seq").to_numpy())

    def append(self, rows: pa.Table) -> None:
        """Add rows, all of them or none."""
        with self._commit():
            self._table.add(rows)

    def update(self, rows: pa.Table) -> None:
        """Replace the columns that `rows` has in the rows with the same id, all of them or none."""
        with self._commit():
            self._table.merge_insert("id").when_matched_update_all().execute(rows)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the rows with these ids."""
        for start in range(0, len(ids), _IDS_PER_DELETE):
            listed = ", ".join(f"'{name}'" for name in ids[start : start + _IDS_PER_DELETE])
            with self._commit():
                self._table.delete(f"id IN ({listed})")

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """One commit upon the version that we know; raises SamekindError where there is another by now.

        Lance would put ours on top of anything, even of rows that we would add a second time, and into a new folder
        where the gallery's has been moved away.
        """
        before = self.version
        self._alone(latest_version(self.folder), before)
        with refusals(self.folder):
            yield
        self._alone(self.version, before + 1)

    def _alone(self, found: int | None, expected: int) -> None:
        if found == expected or (found is None and _dataset(self.folder).exists()):
            return
        if found is None:
            raise SamekindError(
                f"The gallery {self.folder} has been moved or deleted while it was written to. What was reported as "
                "done is in it; run the same command again with the folder where it is now."
            )
        if isinstance(self.folder, Prefix):
            raise overtaken(self.folder)
        raise SamekindError(
            f"Another process has written to the gallery {self.folder} at the same time, past its lock (as from a "
            "machine that shares the disk but not its locks). What was reported as done is in it. End the other "
            "process, then run the same command again."
        )

    def index(self) -> IndexFacts | None:
        """The vector index of this version, None where there is none."""
        with refusals(self.folder):
            for one in self._table.list_indices():
                if one.name == INDEX:
                    numbers = (one.num_indexed_rows, one.num_unindexed_rows, one.num_segments, one.size_bytes)
                    return IndexFacts(one.index_type, *(int(number or 0) for number in numbers))
        return None

    def build_index(self, partitions: int, width: int) -> None:
        """Make the vector index, instead of one that is there, of vectors of `width` numbers; all of it or nothing.

        One bit of each number is kept (RaBitQ), or where these make no whole bytes the vectors themselves.
        """
        from lancedb.index import IvfFlat, IvfRq

        kind = IvfFlat if width % BYTE else IvfRq
        with refusals(self.folder):
            config = kind(distance_type="dot", num_partitions=partitions)
            self._table.create_index("vector", config=config, name=INDEX, replace=True)

    def extend_index(self) -> None:
        """Take the rows that are not in the vector index into it, as one more part of it."""
        with refusals(self.folder):
            self._table.optimize()

    def drop_index(self) -> None:
        """Remove the vector index."""
        with refusals(self.folder):
            self._table.drop_index(INDEX)

    def candidates(self, query: Float32[np.ndarray, " w"], count: int, probes: int) -> UInt64[np.ndarray, " c"]:
        """The addresses of some `count` rows that have about the largest inner products with the query, in no order.

        The index looks into `probes` of its cells; rows that are not in it are all compared. An address is where Lance
        has a row, in this version of the table alone: to look up a column instead would take longer than all the rest.
        """
        with refusals(self.folder), _panics():
            asked = cast("LanceVectorQueryBuilder", self._table.search(query, vector_column_name="vector"))
            found = asked.distance_type("dot").nprobes(probes).limit(count).select(["_distance"]).with_row_id(True)
            return np.asarray(found.to_arrow().column(ADDRESS).to_numpy())

    def tidy(self, keep: timedelta) -> None:
        """Join small files, and remove what no version of the last `keep` refers to. Only the lock's holder may."""
        self._alone(latest_version(self.folder), self.version)  # files that another process is at belong to no version
        dataset = _dataset(self.folder)
        with refusals(self.folder), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that readers of old versions fail
            if isinstance(dataset, Prefix):  # there a lock may be lost while we tidy, and readers be slow
                self._table.optimize(cleanup_older_than=max(keep, _MARGIN), delete_unverified=False)
                return
            self._table.optimize(cleanup_older_than=keep, delete_unverified=True)
            for unfinished in dataset.rglob(".tmp*"):  # of a writer that was killed: Lance leaves it
                unfinished.unlink(missing_ok=True)

    def fence(self) -> None:
        """Make whoever opened the table before now unable to commit to it; what they have committed stays.

        Lance refuses what was begun before a restoration. The newest version is restored to itself, and again if some
        commit has come in between, which is in the last version before ours.
        """
        with refusals(self.folder):
            newest = seen = self.version
            while self.version != seen + 1:
                seen = self.version
                self._table.restore(newest)
                newest = self.version - 1


def latest_version(folder: Place) -> int | None:
    """The newest committed version, from the names of Lance's manifests: a cold search need not import lancedb.

    None when there is none, which is also what a future way to name them would give.
    """
    try:
        found = [_MANIFEST.fullmatch(name) for name in names(_dataset(folder) / "_versions")]
    except OSError:
        return None
    numbers = [int(name[1]) for name in found if name]
    return max((_LAST - number if number > _LAST // 2 else number for number in numbers), default=None)


def edition(folder: Place, version: int) -> str:
    """What tells a version from all others. A bucket may have been put back to an earlier one, and have grown again
    otherwise, while what was derived from it stayed where it was; a folder has that within."""
    manifest = _dataset(folder) / "_versions" / f"{_LAST - version}.manifest"
    return f"{version} of {manifest.mtime_ns()}" if isinstance(manifest, Prefix) else str(version)


def files(folder: Place) -> int:
    """How many data files and versions the table consists of: what `tidy` keeps small."""
    found = 0
    for part in ("data", "_versions"):
        with suppress(FileNotFoundError):
            found += len(names(_dataset(folder) / part))
    return found


@contextmanager
def _panics() -> Iterator[None]:
    """Turn a panic in Lance, which an index with garbled files can cause and which is no Exception, into one."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(str(error)) from error


def _dataset(folder: Place) -> Place:
    return folder / f"{TABLE_NAME}.lance"


def _remove(place: Place) -> None:
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.remove()


def connect(folder: Place) -> "DBConnection":
    """Lance's view of a gallery."""
    import lancedb  # more than a second, which a search without --where need not spend

    if isinstance(folder, Path):
        return lancedb.connect(folder)
    try:
        return lancedb.connect(str(folder), storage_options=folder.options())
    except ValueError as error:
        raise storage_trouble(folder, error) or damaged(folder, str(error)[:200]) from error
