"""The ledger of a cluster's work: chunks of pictures that are to do, in hand or done, and their outcomes in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from samekind.images.refs import ImageRef, Skip
from samekind.reading.opening import Outcome

CHUNK = 64  # pictures that a worker is given at a time
WINDOW = 4  # chunks per worker that are begun and not handed on yet
PIECES = 8  # that a chunk is cut into when it has ended its worker
TRIES = 3  # workers that one picture alone may end, and that may fail over one chunk
PATIENCE = 10.0  # seconds that a chunk may take before it is late at all,
LATE = 4.0  # and how many times the usual


@dataclass(eq=False, slots=True)
class Chunk:
    """Pictures that stand one behind the other in the listing, the first of them at `start`."""

    start: int
    refs: Sequence[ImageRef]
    ended: int = 0  # workers, since it is as small as it is
    failed: int = 0
    copies: int = 0  # in the hands of workers
    given: float = 0.0  # when it was given out last
    done: bool = False


class Work:
    """What is to be done, each picture in one chunk at any time, and answered for once.

    Times are those of the clock given. `gone`: what has become of a chunk that nobody will answer for.
    """

    def __init__(self, refs: Iterable[ImageRef], clock: Callable[[], float]) -> None:
        self._refs = iter(refs)
        self._clock = clock
        self._begun = 0  # pictures that are in chunks,
        self._handed_on = 0  # and those that the consumer has
        self._again: list[Chunk] = []
        self._out: dict[Chunk, None] = {}
        self._done: dict[int, Sequence[Outcome]] = {}
        self._took: deque[float] = deque(maxlen=64)
        self._listed = False

    @property
    def over(self) -> bool:
        """Whether the consumer has everything."""
        return self._listed and self._handed_on == self._begun

    def outcomes(self) -> Iterator[Outcome]:
        """What is done by now and comes next."""
        while (found := self._done.pop(self._handed_on, None)) is not None:
            self._handed_on += len(found)
            yield from found

    def take(self, workers: int) -> Chunk | None:
        """A chunk to do: one that has to be done again, else the next of the listing while the window is open."""
        if self._again:
            chunk = min(self._again, key=lambda each: each.start)
            self._again.remove(chunk)
            return self._given(chunk)
        if self._begun - self._handed_on >= WINDOW * CHUNK * workers:
            return None
        refs = list(islice(self._refs, CHUNK))
        self._listed = len(refs) < CHUNK
        if not refs:
            return None
        chunk = Chunk(self._begun, refs)
        self._begun += len(refs)
        return self._given(chunk)

    def take_late(self) -> Chunk | None:
        """A second copy of a chunk that is late: whoever answers first counts."""
        late = next((chunk for chunk in self._out if chunk.copies == 1 and self.late(chunk)), None)
        return self._given(late) if late else None

    def late(self, chunk: Chunk) -> bool:
        """Whether it takes several times as long as chunks usually do."""
        usual = median(self._took) if self._took else 0.0
        return self._clock() - chunk.given > max(PATIENCE, LATE * usual)

    def _given(self, chunk: Chunk) -> Chunk:
        chunk.copies += 1
        chunk.given = self._clock()
        self._out[chunk] = None
        return chunk

    def fill(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        """The answer for a chunk; later ones are passed over."""
        chunk.copies -= 1
        if not chunk.done:
            self._took.append(self._clock() - chunk.given)
            self._settle(chunk, outcomes)

    def _settle(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        chunk.done = True
        self._out.pop(chunk, None)
        self._done[chunk.start] = outcomes

    def give_back(self, chunk: Chunk) -> bool:
        """Nothing will come of this copy; whether the chunk has to be done once more."""
        chunk.copies -= 1
        needed = not chunk.done and not chunk.copies
        if needed:
            self._out.pop(chunk)
            self._again.append(chunk)
        return needed

    def blame(self, chunk: Chunk, how: str) -> None:
        """This copy has ended its worker: it is cut, until the picture that does so is alone and known."""
        if not self.give_back(chunk):
            return
        chunk.ended += 1
        if len(chunk.refs) > 1:
            self._again.remove(chunk)
            size = -(-len(chunk.refs) // PIECES)
            pieces = range(0, len(chunk.refs), size)
            self._again += [Chunk(chunk.start + at, chunk.refs[at : at + size]) for at in pieces]
        elif chunk.ended >= TRIES:
            self._again.remove(chunk)
            uri = chunk.refs[0].uri
            detail = f"{uri}: opening it ended the worker {chunk.ended} times ({how})"
            self._settle(chunk, [Skip(uri, "crashed", detail)])
