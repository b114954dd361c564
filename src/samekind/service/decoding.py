"""Pictures from strangers are opened in processes of their own, which a limit on time and memory may end.

Not by a pool of multiprocessing's or pebble's: both unpickle what comes back from a process that a hostile picture may
have taken over, and import the service's own program there. Here the event loop itself talks to the processes through
pipes, in JSON and raw bytes, and lets queries go first. The processes inherit nothing but the pipes, and end when the
service does, in whatever way. It costs less, too: 200 kB there and back take 1.2 ms (pebble 5.2: 1.7 ms, half of the
tasks on a quiet machine with two cores).
"""

import asyncio
import json
import logging
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from samekind.errors import SamekindError
from samekind.images.errors import CorruptError, ImageError
from samekind.images.pipes import HEAD, command, environment, packed
from samekind.images.preprocess import Preprocess
from samekind.service.refusals import DecodeTooHeavy, DecodeTooLong, Overloaded
from samekind.service.settings import Settings
from samekind.service.worker import BROWSER_TYPES, HEAVY

COMMAND = command("samekind.service.worker")

_START_SECONDS = 60.0  # a loaded machine imports slowly
_FACTS = 2**16  # bytes of JSON in an answer, at most
_WEBP = 2**26  # bytes of a picture in an answer, at most
_BUFFER = 2**20  # bytes that are read ahead of an answer
_REASONS = {error.reason: error for error in ImageError.__subclasses__()}
_STOPPING = "The service is stopping."

_log = logging.getLogger(__name__)


class _Died(Exception):  # noqa: N818 (never leaves this file)
    """The process has ended, or says what makes no sense."""


class _NotStarted(SamekindError):  # noqa: N818 (the same)
    """No process came up."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What a process is asked, with what is raised or given for it; `most` bytes may come back."""

    facts: Mapping[str, Any]
    data: bytes
    most: int
    reply: "asyncio.Future[tuple[dict[str, Any], bytes]]"


class Decoders:
    """`settings.decoders` processes that open pictures. Use it from the event loop that `start` ran in.

    All methods raise ImageError for what is no usable picture, DecodeTooLong, DecodeTooHeavy, and Overloaded when more
    than `settings.waiting` pictures wait. The next picture is never affected. What a query waits for goes before
    thumbnails. `command` is what a process runs, for tests.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = (*command, str(settings.decode_mebibytes), str(settings.decode_seconds))
        self._urgent: deque[_Job] = deque()
        self._patient: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._mean = 0.1  # seconds of a job, smoothed

    async def start(self) -> None:
        """Start the processes; raises SamekindError when they do not come up."""
        starting = [asyncio.ensure_future(_start(self._command)) for _ in range(self._settings.decoders)]
        found = await asyncio.gather(*starting, return_exceptions=True)
        processes = [process for process in found if not isinstance(process, BaseException)]
        for error in found:
            if isinstance(error, BaseException):
                await asyncio.gather(*map(_end, processes))
                raise error
        self._tasks = [asyncio.create_task(self._work(process)) for process in processes]

    async def close(self) -> None:
        """End the processes; what still waits is sent away with Overloaded."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while job := self._next():
            _refuse(job, Overloaded(1.0, _STOPPING))

    async def pixels(self, data: bytes, preprocess: Preprocess) -> UInt8[np.ndarray, "s s 3"]:
        """A picture's bytes made ready for a retriever's `encode_pixels`; held to the limits of `settings`."""
        size = preprocess.size
        facts = {"job": "pixels", "preprocess": preprocess.to_dict(), **self._limits}
        _, found = await self._ask(self._urgent, facts, data, size * size * 3)
        if len(found) != size * size * 3:
            raise CorruptError("The picture cannot be opened.")
        return np.frombuffer(found, np.uint8).reshape(size, size, 3)

    async def thumbnail(self, data: bytes, size: int) -> bytes:
        """A small WebP on white, upright: the longest side has `size` pixels at most, and nothing is enlarged."""
        return (await self._ask(self._patient, {"job": "thumbnail", "size": size}, data, _WEBP))[1]

    async def view(self, data: bytes) -> tuple[bytes, str]:
        """What a browser can show, and its content type: the same bytes, or in their place a WebP of 2,048 pixels.

        That is for formats that browsers do not open, and for pictures beyond the limits of `settings`.
        """
        facts, found = await self._ask(self._patient, {"job": "view", **self._limits}, data, _WEBP)
        kind = str(facts.get("type"))
        return (data, kind) if kind in BROWSER_TYPES.values() else (found, "image/webp")

    @property
    def _limits(self) -> dict[str, int]:
        return {"max_bytes": self._settings.max_bytes, "max_pixels": self._settings.max_pixels}

    async def _ask(
        self, queue: deque[_Job], facts: Mapping[str, Any], data: bytes, most: int
    ) -> tuple[dict[str, Any], bytes]:
        """Wait for an answer. A caller that is cancelled leaves no work behind, unless it has begun."""
        if not self._tasks:
            raise Overloaded(1.0, _STOPPING)
        if len(queue) >= self._settings.waiting:
            for job in [job for job in queue if job.reply.done()]:
                queue.remove(job)
        if len(queue) >= self._settings.waiting:
            raise Overloaded(min(30.0, max(1.0, self._mean * len(queue) / len(self._tasks))))
        job = _Job(facts, data, most, asyncio.get_running_loop().create_future())
        queue.append(job)
        self._wake.set()
        return await job.reply

    def _next(self) -> _Job | None:
        """The first job that somebody still waits for."""
        for queue in (self._urgent, self._patient):
            while queue:
                job = queue.popleft()
                if not job.reply.done():
                    return job
        return None

    async def _work(self, process: Process | None) -> None:
        """One process after the other, of which there is one at any time, and its jobs."""
        try:
            while True:
                process = await self._do(await self._taken(), process)
        finally:
            if process:
                await _end(process)

    async def _taken(self) -> _Job:
        """The next job, as soon as there is one."""
        while not (job := self._next()):
            self._wake.clear()
            await self._wake.wait()
        return job

    async def _do(self, job: _Job, process: Process | None) -> Process | None:
        """Answer one job; returns the process for the next one, None where there is none."""
        try:
            process = await self._living(process)
            _settle(job, *await self._timed(process, job))
            return process
        except TimeoutError:
            _refuse(job, DecodeTooLong(self._settings.decode_seconds))
        except _Died:
            _refuse(job, DecodeTooHeavy())
        except _NotStarted as error:
            _log.error("%s", error)
            _refuse(job, Overloaded(5.0))
            return None
        except asyncio.CancelledError:
            _refuse(job, Overloaded(1.0, _STOPPING))
            if process:
                await _end(process)
            raise
        except Exception as error:  # a bug, which must not leave anybody waiting
            _refuse(job, error)
        return await self._renewed(process)

    async def _living(self, process: Process | None) -> Process:
        """The process, or another where somebody has killed it: no picture is to blame for that."""
        if process and process.returncode is None:
            return process
        if process:
            await _end(process)
        return await _start(self._command)

    async def _timed(self, process: Process, job: _Job) -> tuple[dict[str, Any], bytes]:
        """A job's answer; raises _Died, and TimeoutError at the limit."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.decode_seconds):
                return await _exchange(process, job.facts, job.data, job.most)
        finally:
            self._mean += (time.monotonic() - began - self._mean) / 8

    async def _renewed(self, process: Process | None) -> Process | None:
        """A new process in place of one that may not go on, before the next job asks for it."""
        if process:
            await _end(process)
        with suppress(_NotStarted):  # the next job tries again, and says so
            return await _start(self._command)
        return None


def _settle(job: _Job, facts: dict[str, Any], data: bytes) -> None:
    """Hand an answer to whoever still waits for it."""
    reason, message = str(facts.get("error", "")), str(facts.get("message"))
    if not reason and not job.reply.done():
        job.reply.set_result((facts, data))
    elif reason == HEAVY:
        _refuse(job, DecodeTooHeavy())
    elif reason in _REASONS:
        _refuse(job, _REASONS[reason](message))
    elif reason:
        _log.warning("A picture could not be opened, which is a bug: %r", message)
        _refuse(job, CorruptError("The picture cannot be opened."))


def _refuse(job: _Job, error: Exception) -> None:
    if not job.reply.done():
        job.reply.set_exception(error)


async def _start(command: Sequence[str]) -> Process:
    """A process that is ready for jobs; raises _NotStarted."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            env=environment(),
            start_new_session=True,  # Ctrl-C on a terminal is for the service, which ends its processes itself
            limit=_BUFFER,
        )
    except OSError as error:
        raise _NotStarted(f"A process that opens pictures cannot be started: {error.strerror}.") from error
    try:
        async with asyncio.timeout(_START_SECONDS):
            await _received(process, 0)
    except (TimeoutError, _Died) as error:
        await _end(process)
        raise _NotStarted(f"A process that opens pictures ended as it began (status {process.returncode}).") from error
    except BaseException:
        await _end(process)
        raise
    return process


async def _end(process: Process) -> None:
    """Kill a process, and let go of its pipes, whatever is in them."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # a pipe that is not read to its end stays open


async def _exchange(process: Process, facts: Mapping[str, Any], data: bytes, most: int) -> tuple[dict[str, Any], bytes]:
    """One request and its answer; raises _Died."""
    if process.stdin is None:
        raise AssertionError("unreachable")
    try:
        process.stdin.write(packed(facts, len(data)))
        process.stdin.write(data)
        await process.stdin.drain()
    except ConnectionError as error:
        raise _Died from error
    return await _received(process, most)


async def _received(process: Process, most: int) -> tuple[dict[str, Any], bytes]:
    """The next answer, with at most `most` bytes; raises _Died for the end and for nonsense."""
    if process.stdout is None:
        raise AssertionError("unreachable")
    try:
        length, size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
        if length > _FACTS or size > most:
            raise _Died
        facts = json.loads(await process.stdout.readexactly(length))
        if not isinstance(facts, dict):
            raise _Died
        return facts, await process.stdout.readexactly(size)
    except (EOFError, ConnectionError, ValueError) as error:  # what does not parse is a ValueError
        raise _Died from error
