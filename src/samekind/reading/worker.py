"""A process that opens pictures for another one: an address on standard input, pixels into shared memory."""

import json
import mmap
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from samekind.images.pipes import GRACE, channel, give_up, receive, send
from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.reading.opening import Opener, Outcome


class _Asked:
    """The contents that the gallery has, of which only the process that writes it knows."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers

    def __contains__(self, name: object) -> bool:
        send(self._answers, {"known": name})
        answer = receive(self._requests)
        if answer is None:
            raise SystemExit
        return bool(answer[0]["known"])


def main(making: Callable[[Preprocess, bool], Callable[..., Outcome]] = Opener) -> None:
    """Answer until standard input ends. The argument is JSON: see `processes.Process`."""
    settings = json.loads(sys.argv[1])
    requests, answers = sys.stdin.buffer, channel()
    give_up()
    with suppress(OSError):  # where memory ends, this process goes first, not the one that writes the gallery
        Path("/proc/self/oom_score_adj").write_text("1000")
    memory = mmap.mmap(settings["memory"], 0)
    os.close(settings["memory"])
    opener = making(Preprocess.from_dict(settings["preprocess"]), settings["allow_urls"])
    known = _Asked(requests, answers)
    send(answers, {"ready": True})
    while (request := receive(requests)) is not None:
        # Only for the case that nobody waits any more and a decoder hangs: the clock of who asks is stricter.
        signal.alarm(int(settings["seconds"]) + GRACE)
        send(answers, _answer(opener(ImageRef(request[0]["uri"]), known), memory))
        signal.alarm(0)


def _answer(outcome: Outcome, memory: mmap.mmap) -> dict[str, Any]:
    """The outcome without its pixels, which go to the memory."""
    if isinstance(outcome, Skip):
        return {"reason": outcome.reason, "detail": outcome.detail}
    if outcome.pixels is not None:
        memory[:] = outcome.pixels.data.cast("B")
    return {name: getattr(outcome, name) for name in ("digest", "size", "width", "height")}


if __name__ == "__main__":
    main()
