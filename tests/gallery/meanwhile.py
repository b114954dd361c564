"""Waiting for what other processes do, and searches that go on meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LONG = 300.0  # seconds that a busy machine may take to start a process


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.1)


@dataclass
class Searches:
    """How many were answered, and the answers that were wrong or refused."""

    answered: int = 0
    wrong: list[object] = field(default_factory=list)

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        enough = self.answered + count
        until(lambda: self.answered > enough)


@contextmanager
def searching(search: Callable[[], object], expected: object, clients: int) -> Iterator[Searches]:
    """Threads that search again and again until the end of the block."""
    found, ended = Searches(), threading.Event()

    def stream() -> None:
        while not ended.is_set():
            try:
                answer = search()
                found.wrong.extend([] if answer == expected else [answer])
            except Exception as error:
                found.wrong.append(error)
            found.answered += 1

    threads = [threading.Thread(target=stream) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        ended.set()
        for thread in threads:
            thread.join()
