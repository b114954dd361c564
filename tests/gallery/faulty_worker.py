"""A worker that does what a file orders, as a picture might make a real one do, and else opens pictures."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Container
from pathlib import Path

from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.reading.opening import Opener, Outcome
from samekind.reading.worker import main


def facts() -> str:
    """What the process has imported and heeds."""
    ignored = [name for name in ("SIGINT", "SIGTERM") if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN]
    found = {"modules": sorted(sys.modules), "ignored": ignored, "group": os.getpgrp(), "session": os.getsid(0)}
    return json.dumps({**found, "pid": os.getpid()})


def die() -> str:
    """As a buffer overflow ends."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return "still there"


def once(mark: str) -> str:
    """Killed by somebody, the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "opened again"


def hang(mark: str) -> str:
    """A decoder that does not come back, and has begun when there is the mark."""
    Path(mark).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def wait(mark: str) -> str:
    """Ready when another picture is."""
    while not Path(mark).exists():
        time.sleep(0.01)
    return "waited"


def make(mark: str) -> str:
    """The other picture."""
    Path(mark).touch()
    return "made"


def noise() -> str:
    """A library that prints."""
    os.write(1, b"libnoise: warning\n")
    return "quiet"


ORDERS: dict[str, Callable[..., str]] = {each.__name__: each for each in (facts, die, once, hang, wait, make, noise)}


def obeying(preprocess: Preprocess, allow_urls: bool) -> Callable[..., Outcome]:
    """An `Opener`, unless the file holds an order: `!NAME ARGUMENT...`; what comes of it is the skip's detail."""
    opener = Opener(preprocess, allow_urls)

    def run(ref: ImageRef, known: Container[str]) -> Outcome:
        file = Path(ref.uri)
        data = file.read_bytes() if file.is_file() else b""
        if not data.startswith(b"!"):
            return opener(ref, known)
        name, *arguments = data[1:].decode().split()
        return Skip(ref.uri, "ordered", ORDERS[name](*arguments))

    return run


if __name__ == "__main__":
    main(obeying)
