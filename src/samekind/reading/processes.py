"""Opens pictures in processes of their own: one that crashes or hangs its decoder costs that picture, not the run.

Each process is started afresh (a fork would take torch's threads and locks along), imports no torch, reads, hashes,
decodes and prepares one picture after the other, and leaves the pixels in memory that it shares with the process that
writes the gallery. That memory has no name and lies in no folder: nothing is left behind however either of them ends.
"""

import json
import mmap
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8

from samekind.errors import SamekindError
from samekind.images.errors import printable
from samekind.images.pipes import HEAD, command, environment, packed
from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.reading.opening import LOOK_AHEAD, Opened, Outcome
from samekind.retriever.protocol import PictureEncoder

COMMAND = command("samekind.reading.worker")
SECONDS = 120.0  # that a picture may take, fetching it included: 200 megapixels take some ten
ATTEMPTS = 2  # at a picture that ends its process, as another may have ended it

_START_SECONDS = 60.0  # a loaded machine imports slowly
_STARTS = 3  # before it is not bad luck that a process does not start
_END_SECONDS = 5.0  # from the end of its output to that of the process
_ANSWER = 2**20  # bytes of an answer, at most


@dataclass(frozen=True, slots=True)
class Processes:
    """Opens pictures in processes; None: as many as cores. `seconds`: what one picture may take."""

    workers: int | None = None
    allow_urls: bool = False
    seconds: float = SECONDS
    command: Sequence[str] = COMMAND  # what a process runs, for tests

    def __call__(self, retriever: PictureEncoder, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        """A `Reader`; raises SamekindError when processes cannot be started."""
        workers = self.workers or _cores()
        pending: deque[Future[Outcome]] = deque()
        with ExitStack() as ends:
            pool = ends.enter_context(closing(_Pool(self._start(retriever.preprocess))))
            # One thread for each process, which only waits for it.
            threads = ends.enter_context(ThreadPoolExecutor(workers, "samekind-open"))
            ends.callback(pool.stop)  # first of all, or a thread might wait for a process that hangs
            for ref in refs:
                pending.append(threads.submit(pool.open, ref, known))
                if len(pending) > LOOK_AHEAD + workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _start(self, preprocess: Preprocess) -> "Callable[[], _Process]":
        return lambda: _Process(self.command, preprocess, self.allow_urls, self.seconds)


def _cores() -> int:
    from samekind.retriever.encode import default_workers  # brings torch along

    return default_workers()


class _DiedError(Exception):
    """The process has ended, was ended for taking too long, or says what makes no sense."""


class _StoppedError(Exception):
    """No more pictures are wanted."""


class _Pool:
    """Processes for threads: each picture takes one that is idle, or starts one."""

    def __init__(self, start: "Callable[[], _Process]") -> None:
        self._start = start
        self._idle: deque[_Process] = deque()
        self._living: set[_Process] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Kill all processes: who waits for one is told at once, and who wants one is refused."""
        with self._lock:
            self._stopped = True
            for process in self._living:
                process.kill()

    def close(self) -> None:
        """Leave nothing of the processes; no thread uses them any more."""
        while self._living:
            self._living.pop().close()

    def open(self, ref: ImageRef, known: Container[str]) -> Outcome:
        """The outcome of a picture; of one that ends its process again and again, that it does."""
        reason = ""
        for _ in range(ATTEMPTS):
            process = self._taken()
            try:
                outcome = process.open(ref, known)
            except _DiedError as died:
                reason = str(died)
                self._lose(process)
                continue
            self._idle.append(process)
            return outcome
        detail = f"{printable(ref.uri)}: opening it ended the worker {ATTEMPTS} times ({reason})"
        return Skip(ref.uri, "crashed", detail)

    def _taken(self) -> "_Process":
        """A process that lives and is ready; raises SamekindError when none can be started."""
        reason = ""
        for _ in range(_STARTS):
            process = self._idle_one() or self._new()
            try:
                process.ready()
                return process
            except _DiedError as died:
                reason = str(died)
                self._lose(process)
        raise SamekindError(
            f"A process that opens pictures ended {_STARTS} times as it began ({reason}). Is there enough memory? "
            "Try again, with fewer of them, or without --processes."
        )

    def _idle_one(self) -> "_Process | None":
        """The last that became idle; no picture is to blame for those that somebody has killed meanwhile."""
        while True:
            try:
                process = self._idle.pop()
            except IndexError:
                return None
            if process.lives():
                return process
            self._lose(process)

    def _new(self) -> "_Process":
        with self._lock:
            if self._stopped:
                raise _StoppedError
            process = self._start()
            self._living.add(process)
        return process

    def _lose(self, process: "_Process") -> None:
        with self._lock:
            self._living.discard(process)
        process.close()


class _Process:
    """One process and the memory that it shares. For one thread at a time, but for `kill`."""

    def __init__(self, command: Sequence[str], preprocess: Preprocess, allow_urls: bool, seconds: float) -> None:
        """Start it; raises SamekindError when that is refused."""
        self._side = preprocess.size
        self._seconds = seconds
        self._ready = False
        settings = {"preprocess": preprocess.to_dict(), "allow_urls": allow_urls, "seconds": seconds}
        try:
            with _nameless(self._side * self._side * 3) as memory:
                self._memory = mmap.mmap(memory.fileno(), 0)
                self._process = subprocess.Popen(
                    [*command, json.dumps({**settings, "memory": memory.fileno()})],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=[memory.fileno()],
                    env={**os.environ, **environment()},  # with credentials: the pictures are whose gallery it is
                    # Ctrl-C on a terminal is for who started it. A session of its own would keep it away, too, but is
                    # scheduled as a task of its own: `nice samekind index` would be nice no more.
                    process_group=0,
                )
        except OSError as error:
            raise SamekindError(
                f"A process that opens pictures cannot be started: {error.strerror}. Try again, with fewer of them, or "
                "without --processes."
            ) from error
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)

    def ready(self) -> None:
        """Wait until it has started; raises _DiedError."""
        if not self._ready:
            self._ready = "ready" in self._heard(_START_SECONDS, time.monotonic())

    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def close(self) -> None:
        """End it, and let go of what it had."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._memory.close()

    def open(self, ref: ImageRef, known: Container[str]) -> Outcome:
        """The outcome of a picture; raises _DiedError."""
        began = time.monotonic()
        self._say({"uri": ref.uri})
        while "known" in (facts := self._heard(self._seconds, began)):
            self._say({"known": str(facts["known"]) in known})
        try:
            if "reason" in facts:
                return Skip(ref.uri, str(facts["reason"]), str(facts["detail"]))
            size, width, height = (int(facts[name]) for name in ("size", "width", "height"))
            return Opened(ref, str(facts["digest"]), size, width, height, self._pixels() if width else None)
        except (KeyError, TypeError, ValueError) as error:
            raise _DiedError("it answered nonsense") from error

    def _pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """A copy of what the memory holds, as the next picture comes there."""
        return np.frombuffer(self._memory[:], np.uint8).reshape(self._side, self._side, 3)

    def _say(self, facts: Mapping[str, Any]) -> None:
        try:
            os.write(self._input, packed(facts))
        except BrokenPipeError as error:
            raise _DiedError(self._end()) from error

    def _heard(self, seconds: float, began: float) -> dict[str, Any]:
        """The next message, until `seconds` after `began`; raises _DiedError for nonsense, too."""
        data, missing = b"", HEAD.size
        while missing > 0:
            left = began + seconds - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise _DiedError(f"it took more than {seconds:g} s")
            part = os.read(self._output, _ANSWER)
            if not part:
                raise _DiedError(self._end())
            data += part
            if len(data) >= HEAD.size:
                length, more = HEAD.unpack_from(data)
                missing = HEAD.size + length + more - len(data)
            if missing > _ANSWER:
                break
        try:
            facts = json.loads(data[HEAD.size :])
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            raise _DiedError("it answered nonsense")
        return facts

    def _end(self) -> str:
        """How the process has ended, of itself if it did."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()
        status = self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    @property
    def _input(self) -> int:
        return self._process.stdin.fileno()  # type: ignore[union-attr]

    @property
    def _output(self) -> int:
        return self._process.stdout.fileno()  # type: ignore[union-attr]


@contextmanager
def _nameless(size: int) -> Iterator[BinaryIO]:
    """A file of this size in memory, or, where the system has no such files, one on disk that has no name any more."""
    try:
        file: BinaryIO = os.fdopen(os.memfd_create("samekind-pixels"), "r+b")
    except (AttributeError, OSError):
        file = tempfile.TemporaryFile(prefix="samekind-")  # noqa: SIM115
    with file:
        file.truncate(size)
        yield file
