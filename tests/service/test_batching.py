"""Queries computed together: each has the answer that it would have alone, and nobody pays for a neighbour."""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from palette import SIDE, PaletteRetriever, paint
from PIL import Image

from samekind.errors import UsageError
from samekind.gallery.hits import Hit
from samekind.gallery.query import Query, Term
from samekind.gallery.store import Gallery
from samekind.service import batching
from samekind.service.batching import Answer, Batcher, Part
from samekind.service.refusals import Overloaded, UnknownItem
from samekind.service.served import Served
from samekind.service.settings import Settings

RED = Part("text", "red")


class Slow(PaletteRetriever):
    """Encodes texts once it is let to; notes what it was given together."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.began = threading.Event()
        self.texts: list[list[str]] = []
        self.pixels: list[int] = []

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.began.set()
        assert self.open.wait(20)
        self.texts.append(list(texts))
        return super().encode_texts(texts)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        self.pixels.append(len(pixels))
        return super().encode_pixels(pixels, domain)


@contextlib.asynccontextmanager
async def batching_of(**changes: int) -> AsyncIterator[tuple[Batcher, list[int]]]:
    """A batcher, and the sizes of its batches."""
    sizes: list[int] = []
    batcher = Batcher(Settings(**changes), lambda size, encode, search: sizes.append(size))  # type: ignore[arg-type]
    await batcher.start()
    try:
        yield batcher, sizes
    finally:
        await batcher.close()


@pytest.fixture
def slow(gallery: Gallery) -> Served:
    return Served("g", Gallery.open(gallery.path, Slow()), Settings())


def slowly(served: Served) -> Slow:
    retriever = served.gallery.retriever
    assert isinstance(retriever, Slow)
    return retriever


async def begun(batcher: Batcher, served: Served) -> "asyncio.Task[Answer]":
    """A query that the thread is busy with until the retriever is let to encode."""
    first = asyncio.create_task(batcher.search(served, [RED], 3))
    assert await asyncio.to_thread(slowly(served).began.wait, 20)
    return first


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def scores(hits: Sequence[Hit]) -> list[tuple[int, str, str | None, float]]:
    return [(hit.rank, hit.uri, hit.domain, pytest.approx(hit.score, abs=1e-5)) for hit in hits]


def ids(gallery: Gallery) -> list[str]:
    return gallery.snapshot().rows.column("id").to_pylist()


def test_an_answer_is_what_a_search_alone_finds(photos: Path, gallery: Gallery) -> None:
    async def run() -> None:
        served = Served("g", gallery, Settings())
        picture = photos / "toy" / "2.png"
        prepared = gallery.retriever.prepare(Image.open(picture))
        (own,) = gallery.search(image=picture, k=1)
        async with batching_of() as (batcher, _):
            for parts, terms in (
                ([RED], [Term("text", "red")]),
                ([Part("pixels", prepared)], [Term("image", picture)]),
                ([Part("id", own.id)], [Term("image", picture)]),
                (
                    [Part("text", "red", -0.5), Part("id", own.id, 2.0), Part("text", "blue")],
                    [Term("text", "red", -0.5), Term("image", picture, 2.0), Term("text", "blue")],
                ),
            ):
                expected = gallery.search(query=Query(tuple(terms)), k=9).hits
                found = await batcher.search(served, parts, 9)
                assert scores(found.hits) == scores(expected)
                assert (found.total, found.rows, found.version) == (12, 12, gallery.version)
                assert found.encode_seconds >= 0
                assert found.search_seconds > 0
                page = await batcher.search(served, parts, 4, 5)
                assert scores(page.hits) == scores(expected[5:9])
                some = await batcher.search(served, parts, 20, 0, ["toy", "photo", "toy"])
                assert some.total == len(some.hits) == 8
            assert (await batcher.search(served, [RED], 5, 100)).hits == ()

    asyncio.run(run())


def test_what_waits_is_encoded_and_searched_together(slow: Served) -> None:
    async def run() -> None:
        retriever = slowly(slow)
        async with batching_of() as (batcher, sizes):
            first = await begun(batcher, slow)
            names = ("red", "green", "blue", "red")
            waiting = [asyncio.create_task(batcher.search(slow, [Part("text", name)], 3)) for name in names]
            waiting += [asyncio.create_task(batcher.search(slow, [Part("pixels", pixels(n))], 3)) for n in range(3)]
            await asyncio.sleep(0.05)
            assert batcher.waiting == 7
            retriever.open.set()
            await asyncio.gather(first, *waiting)
            assert batcher.waiting == 0
        assert sizes == [1, 7]
        assert retriever.texts == [["red"], ["red", "green", "blue"]]  # equal texts once
        assert 3 in retriever.pixels

    asyncio.run(run())


def test_a_batch_has_no_more_queries_than_allowed(slow: Served) -> None:
    async def run() -> None:
        async with batching_of(batch=4) as (batcher, sizes):
            first = await begun(batcher, slow)
            waiting = [asyncio.create_task(batcher.search(slow, [RED], 3)) for _ in range(9)]
            await asyncio.sleep(0.05)
            slowly(slow).open.set()
            await asyncio.gather(first, *waiting)
        assert sizes == [1, 4, 4, 1]

    asyncio.run(run())


def test_galleries_and_domains_do_not_mix(tmp_path: Path, photos: Path, gallery: Gallery, slow: Served) -> None:
    async def run() -> None:
        other = Gallery.open(tmp_path / "other", PaletteRetriever(), create=True)
        other.add(photos / "toy")
        others = Served("other", other, Settings())
        async with batching_of() as (batcher, sizes):
            first = await begun(batcher, slow)
            wanted = [(slow, ["toy"]), (others, []), (slow, []), (slow, ["photo"]), (slow, ["toy"])]
            tasks = [asyncio.create_task(batcher.search(one, [RED], 20, 0, names)) for one, names in wanted]
            await asyncio.sleep(0.05)
            slowly(slow).open.set()
            found = await asyncio.gather(*tasks)
            await first
        assert sizes == [1, 5]
        assert [answer.total for answer in found] == [4, 4, 12, 4, 4]
        assert {hit.domain for hit in found[3].hits} == {"photo"}
        assert {hit.domain for hit in found[1].hits} == {None}

    asyncio.run(run())


def test_a_deep_page_does_not_deepen_its_neighbours(slow: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        asked: list[tuple[int, int, int]] = []
        answers = Gallery.answers

        def noted(gallery: Gallery, vectors: np.ndarray, k: int, **options: Any) -> list[tuple[Hit, ...]]:
            asked.append((len(vectors), k, options["offset"]))
            return answers(gallery, vectors, k, **options)

        monkeypatch.setattr(Gallery, "answers", noted)
        async with batching_of() as (batcher, _):
            first = await begun(batcher, slow)
            tasks = [asyncio.create_task(batcher.search(slow, [RED], 10, at)) for at in (0, 10_000, 0, 10_000, 9_000)]
            await asyncio.sleep(0.05)
            slowly(slow).open.set()
            await asyncio.gather(first, *tasks)
        assert asked == [(1, 3, 0), (2, 10, 0), (2, 10, 10_000), (1, 10, 9_000)]

    asyncio.run(run())


def test_one_querys_error_is_its_own(slow: Served) -> None:
    async def run() -> None:
        async with batching_of() as (batcher, sizes):
            first = await begun(batcher, slow)
            (known, *_) = ids(slow.gallery)
            wrong = np.zeros((SIDE + 1, SIDE + 1, 3), np.uint8)
            asked: list[tuple[list[Part], list[str], type[Exception] | None]] = [
                ([RED], [], None),
                ([Part("text", "no colour at all")], [], ValueError),
                ([Part("pixels", pixels(1))], [], None),
                ([Part("pixels", wrong)], [], Exception),
                ([Part("id", known)], [], None),
                ([Part("id", "nothing")], [], UnknownItem),
                ([RED, Part("text", "red", -1.0)], [], UsageError),
                ([RED], ["etching"], UsageError),
                ([RED], ["toy"], None),
            ]
            tasks = [asyncio.create_task(batcher.search(slow, parts, 3, 0, where)) for parts, where, _ in asked]
            await asyncio.sleep(0.05)
            slowly(slow).open.set()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await first
        assert sizes == [1, len(asked)]
        for outcome, (parts, _, error) in zip(outcomes, asked, strict=True):
            assert isinstance(outcome, error or Answer), parts
            assert error or len(outcome.hits) == 3  # type: ignore[union-attr]

    asyncio.run(run())


def test_a_bug_fails_its_batch_and_the_thread_lives_on(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        served = Served("g", gallery, Settings())
        async with batching_of() as (batcher, _):
            with monkeypatch.context() as patch:
                patch.setattr(batching, "compute", lambda batch: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    await batcher.search(served, [RED], 3)
            assert len((await batcher.search(served, [RED], 3)).hits) == 3

    asyncio.run(run())


def test_a_client_who_has_gone_costs_nothing(slow: Served) -> None:
    async def run() -> None:
        async with batching_of() as (batcher, sizes):
            first = await begun(batcher, slow)
            leaving = [asyncio.create_task(batcher.search(slow, [Part("text", "blue")], 3)) for _ in range(5)]
            staying = asyncio.create_task(batcher.search(slow, [Part("text", "green")], 3))
            await asyncio.sleep(0.05)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            assert batcher.waiting == 1
            slowly(slow).open.set()
            await asyncio.gather(first, staying)
        assert sizes == [1, 1]
        assert slowly(slow).texts == [["red"], ["green"]]

    asyncio.run(run())


def test_more_than_may_wait_is_sent_away_at_once(slow: Served) -> None:
    async def run() -> None:
        async with batching_of(waiting=2) as (batcher, _):
            first = await begun(batcher, slow)
            waiting = [asyncio.create_task(batcher.search(slow, [RED], 3)) for _ in range(2)]
            await asyncio.sleep(0.05)
            with pytest.raises(Overloaded) as caught:
                await batcher.search(slow, [RED], 3)
            assert 1 <= caught.value.retry_after <= 30
            waiting[0].cancel()  # who leaves makes room
            await asyncio.sleep(0)
            late = asyncio.create_task(batcher.search(slow, [RED], 3))
            await asyncio.sleep(0.05)
            slowly(slow).open.set()
            assert all(len(answer.hits) == 3 for answer in await asyncio.gather(first, waiting[1], late))

    asyncio.run(run())


def test_closing_finishes_what_is_computed_and_sends_the_rest_away(slow: Served) -> None:
    async def run() -> None:
        async with batching_of() as (batcher, _):
            first = await begun(batcher, slow)
            waiting = [asyncio.create_task(batcher.search(slow, [RED], 3)) for _ in range(3)]
            await asyncio.sleep(0.05)
            closing = asyncio.create_task(batcher.close())
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Overloaded] * 3
            slowly(slow).open.set()
            assert len((await first).hits) == 3
            await closing
            with pytest.raises(Overloaded, match="stopping"):
                await batcher.search(slow, [RED], 3)

    asyncio.run(run())


def test_a_query_keeps_the_version_that_it_was_asked_of(photos: Path, slow: Served) -> None:
    async def run() -> None:
        async with batching_of() as (batcher, _):
            first = await begun(batcher, slow)
            waiting = asyncio.create_task(batcher.search(slow, [RED], 100))
            await asyncio.sleep(0.05)
            paint(photos / "toy" / "new.png", 99)
            Gallery.open(slow.gallery.path, PaletteRetriever()).add(photos)
            before, slow.gallery = slow.gallery, Gallery.open(slow.gallery.path, slow.gallery.retriever)
            slowly(slow).open.set()
            old, new = await waiting, await batcher.search(slow, [RED], 100)
            await first
        assert (old.version, old.rows, len(old.hits)) == (before.version, 12, 12)
        assert (new.rows, len(new.hits)) == (13, 13)
        assert new.version > old.version

    asyncio.run(run())


def test_an_empty_gallery_has_no_hits(tmp_path: Path, retriever: PaletteRetriever) -> None:
    async def run() -> None:
        served = Served("g", Gallery.open(tmp_path / "empty", retriever, create=True), Settings())
        async with batching_of() as (batcher, _):
            answer = await batcher.search(served, [RED], 3)
            assert (answer.hits, answer.total, answer.rows) == ((), 0, 0)
            assert (await batcher.search(served, [RED], 3, 0, ["toy"])).total == 0
            with pytest.raises(UnknownItem):
                await batcher.search(served, [Part("id", "nothing")], 3)

    asyncio.run(run())


def test_under_a_storm_of_queries_and_leavers_everyone_is_answered(gallery: Gallery) -> None:
    async def run() -> None:
        served = Served("g", gallery, Settings())
        rng = random.Random(0)
        async with batching_of(waiting=1000, batch=5) as (batcher, sizes):

            async def client(number: int) -> None:
                for _ in range(20):
                    task = asyncio.create_task(batcher.search(served, [Part("pixels", pixels(number))], 3))
                    if rng.random() < 0.3:
                        await asyncio.sleep(rng.random() * 0.002)
                        task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        assert len((await task).hits) == 3

            await asyncio.wait_for(asyncio.gather(*map(client, range(20))), 60)
            assert batcher.waiting == 0
        assert max(sizes) == 5

    asyncio.run(run())


part = st.one_of(
    st.tuples(st.just("text"), st.sampled_from(["red", "blue", "green", "yellow"])),
    st.tuples(st.just("pixels"), st.integers(0, 20)),
    st.tuples(st.just("id"), st.integers(0, 11)),
)
query = st.tuples(
    st.lists(st.tuples(part, st.sampled_from([1.0, 2.0, 0.3, -0.5])), min_size=1, max_size=4),
    st.integers(1, 15),
    st.integers(0, 300),
    st.lists(st.sampled_from(["toy", "photo", "sketch"]), max_size=2),
)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(query, min_size=1, max_size=10))
def test_any_queries_at_once_are_answered_as_one_after_the_other(gallery: Gallery, asked: list[tuple]) -> None:
    async def run() -> None:
        served = Served("g", gallery, Settings())
        names = ids(gallery)
        queries = []
        for parts, k, offset, domains in asked:
            values = {"text": str, "pixels": pixels, "id": lambda number: names[number]}
            made = [Part(kind, values[kind](value), weight) for (kind, value), weight in parts]
            queries.append((made, k, offset, domains))
        async with batching_of(batch=16) as (batcher, _):
            alone = []
            for one in queries:
                alone += await asyncio.gather(batcher.search(served, *one), return_exceptions=True)
            together = await asyncio.gather(*(batcher.search(served, *one) for one in queries), return_exceptions=True)
        for one, other in zip(alone, together, strict=True):
            assert type(one) is type(other)
            if isinstance(one, Answer):
                assert (one.total, len(one.hits)) == (other.total, len(other.hits))  # type: ignore[union-attr]
                found = [hit.score for hit in other.hits]  # type: ignore[union-attr]
                np.testing.assert_allclose([hit.score for hit in one.hits], found, atol=1e-5)

    asyncio.run(run())


@pytest.mark.slow
def test_the_real_retriever_gives_the_same_scores_in_a_batch_and_alone(tmp_path: Path) -> None:
    from samekind.retriever.store import load

    retriever = load("mini")
    for seed in range(30):
        paint(tmp_path / "pictures" / f"{seed}.png", seed)
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    gallery.add(tmp_path / "pictures")
    side = retriever.preprocess.size
    noise = np.random.default_rng(1).integers(0, 256, (8, side, side, 3), dtype=np.uint8)
    asked = [[Part("pixels", each)] for each in noise]
    asked += [[Part("text", text)] for text in ("a dog", "a red car in the snow", "noise", "")]
    asked += [[Part("pixels", noise[0]), Part("text", "a dog", -0.4)], [Part("id", ids(gallery)[0])]]

    async def run() -> None:
        served = Served("g", gallery, Settings())
        async with batching_of() as (batcher, sizes):
            alone = [await batcher.search(served, parts, 30) for parts in asked]
            first = asyncio.create_task(batcher.search(served, asked[0], 1))
            together = await asyncio.gather(*(batcher.search(served, parts, 30) for parts in asked))
            await first
        assert max(sizes) >= len(asked) - 1
        for one, other in zip(alone, together, strict=True):
            mine, theirs = ({hit.id: hit.score for hit in answer.hits} for answer in (one, other))
            assert mine == pytest.approx(theirs, abs=1e-5)
            np.testing.assert_allclose(*([hit.score for hit in each.hits] for each in (one, other)), atol=1e-5)

    asyncio.run(run())
