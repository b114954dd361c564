"""Searches by a gallery's index: the default where there is one, and left alone where exactness is asked for."""

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from rows import clustered, kept, made
from stand_in import SEARCH, asked, encoded, picture, posted, running

from samekind.gallery.hits import Hit
from samekind.gallery.store import Gallery
from samekind.service import served as module
from samekind.service.batching import Answer, Batcher, Part
from samekind.service.client import Client
from samekind.service.served import Served, loaded
from samekind.service.settings import Settings

ROWS, DIM = 1200, 17  # numbers that make no whole bytes of bits: the index has the vectors themselves, and misses none


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Rows with an index that is ready."""
    gallery = made(tmp_path_factory.mktemp("indexed") / "g", clustered(ROWS, DIM))
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert ann.state == "ready"
    return gallery


def found(gallery: Gallery, *asked: tuple[int, int, bool]) -> list[Answer]:
    """The answers to rows with their k, all together, each to be exact or not."""

    async def run() -> list[Answer]:
        served, batcher = Served("g", gallery, Settings()), Batcher(Settings())
        await batcher.start()
        try:
            parts = [[Part("id", f"{row:024x}")] for row, _, _ in asked]
            queries = zip(parts, asked, strict=True)
            return await asyncio.gather(
                *(batcher.search(served, part, k, exact=exact) for part, (_, k, exact) in queries)
            )
        finally:
            await batcher.close()

    return asyncio.run(run())


def test_the_index_is_searched_unless_every_picture_is_asked_for(indexed: Gallery) -> None:
    rows = range(0, ROWS, 100)
    approximate = found(indexed, *((row, 10, False) for row in rows))
    exact = found(indexed, *((row, 10, True) for row in rows))
    assert [answer.exact for answer in approximate] == [False] * len(rows)
    assert [answer.exact for answer in exact] == [True] * len(rows)
    assert [answer.hits for answer in approximate] == [answer.hits for answer in exact]
    assert [answer.hits[0].id for answer in exact] == [f"{row:024x}" for row in rows]


def test_who_asks_for_exactness_has_it_beside_others_who_do_not(indexed: Gallery) -> None:
    answers = found(indexed, (0, 10, False), (0, 10, True), (7, 10, False), (7, 10, True))
    assert [answer.exact for answer in answers] == [False, True, False, True]
    true = indexed.nearest(indexed.snapshot().vectors_of([0, 7]), 10)
    assert [answers[1].hits, answers[3].hits] == true


def test_more_hits_than_the_index_is_good_for_are_exact_and_said_to_be(indexed: Gallery) -> None:
    assert [answer.exact for answer in found(indexed, (5, 200, False))] == [True]


def test_what_a_first_search_would_load_is_loaded_before(indexed: Gallery) -> None:
    opened = loaded(Gallery.open(indexed.path))
    assert isinstance(opened, Gallery)
    assert opened._finder is not None
    assert opened._finder[1] is not None
    assert opened.trouble == ""


def test_an_index_that_cannot_be_used_is_told_of_once(
    tmp_path: Path, indexed: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(indexed.path, tmp_path / "g")
    (folder / "ann.json").write_text("{")

    async def run() -> None:
        served = Served("g", loaded(Gallery.open(folder)), Settings(reload_seconds=0.05))
        watch = asyncio.create_task(served.watch())
        await asyncio.sleep(0.3)
        watch.cancel()

    with caplog.at_level(logging.WARNING, module.__name__):
        asyncio.run(run())
    assert sum("ann.json is damaged" in record.message for record in caplog.records) == 1


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What searches are asked to be; they say that they are just that."""
    noted: list[bool] = []
    answers = Gallery.answers

    def pretended(*given: Any, exact: bool, **options: Any) -> tuple[list[tuple[Hit, ...]], bool]:
        noted.append(exact)
        return answers(*given, **options)[0], exact

    monkeypatch.setattr(Gallery, "answers", pretended)
    return noted


@pytest.mark.parametrize("exact", [None, False, True])
def test_all_ways_to_ask_have_the_choice(exact: bool | None, wanted: list[bool]) -> None:
    body = {} if exact is None else {"exact": exact}
    params = {} if exact is None else {"exact": str(exact).lower()}
    with asked() as client:
        answers = [
            posted(client, {"image": encoded(picture())}, **body),
            client.post(f"{SEARCH}/picture", params=params, content=picture()).json(),
            client.get(SEARCH, params={"text": "red", **params}).json(),
        ]
    assert wanted == [bool(exact)] * 3
    assert [answer["exact"] for answer in answers] == [bool(exact)] * 3


def test_the_client_has_the_choice(wanted: list[bool]) -> None:
    with running() as (host, port), Client(f"http://{host}:{port}") as client:
        answers = [
            client.search("pictures", text="red"),
            client.search("pictures", text="red", exact=True),
            client.search_picture("pictures", picture()),
            client.search_picture("pictures", picture(), exact=True),
        ]
    assert wanted == [False, True, False, True]
    assert [answer.exact for answer in answers] == wanted
