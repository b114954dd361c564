"""Reading on a Ray cluster: its nodes open and encode the pictures, this process alone decides and writes."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from threading import current_thread, main_thread
from typing import Any

from samekind.errors import SamekindError
from samekind.images.refs import ImageRef, Skip, is_url
from samekind.reading.cluster.address import AUTO, LOCAL, check_address
from samekind.reading.cluster.crew import KEPT, Crew, first_line
from samekind.reading.cluster.local import QUIET, local_cluster
from samekind.reading.cluster.work import Work
from samekind.reading.cluster.worker import packed, received
from samekind.reading.opening import Opened, Opener, Outcome
from samekind.retriever.protocol import PictureEncoder

UNSEEN = 16  # pictures that are here but not on a node, before that is taken for a missing mount
CONNECT = 10.0  # seconds that the cluster's head may take to answer


@dataclass(frozen=True, slots=True)
class Cluster:
    """Opens and encodes pictures on a Ray cluster; `cores` of each worker that has no GPU.

    Raises UsageError for an address that cannot be used, SamekindError where Ray is not installed.
    """

    address: str = AUTO
    cores: int | None = None
    allow_urls: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not work before anything is listed."""
        check_address(self.address)
        if find_spec("ray") is None:
            raise SamekindError("A Ray cluster needs Ray, which is not installed: pip install 'samekind[ray]'.")

    def __call__(self, retriever: PictureEncoder, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        """A `Reader`. All that is known may be encoded once more: millions of ids are not sent around."""
        with connected(self.address):
            check = _Check(Opener(retriever.preprocess, self.allow_urls), known)
            work = Work(refs, time.monotonic)
            crew = Crew(packed(retriever), self.cores, self.allow_urls)
            try:
                while True:
                    yield from work.outcomes()
                    crew.staff()
                    crew.hand_out(work)
                    if work.over:
                        return
                    crew.collect(work, check)
            finally:
                crew.close()


class _Check:
    """Looks into what nodes could not see: a picture is not lost because one node has not mounted its folder."""

    def __init__(self, opener: Opener, known: Container[str]) -> None:
        self._opener = opener
        self._known = known
        self._unseen = Counter[str]()

    def __call__(self, refs: Sequence[ImageRef], outcomes: Sequence[Outcome], where: str) -> list[Outcome]:
        """The outcomes as they count. Raises SamekindError for a node that sees too little."""
        return [self._seen(ref, outcome, where) for ref, outcome in zip(refs, received(outcomes), strict=True)]

    def _seen(self, ref: ImageRef, outcome: Outcome, where: str) -> Outcome:
        if not isinstance(outcome, Skip) or outcome.reason not in ("vanished", "unreadable") or is_url(ref.uri):
            return outcome
        here = self._opener(ref, self._known)
        self._unseen[where] += isinstance(here, Opened)
        if self._unseen[where] >= UNSEEN:
            raise SamekindError(
                f"{ref.uri} is here, but not on the node {where} of the Ray cluster ({outcome.detail}), and so it is "
                f"with {UNSEEN - 1} others. Mount the pictures' folder on every node, at the same path and readable "
                f"there, or give addresses of pictures. {KEPT}"
            )
        return here


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be the driver of a cluster for a while. A connection that is there already is used, and left as it is."""
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ.setdefault(name, "0")  # Ray reports home otherwise, and announces a change of habits
    import ray

    from samekind.retriever.encode import default_workers

    if ray.is_initialized():
        yield
        return
    if address == AUTO:
        check_address(address := os.environ.get("RAY_ADDRESS") or AUTO)
    with ExitStack() as ends:
        if address == LOCAL or not _joined(ray, address):
            _joined(ray, ends.enter_context(local_cluster(default_workers())))
        ends.callback(ray.shutdown)
        ends.enter_context(_silenced(ray))
        yield


def _joined(ray: Any, address: str) -> bool:
    """Join a cluster; False where there is none to be found. Raises SamekindError when it cannot be joined."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address != AUTO:
            _reach(address)
        ray.init(address=address, **QUIET)
    except ConnectionError as error:
        if address == AUTO:
            return False
        raise _refused(address, error) from error
    except (RuntimeError, ValueError, OSError, AssertionError) as error:
        raise _refused(address, error) from error
    finally:
        if before is not None and current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray's own prints a stack and aborts
    return True


def _reach(address: str) -> None:
    """Ask for the head's port ourselves: Ray tries for long, and may end the process."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()


def _refused(address: str, error: Exception) -> SamekindError:
    return SamekindError(
        f"The Ray cluster at {address} cannot be joined: {first_line(error)}. Is it running (ray status), with the "
        "same versions of Python and Ray, and is this one of its machines?"
    )


@contextmanager
def _silenced(ray: Any) -> Iterator[None]:
    """Ray prints deaths of workers and nodes to standard output, where the command's result goes."""
    printing = ray._private.worker
    before = printing.print_to_stdstream
    printing.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        printing.print_to_stdstream = before
