"""What processes that open pictures have in common: how they are started, messages through pipes, what they give up.

A message is two lengths (`HEAD`), a JSON object and raw bytes. Nothing is pickled: who takes such a process over by a
hostile picture must not reach the one that started it through what it answers.
"""

import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import AvifImagePlugin

from samekind.images.decode import decode
from samekind.images.errors import ImageError

HEAD = struct.Struct("<II")  # bytes of the JSON, and of what follows it
GRACE = 2  # seconds beyond the limit on time, which who asks keeps: the process itself only looks after itself

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")  # no secrets for who takes a process over
# One allocation arena, and no threads of numpy's: both map memory that nobody uses, which a limit would count.
_SINGLE = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def command(module: str) -> tuple[str, ...]:
    """What runs a module of this package in a process of its own, silently."""
    return (sys.executable, "-P", "-W", "ignore", "-m", module)


def environment() -> dict[str, str]:
    """What a process that opens strangers' pictures may know of its surroundings, and what any such process needs."""
    names = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    modules = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return {**names, **_SINGLE, "PYTHONPATH": modules}


def channel() -> BinaryIO:
    """Standard output for answers alone: what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def give_up() -> None:
    """Leave signals to who started this process, which ends it by the end of its input; have all formats imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each maps a stack, and there may be as many as cores
    with suppress(ImageError):
        decode(b"what is no picture has all formats tried, and so imported")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def receive(file: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the input."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    facts, size = HEAD.unpack(head)
    return json.loads(file.read(facts)), file.read(size)


def send(file: BinaryIO, facts: Mapping[str, Any], data: bytes = b"") -> None:
    """Answer; ends the process where nobody waits for it any more."""
    try:
        file.write(packed(facts, len(data)))
        file.write(data)
        file.flush()
    except BrokenPipeError:
        os._exit(0)


def packed(facts: Mapping[str, Any], size: int = 0) -> bytes:
    """The beginning of a message, up to its `size` raw bytes."""
    said = json.dumps(facts).encode()
    return HEAD.pack(len(said), size) + said
