"""The file that many answers go to: it grows by whole blocks, says what was asked, and is there once it is whole."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import samekind
from samekind.errors import SamekindError
from samekind.gallery.place import write_atomically
from samekind.gallery.searching import Searchable
from samekind.images.refs import is_url

_SCHEMA = 1
_NAMES = {
    "queries": "the pictures to search for",
    "gallery": "the gallery",
    "version": "the gallery's version, which grows with what is indexed,",
    "retriever": "the retriever",
    "k": "-k",
    "domains": "--domain",
    "where": "--where",
    "exact": "--exact",
    "allow_urls": "--allow-urls",
}


@dataclass(frozen=True)
class Note:
    """All that answers depend on; `gallery` and `retriever` by uuid and sha256."""

    queries: str
    gallery: str
    version: int
    retriever: str
    k: int
    domains: list[str] | None
    where: str | None
    exact: bool
    allow_urls: bool

    @classmethod
    def of(
        cls,
        gallery: Searchable,
        source: str | Path,
        k: int,
        domains: Sequence[str] | None,
        where: str | None,
        *,
        exact: bool,
        allow_urls: bool,
    ) -> "Note":
        """What is about to be asked."""
        queries = str(source) if is_url(str(source)) else os.path.abspath(source)  # noqa: PTH100 (links stay)
        whose, kept = (gallery.meta.uuid, gallery.version, gallery.meta.sha256), sorted(set(domains or ())) or None
        return cls(queries, *whose, k, kept, where, exact, allow_urls)

    def difference(self, told: Any) -> str:
        """Where what was asked before is something else, in words; nothing where it is the same."""
        before = told.get("asked") if isinstance(told, dict) else None
        if not isinstance(before, dict):
            return "nothing tells what was asked"
        now = asdict(self)
        other = next((name for name in _NAMES if before.get(name) != now[name]), None)
        return f"{_NAMES[other]} was {before.get(other)}, and is {now[other]} now" if other else ""


class AnswerFile:
    """Lines that answer queries one after the other.

    They are collected in FILE.part, which becomes FILE when all are there; FILE.about.json says what was asked, so that
    answers to different questions never get mixed. One process writes at a time. After a kill, power cuts included, no
    line is lost whose block `append` has written.
    """

    def __init__(self, file: Path, descriptor: int, note: Note) -> None:
        """Use `opened`."""
        self._file = file
        self._descriptor = descriptor
        self._whole = file.exists()
        self._path = file if self._whole else part_of(file)
        self._about = file.with_name(f"{file.name}.about.json")
        self._note, self._noted = note, False
        self._check()

    @classmethod
    @contextmanager
    def opened(cls, file: Path, note: Note) -> Iterator["AnswerFile"]:
        """Hold the file for writing; raises SamekindError where it may not be written, or has other answers."""
        file = Path(os.path.abspath(file.expanduser()))  # noqa: PTH100 (resolve() would follow links)
        part = part_of(file)
        with _refusals(part):
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            with _refusals(part):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise SamekindError(f"Another process is writing {part}. Wait until that has ended.") from error
            try:
                yield cls(file, descriptor, note)
            finally:
                with suppress(OSError):
                    if part.stat().st_size == 0:
                        part.unlink()
        finally:
            os.close(descriptor)

    def _check(self) -> None:
        """Refuse answers to another question."""
        with _refusals(self._path):
            if not self._whole and not self._path.stat().st_size:
                return
            try:
                told = json.loads(self._about.read_bytes())
            except (FileNotFoundError, ValueError):
                told = None
        if difference := self._note.difference(told):
            raise SamekindError(
                f"{self._path} has answers to another search: {difference}. Give another --out, or delete "
                f"{self._path.name} to begin anew."
            )
        self._noted = True

    def known(self, uris: Iterator[str]) -> tuple[int, int]:
        """How many of the first queries have a line, and how many of these lines tell an error.

        What is torn is cut off, and so is what goes beyond whole batches, unless there is a line for all: the rest is
        encoded in the batches of an undisturbed run, with the same vectors to the last bit. Raises SamekindError where
        lines are about other queries than these.
        """
        from samekind.retriever.encode import BATCH

        count = lost = end = 0
        sure = (0, 0, 0)
        with _refusals(self._path), self._path.open("rb") as file:
            for line in file:
                told = _told(line)
                if told is None:
                    break
                if told["query"] != next(uris, None):
                    raise self._changed(count + 1)
                count, lost, end = count + 1, lost + ("error" in told), end + len(line)
                sure = sure if count % BATCH else (count, lost, end)
            if next(uris, None) is None:
                sure = (count, lost, end)
            elif self._whole:
                raise self._changed(count + 1)
            if not self._whole:
                os.ftruncate(self._descriptor, sure[2])
        return sure[:2]

    def _changed(self, number: int) -> SamekindError:
        return SamekindError(
            f"The pictures to search for have changed since {self._path} was begun, from line {number} on. Give "
            f"another --out, or delete {self._path.name} to begin anew."
        )

    def append(self, data: bytes) -> None:
        """Add lines; they are safe when this returns."""
        with _refusals(self._path):
            if not self._noted:
                facts = {"schema": _SCHEMA, "samekind": samekind.__version__, "asked": asdict(self._note)}
                write_atomically(self._about, json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n")
                self._noted = True
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)

    def finish(self) -> None:
        """All lines are there."""
        if not self._whole:
            with _refusals(self._file):
                self._path.rename(self._file)


def part_of(file: Path) -> Path:
    """Where a file's lines are as long as it is not whole."""
    return file.with_name(f"{file.name}.part")


def _told(line: bytes) -> dict[str, Any] | None:
    """What a line says; None for one that is torn."""
    try:
        told = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return told if isinstance(told, dict) and "query" in told else None


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SamekindError(
            f"{path} cannot be written: {error.strerror or error}. What is in it is kept: the same command goes on."
        ) from error
