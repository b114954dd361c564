"""The vectors of one version of the table, memory-mapped from a derived file that may be deleted at any time."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.ipc as ipc
import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses
from jaxtyping import Bool, Float32, Int, UInt64

from samekind.errors import SamekindError
from samekind.gallery.derived import busy, derived_folder, make_room, write_at
from samekind.gallery.parts import WHOLE, Part
from samekind.gallery.place import Place, write_atomically
from samekind.gallery.schema import Meta, damaged, table_schema
from samekind.gallery.spaces import Space
from samekind.gallery.table import ADDRESS, PictureTable, edition, latest_version

_FORMAT = "2"
_ROWS = "rows-*.arrow"
_COLUMNS = ("seq", "id", "uri", "domain", "size", "width", "height", "copies")
_ATTEMPTS = 5


@dataclass(frozen=True)
class Snapshot:
    """One version of a gallery, rows in the gallery's order (insertion, `seq`): its places and its vectors."""

    version: int
    rows: pa.RecordBatch
    vectors: Float32[np.ndarray, "n w"]
    space: Space

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @cached_property
    def seq(self) -> Int[np.ndarray, " n"]:
        """When each row was inserted; ascending."""
        return np.asarray(self.rows.column("seq").to_numpy())

    def at_addresses(self, addresses: UInt64[np.ndarray, " c"]) -> Int[np.ndarray, " r"]:
        """The rows that the table has at these addresses, ascending, each once; those that are none are left out."""
        known, order = self._addresses
        places = np.searchsorted(known, addresses)
        places[places == len(known)] = 0
        return np.asarray(np.unique(order[places[known[places] == addresses]]))

    @cached_property
    def _addresses(self) -> tuple[UInt64[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Ascending, and whose they are: rows that were changed have moved to the table's end."""
        addresses = np.asarray(self.rows.column(ADDRESS).to_numpy())
        order = np.argsort(addresses, kind="stable")
        return addresses[order], order

    @cached_property
    def longest(self) -> float:
        """A bound on the norms of the rows of `vectors`."""
        return self.space.longest(self.vectors)

    @cached_property
    def domains(self) -> list[str]:
        """The domains that some place has, sorted."""
        found = {*self._primary[1], *self._copied[1]}
        return sorted(name for name in found if name is not None)

    def row_of(self, name: str) -> int | None:
        """The row with this id, None where there is none."""
        row = int(self.rows.column("id").index(name).as_py())
        return None if row < 0 else row

    def places(self, row: int) -> list[tuple[str, str | None]]:
        """Where a row's picture was found: uris, sorted, with their domains."""
        uri, domain, copies = (self.rows.column(name)[row].as_py() for name in ("uri", "domain", "copies"))
        return [(uri, domain), *((copy["uri"], copy["domain"]) for copy in copies)]

    def measures(self, row: int) -> tuple[int, int, int]:
        """Of a row's picture: upright width and height in pixels, and the bytes of its file."""
        width, height, size = (self.rows.column(name)[row].as_py() for name in ("width", "height", "size"))
        return width, height, size

    def vectors_of(self, rows: Sequence[int]) -> Float32[np.ndarray, "r d"]:
        """The retriever's vectors of these rows."""
        return self.space.vectors(np.asarray(self.vectors[list(rows)]))

    @cached_property
    def domain_counts(self) -> dict[str | None, int]:
        """Rows with a place in each domain, sorted by name; at None, where there are some, rows with one in none."""
        counts: dict[str | None, int] = {name: int(self.in_domains([name]).sum()) for name in self.domains}
        nowhere = int(self.in_domains([None]).sum())
        return counts | ({None: nowhere} if nowhere else {})

    def in_domains(self, wanted: Sequence[str | None]) -> Bool[np.ndarray, " n"]:
        """Which rows have a place in one of these domains; None is that of places without."""
        codes, names = self._primary
        mask = _is_in(codes, names, wanted)
        codes, names = self._copied
        mask[self._copied_rows[_is_in(codes, names, wanted)]] = True
        return mask

    @cached_property
    def _primary(self) -> tuple[Int[np.ndarray, " n"], list[str | None]]:
        return _coded(self.rows.column("domain"))

    @cached_property
    def _copied(self) -> tuple[Int[np.ndarray, " m"], list[str | None]]:
        return _coded(self.rows.column("copies").flatten().field("domain"))

    @cached_property
    def _copied_rows(self) -> Int[np.ndarray, " m"]:
        return np.repeat(np.arange(len(self)), np.diff(self.rows.column("copies").offsets.to_numpy()))


def _coded(names: pa.Array) -> tuple[Int[np.ndarray, " n"], list[str | None]]:
    coded = names.dictionary_encode(null_encoding="encode")
    return np.asarray(coded.indices.to_numpy()), coded.dictionary.to_pylist()


def _is_in(
    codes: Int[np.ndarray, " n"], names: Sequence[str | None], wanted: Sequence[str | None]
) -> Bool[np.ndarray, " n"]:
    return np.isin(codes, [code for code, name in enumerate(names) if name in wanted])


def load_snapshot(folder: Place, meta: Meta, part: Part = WHOLE, wanted: int | None = None) -> Snapshot:
    """The newest version. Where its derived file is missing or old, it is made (in memory where it cannot be kept).

    An indexer beside us may tidy a version away while we read it: then we start again with the newest. Of a part there
    are its rows alone. A version that is `wanted` goes before the newest, unless files were derived from a later one.
    """
    sidecar = _Sidecar(folder, meta, part)
    if wanted is not None:
        if snapshot := sidecar.load(wanted):
            return snapshot
        if wanted > sidecar.newest:
            with suppress(SamekindError):
                return _build(PictureTable.open(folder).at(wanted), sidecar)
    for attempt in range(_ATTEMPTS):
        version = latest_version(folder)
        if version is not None and (snapshot := sidecar.load(version)):
            return snapshot
        try:
            return _build(PictureTable.open(folder), sidecar)
        except SamekindError:
            if attempt == _ATTEMPTS - 1 or latest_version(folder) == version:
                raise
    raise AssertionError("unreachable")


def _build(table: PictureTable, sidecar: "_Sidecar") -> Snapshot:
    version, meta, where = table.version, sidecar.meta, sidecar.part.where
    schema = pa.schema([*(table_schema(meta.width).field(name) for name in _COLUMNS), (ADDRESS, pa.uint64())])
    rows = pa.Table.from_batches(list(table.scan(_COLUMNS, where, addresses=True)), schema).combine_chunks()
    rows = rows.take(np.argsort(rows.column("seq").to_numpy())).combine_chunks()
    batch = rows.to_batches()[0] if rows.num_rows else pa.RecordBatch.from_pylist([], rows.schema)
    if (np.diff(batch.column("seq").to_numpy()) == 0).any():
        raise damaged(table.folder, "two of its rows have the same number, as after two processes wrote at once")
    try:
        kept = sidecar.store(table, version, batch)
    except OSError:  # a read-only medium, another user's gallery, a full disk
        kept = None
    if kept:
        return kept
    vectors = np.empty((batch.num_rows, meta.width), np.float32)
    for at, block in _blocks(table, np.asarray(batch.column("seq").to_numpy()), 0, where):
        vectors[at : at + len(block)] = block
    return Snapshot(version, batch, vectors, meta.compared)


def _blocks(
    table: PictureTable, seq: Int[np.ndarray, " n"], start: int, where: str | None
) -> Iterator[tuple[int, Float32[np.ndarray, "b w"]]]:
    """The vectors of the rows from `start` on, as runs of neighbours with the position of the first."""
    if start == len(seq):
        return
    wanted = " AND ".join(part for part in (f"seq >= {seq[start]}" if start else None, where) if part)
    for batch in table.scan(("seq", "vector"), wanted or None):
        at = np.searchsorted(seq, batch.column("seq").to_numpy())
        block = batch.column("vector").flatten().to_numpy().reshape(len(at), -1)
        cuts = [0, *(np.flatnonzero(np.diff(at) != 1) + 1), len(at)]
        for begin, end in pairwise(cuts):
            yield int(at[begin]), block[begin:end]


class _Sidecar:
    """`rows-VERSION.arrow` (the places, and whose vectors) beside `vectors-TOKEN.f32` (float32, row after row).

    A vectors file only ever grows, so that it serves a later version that has the same rows and then some; what lies
    beyond a version's rows is not that version's. The rows file is written last, and names everything it relies on.
    """

    def __init__(self, place: Place, meta: Meta, part: Part) -> None:
        self.place = place
        self.folder = derived_folder(place, meta.uuid) / ("" if part == WHOLE else part.name)
        self.meta = meta
        self.part = part

    @property
    def newest(self) -> int:
        """The latest version that is kept, 0 for none."""
        return max((_version(file) for file in self.folder.glob(_ROWS)), default=0)

    def load(self, version: int) -> Snapshot | None:
        """The snapshot of a version, mapped; None where it is not kept, or not whole."""
        return self._mapped(version, edition(self.place, version)) if self._rows_file(version).exists() else None

    def _mapped(self, version: int, told: str | None = None) -> Snapshot | None:
        try:
            rows, facts = self._read(self._rows_file(version))
            shape = (int(rows.num_rows), self.meta.width)
            if told not in (None, facts["version"]) or facts["uuid"] != self.meta.uuid or facts["format"] != _FORMAT:
                return None
            if not shape[0]:
                return Snapshot(version, rows, np.empty(shape, np.float32), self.meta.compared)
            mapped = np.memmap(self.folder / facts["vectors"], np.float32, "r", shape=shape)
            return Snapshot(version, rows, mapped, self.meta.compared)
        except (OSError, ValueError, KeyError, pa.ArrowException):
            return None

    def store(self, table: PictureTable, version: int, rows: pa.RecordBatch) -> Snapshot | None:
        """Write the files of a version and map them; None when another process is doing that just now.

        A part's replicas wait for each other: what they would read into memory instead may be large.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with busy(self.folder, wait=self.part != WHOLE) as alone:
            if not alone:
                return None
            if made := self.load(version):  # by whom we have waited for
                return made
            name, start = self._continued(rows) or (f"vectors-{uuid.uuid4().hex[:16]}.f32", 0)
            try:
                self._write_vectors(table, np.asarray(rows.column("seq").to_numpy()), name, start)
            except BaseException:
                if not start:
                    (self.folder / name).unlink(missing_ok=True)
                raise
            facts = {
                "format": _FORMAT,
                "version": edition(self.place, version),
                "uuid": self.meta.uuid,
                "vectors": name,
            }
            sink = pa.BufferOutputStream()
            with ipc.new_file(sink, rows.schema.with_metadata(facts)) as writer:  # type: ignore[no-untyped-call]
                writer.write_batch(rows)
            write_atomically(self._rows_file(version), sink.getvalue().to_pybytes())
            for old in self.folder.glob("*-*.*"):
                if old.name not in (name, self._rows_file(version).name):
                    old.unlink(missing_ok=True)  # whoever has it mapped keeps it
            make_room(self.folder)
        return self.load(version)

    def _write_vectors(self, table: PictureTable, seq: Int[np.ndarray, " n"], name: str, start: int) -> None:
        width = self.meta.width * 4
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            for at, block in _blocks(table, seq, start, self.part.where):
                write_at(descriptor, np.ascontiguousarray(block), at * width)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _continued(self, rows: pa.RecordBatch) -> tuple[str, int] | None:
        """The newest vectors file, and its rows, when they are the first of ours: equal content has equal vectors."""
        for file in sorted(self.folder.glob(_ROWS), reverse=True)[:1]:
            before = self._mapped(_version(file))
            if before and len(before) and before.rows.column("id").equals(rows.column("id").slice(0, len(before))):
                return self._read(file)[1]["vectors"], len(before)
        return None

    def _rows_file(self, version: int) -> Path:
        return self.folder / f"rows-{version:020}.arrow"

    def _read(self, file: Path) -> tuple[pa.RecordBatch, dict[str, str]]:
        with ipc.open_file(pa.memory_map(str(file))) as reader:  # type: ignore[no-untyped-call]
            facts = {key.decode(): value.decode() for key, value in (reader.schema.metadata or {}).items()}
            return reader.get_batch(0), facts


def _version(file: Path) -> int:
    return int(file.stem.removeprefix("rows-"))
