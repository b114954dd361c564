"""The ledger of a cluster's work gives every picture one outcome, in order, whatever workers do; Ray is not needed."""

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from palette import PaletteRetriever, paint

import samekind
from samekind.errors import SamekindError
from samekind.images.refs import ImageRef, Skip
from samekind.reading.cluster import crew as cluster_crew
from samekind.reading.cluster import work as cluster_work
from samekind.reading.cluster.crew import Crew, Worker
from samekind.reading.cluster.reader import UNSEEN, _Check
from samekind.reading.cluster.work import Chunk, Work
from samekind.reading.cluster.worker import Encoder, SamekindEncoder
from samekind.reading.opening import Opened, Opener, Outcome


def refs(count: int) -> list[ImageRef]:
    return [ImageRef(f"/{number}.png") for number in range(count)]


def answer(chunk: Chunk) -> list[Outcome]:
    return [Opened(ref, ref.uri, 1) for ref in chunk.refs]


@pytest.mark.parametrize("seed", range(20))
def test_each_picture_has_one_outcome_in_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_work, "CHUNK", 1 + seed)
    chance, now = random.Random(seed), 0.0
    listed = refs(chance.choice([0, 1, 97, 160]))
    poison = set(chance.sample(listed, min(2, len(listed))))
    work = Work(listed, lambda: now)
    hands: list[Chunk] = []
    found: list[Outcome] = []
    while not work.over:
        now += chance.expovariate(0.2)
        found += work.outcomes()
        chunk = work.take(3) if chance.random() < 0.7 else work.take_late()
        if chunk:
            hands.append(chunk)
        if not hands or chance.random() < 0.5:
            continue
        chunk = hands.pop(chance.randrange(len(hands)))
        if poison & set(chunk.refs):
            work.blame(chunk, "killed")
        elif chance.random() < 0.2:
            work.give_back(chunk)
        else:
            work.fill(chunk, answer(chunk))
        assert work._begun - work._handed_on <= cluster_work.WINDOW * cluster_work.CHUNK * 3 + cluster_work.CHUNK
    for chunk in hands:  # answers that nobody waits for any more
        work.fill(chunk, answer(chunk))
    found += work.outcomes()
    assert [each.uri if isinstance(each, Skip) else each.ref.uri for each in found] == [ref.uri for ref in listed]
    assert {each.uri for each in found if isinstance(each, Skip)} == {ref.uri for ref in poison}


def test_only_what_takes_several_times_the_usual_is_late() -> None:
    now = 0.0
    work = Work(refs(640), lambda: now)
    for _ in range(3):
        chunk = work.take(9)
        assert chunk
        now += 20.0
        work.fill(chunk, answer(chunk))
    slow = work.take(9)
    now += 70.0
    assert work.take_late() is None
    now += 20.0
    assert work.take_late() is slow
    assert work.take_late() is None, "two copies are enough"


def test_the_window_bounds_what_is_begun() -> None:
    work = Work(refs(10_000), lambda: 0.0)
    chunks = list(iter(lambda: work.take(2), None))
    assert len(chunks) == 2 * cluster_work.WINDOW
    for chunk in chunks[1:]:
        work.fill(chunk, answer(chunk))
    assert work.take(2) is None, "the first one is not done"
    work.fill(chunks[0], answer(chunks[0]))
    assert len(list(work.outcomes())) == 2 * cluster_work.WINDOW * cluster_work.CHUNK
    assert work.take(2)


def test_a_worker_encodes_batches_of_one_domain_and_keeps_the_order(tmp_path: Path) -> None:
    domains = ["photo", "sketch", None]
    listed = [ImageRef(str(paint(tmp_path / f"{n}.png", n)), domains[n % 3]) for n in range(120)]
    listed[7] = ImageRef(str(tmp_path / "none.png"), "photo")
    batches: list[tuple[int, str | None]] = []

    class Watched(PaletteRetriever):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            batches.append((len(pixels), domain))
            return super().encode_pixels(pixels, domain)

    found = Encoder(Watched(), 2, False)(listed)
    assert sorted(batches, key=str) == sorted(
        [(32, "photo"), (32, "sketch"), (32, None), (8, "photo"), (7, "sketch"), (8, None)], key=str
    )
    for ref, outcome in zip(listed, found, strict=True):
        if isinstance(outcome, Skip):
            assert (outcome.uri, outcome.reason) == (str(tmp_path / "none.png"), "vanished")
            continue
        assert outcome.ref is ref
        assert outcome.pixels is None
        np.testing.assert_allclose(outcome.vector, PaletteRetriever().encode_images([ref.uri])[0], atol=1e-6)


def test_a_picture_that_one_node_does_not_see_is_opened_here(tmp_path: Path) -> None:
    check = _Check(Opener(PaletteRetriever().preprocess), ())
    here = [ImageRef(str(paint(tmp_path / f"{n}.png", n))) for n in range(UNSEEN)]
    gone = [ImageRef(str(tmp_path / f"gone{n}.png")) for n in range(2 * UNSEEN)]

    def seen(chosen: Sequence[ImageRef], where: str) -> list[Outcome]:
        return check(chosen, [Skip(ref.uri, "vanished", f"{ref.uri} is not there") for ref in chosen], where)

    assert all(isinstance(each, Skip) for each in seen(gone, "one")), "they are nowhere"
    assert all(isinstance(each, Opened) and each.pixels is not None for each in seen(here[1:], "one"))
    assert isinstance(seen(here[:1], "two")[0], Opened)
    with pytest.raises(SamekindError, match=r"is here, but not on the node one of .*Mount the pictures' folder"):
        seen(here[:1], "one")


def test_a_worker_that_hangs_is_ended_and_what_it_had_begun_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for Ray, as a hang would have to be waited for."""

    class DiedError(Exception):
        pass

    class Ray:
        exceptions = SimpleNamespace(RayTaskError=KeyError, ObjectLostError=IndexError, RayError=DiedError)
        killed: ClassVar[list[str]] = []

        def kill(self, actor: Any, no_restart: bool) -> None:
            self.killed.append(actor.name)

        def wait(self, refs: list[object], **_: object) -> tuple[list[object], list[object]]:
            return (refs, []) if self.killed else ([], refs)

        def get(self, ref: object) -> None:
            raise DiedError("it was killed by you")

    now = 0.0
    monkeypatch.setattr(cluster_crew, "time", SimpleNamespace(monotonic=lambda: now))
    crew = object.__new__(Crew)
    crew._ray, crew._looked, crew._gpus = Ray(), 0.0, False
    actor = SimpleNamespace(name="a", encode=SimpleNamespace(remote=lambda refs: object()))
    crew._workers = [Worker(actor, "node", "node", None, heard=0.0)]
    work = Work(refs(130), lambda: now)
    crew.hand_out(work)
    begun, next_one = crew._workers[0].tasks.values()
    now = cluster_crew.STUCK - 1
    crew.hand_out(work)
    assert not Ray.killed
    now += 2
    crew.hand_out(work)
    assert Ray.killed == ["a"]
    crew.collect(work, lambda refs, outcomes, where: list(outcomes))
    assert not crew._workers
    again = list(iter(lambda: work.take(3), None))
    assert [len(each.refs) for each in again] == [8] * 8 + [64, 2]
    assert next_one in again
    assert begun not in again


def test_a_node_with_another_samekind_says_so() -> None:
    pytest.importorskip("ray")
    assert SamekindEncoder().start("0.0.0", [], "cpu", 1, False) == samekind.__version__
