"""A worker whose jobs do what a test orders, as a hostile picture might make a real one do, and else are real."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samekind.service.worker import JOBS, Reply, main

_HELD: list[bytes] = []


def facts() -> Reply:
    """What the process has imported, has open and knows of its surroundings."""
    files = len(list(Path("/proc/self/fd").iterdir())) - 1
    found = {"modules": sorted(sys.modules), "files": files, "environment": sorted(os.environ)}
    return {}, json.dumps({**found, "pid": os.getpid(), "nice": os.nice(0)}).encode()


def eat() -> Reply:
    """More memory than anybody has, in small bites."""
    while True:
        _HELD.append(os.urandom(2**20))


def die() -> Reply:
    """As a buffer overflow ends."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}, b""


def sleep(seconds: str = "60") -> Reply:
    """A decoder that does not come back."""
    time.sleep(float(seconds))
    return {}, seconds.encode()


def bug() -> Reply:
    """An exception that nobody thought of."""
    raise RuntimeError("/home/someone/secret")


def flood() -> Reply:
    """An answer that the service should not have to hold."""
    return {}, bytes(2**26 + 1)


def noise() -> Reply:
    """A library that prints."""
    os.write(1, b"libnoise: warning\n")
    print("more of it")  # noqa: T201
    return {}, b"quiet"


ORDERS: dict[str, Callable[..., Reply]] = {each.__name__: each for each in (facts, eat, die, sleep, bug, flood, noise)}


def obeying(job: Callable[..., Reply]) -> Callable[..., Reply]:
    """The job, unless the data is an order: `!NAME ARGUMENT...`."""

    def run(data: bytes, **options: Any) -> Reply:
        if not data.startswith(b"!"):
            return job(data, **options)
        name, *arguments = data[1:].decode().split()
        return ORDERS[name](*arguments)

    return run


if __name__ == "__main__":
    main({name: obeying(job) for name, job in JOBS.items()})
