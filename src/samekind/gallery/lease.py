"""One indexer at a time in object storage: a row that only who has seen it as it is can change, and signs of life."""

import os
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses

from samekind.errors import SamekindError
from samekind.gallery.place import Prefix
from samekind.gallery.refusing import overtaken, refusals, storage_trouble
from samekind.gallery.schema import damaged
from samekind.gallery.table import PictureTable, connect, latest_version

if TYPE_CHECKING:
    from lancedb.table import Table

LOCK_TABLE = "lock"

BEAT = 10.0  # seconds between two signs of life
LEASE = 60.0  # seconds without one after which a gallery is taken over
_LOOK = 2.0  # seconds between two looks for one
_ENDED: set[str] = set()  # owners in this process whose end the storage may not have been told of
_OVER = "over"  # in place of the process: it writes no more, but what it has begun may still arrive
_BEATS = 60  # between two times of tidying: each leaves a version


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is to write. `owner` is empty when nobody writes; `process` tells a process from all others."""

    turn: int = 0
    beat: int = 0
    owner: str = ""
    host: str = ""
    pid: int = 0
    process: str = ""

    @classmethod
    def after(cls, before: "Turn") -> "Turn":
        """The next one, which is ours."""
        return cls(before.turn + 1, 0, uuid.uuid4().hex, socket.gethostname(), os.getpid(), _process(os.getpid()))

    def ended(self) -> bool:
        """Whether it is certainly over: its process was on this machine, and is there no more."""
        if self.owner in _ENDED or self.process == _OVER:
            return True
        here = _process(os.getpid()).rpartition("/")[0]
        if not here or self.process.rpartition("/")[0] != here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return _process(self.pid) not in ("", self.process)


def _process(pid: int) -> str:
    """What no other process has: boot, name space of its number, and start; nothing where there is no /proc.

    A process that has ended and was not waited for yet has no start.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (it is no path)
        state, *facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot}/{space}/{'' if state == 'Z' else facts[18]}"


class Lease:
    """The right to write to a gallery, which ends by itself a while after the last sign of life.

    The row is in a small table of its own, whose commits are Lance's: the storage takes only one of two that are made
    upon the same version.
    """

    def __init__(self, place: Prefix) -> None:
        self._place = place
        self._row: Turn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="samekind-lease", daemon=True)
        with refusals(place):
            self._table = self._opened()

    def _opened(self) -> "Table":
        """The table with the one row, made where there is none."""
        base, wrong = connect(self._place), ""
        for _ in range(2):  # another process may be faster
            try:
                return base.open_table(LOCK_TABLE)
            except ValueError as error:
                if (refused := storage_trouble(self._place, error)) is not None:
                    raise refused from error
            try:
                return base.create_table(LOCK_TABLE, pa.Table.from_pylist([asdict(Turn())]))
            except (ValueError, RuntimeError) as error:
                wrong = str(error)
        raise storage_trouble(self._place, RuntimeError(wrong)) or damaged(self._place, wrong[:200])

    def _read(self) -> Turn:
        with refusals(self._place):
            self._table.checkout_latest()  # type: ignore[no-untyped-call]
            (row,) = self._table.to_arrow().to_pylist()
        return Turn(**row)

    def _change(self, seen: Turn, wanted: Turn) -> bool:
        """Go from one to the other; False where somebody else has changed it since. What is there decides, not what
        the storage answered: an answer may be lost."""
        with refusals(self._place), suppress(RuntimeError):
            where = f"turn = {seen.turn} AND beat = {seen.beat} AND owner = '{seen.owner}'"
            self._table.update(where=where, values=asdict(wanted))
        return self._read() == wanted

    def take(self) -> bool:
        """Begin to write; whether who wrote before may not have ended. Raises SamekindError while somebody writes."""
        seen = self._read()
        if seen.owner and not seen.ended():
            seen = self._silent(seen)
        wanted = Turn.after(seen)
        _ENDED.add(wanted.owner)  # unless we find out that it is ours
        if not self._change(seen, wanted):
            raise self._busy(self._read())
        _ENDED.remove(wanted.owner)
        self._row = wanted
        self._thread.start()
        return bool(seen.owner) or not seen.turn

    def _silent(self, seen: Turn) -> Turn:
        """What is there after `LEASE` seconds without a sign of life, or when the turn has ended.

        It is this machine's time that passes: no two clocks are compared.
        """
        if _process(os.getpid()).rpartition("/")[0] == seen.process.rpartition("/")[0] != "":
            raise self._busy(seen)  # it runs, here
        until = time.monotonic() + LEASE
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK, left))
            if (now := self._read()) != seen:
                if now.owner:
                    raise self._busy(now)
                return now
        return seen

    def check(self) -> None:
        """Raise SamekindError where another process has taken over."""
        now = self._read()
        if (now.turn, now.owner) != (self._row.turn, self._row.owner):
            raise overtaken(self._place)

    def _live(self) -> None:
        """Give signs of life until the end."""
        while not self._stop.wait(BEAT):
            with suppress(SamekindError):  # a storage that is away for a while
                later = replace(self._row, beat=self._row.beat + 1)
                if not self._change(self._row, later):
                    self.check()
                    continue
                self._row = later
                if later.beat % _BEATS == 0:
                    self._tidy()

    def end(self, *, clean: bool) -> None:
        """Let others write, behind a fence unless this is a `clean` end: nothing of ours is under way any more.

        Where that cannot be told, they find out by our silence.
        """
        self._stop.set()
        self._thread.join()
        _ENDED.add(self._row.owner)
        with suppress(SamekindError):
            self._change(self._row, Turn(self._row.turn) if clean else replace(self._row, process=_OVER))
            self._tidy()

    def _tidy(self) -> None:
        with refusals(self._place), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that readers of old versions fail
            self._table.optimize(cleanup_older_than=timedelta(seconds=2 * LEASE))

    def _busy(self, found: Turn) -> SamekindError:
        return SamekindError(
            f"The gallery {self._place} is being indexed by process {found.pid} on {found.host or 'another machine'}. "
            "Wait until that has ended, or stop it (nothing that it reported as done is lost), then run the same "
            f"command again. One that was killed counts as ended {LEASE:.0f} s after its last sign of life."
        )


@contextmanager
def leased(place: Prefix) -> "Iterator[Lease]":
    """Hold a gallery in object storage for writing; raises SamekindError naming the process that holds it.

    From whoever did not end its turn itself no commit is taken any more, though it may go on or wake up.
    """
    lease = Lease(place)
    clean, unended = False, lease.take()
    try:
        if unended and latest_version(place) is not None:
            PictureTable.open(place).fence()
        clean = True
        yield lease
    except Exception:
        raise
    except BaseException:  # an interrupt: Lance may still be at what it was told
        clean = False
        raise
    finally:
        lease.end(clean=clean)
