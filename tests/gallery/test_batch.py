"""Searches for many pictures answer each as a search for it alone does, whatever stops them in between."""

import json
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from many import ask, filled, paint_sixty, smaller
from palette import PaletteRetriever, Prepared, paint
from PIL import Image

from samekind.gallery.batch import search_all
from samekind.gallery.report import Progress
from samekind.gallery.store import Gallery
from samekind.images.refs import ImageRef
from samekind.reading import opening
from samekind.reading.opening import Outcome, Threads
from samekind.reading.processes import Processes

HERE = Path(__file__).parent


class InTheBall(PaletteRetriever):
    """The same vectors, at various distances from the centre of the ball."""

    def __init__(self) -> None:
        super().__init__("in the ball")
        self.space = "poincare"

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        lengths = 0.1 + 0.8 * pixels[:, 0, 0, 0].astype(np.float32) / 255
        return super().encode_pixels(pixels, domain) * lengths[:, None]


class Choosy(PaletteRetriever):
    """Finds no vector for pictures that are black in the corner."""

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        vectors = super().encode_pixels(pixels, domain)
        vectors[pixels[:, 0, 0].max(axis=1) == 0] = 0
        return vectors


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller(monkeypatch)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return ask(tmp_path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_sixty(tmp_path_factory.mktemp("searched"))


def answers(gallery: Gallery, source: Path, **options: Any) -> list[dict[str, Any]]:
    """What goes to a function."""
    told: list[bytes] = []
    search_all(gallery, source, told.append, **options)
    return [json.loads(line) for line in b"".join(told).splitlines()]


@pytest.mark.parametrize("retriever", [PaletteRetriever(), InTheBall()], ids=["cosine", "poincare"])
@pytest.mark.parametrize(
    "options",
    [{}, {"k": 3, "domains": ["d1", "d2"], "where": "width = 16 AND uri LIKE '%1%'"}, {"k": 100, "exact": False}],
    ids=["plain", "filters", "all"],
)
def test_each_answer_is_that_of_a_search_for_the_picture_alone(
    pictures: Path, asked: Path, retriever: PaletteRetriever, options: dict[str, Any]
) -> None:
    gallery = filled(pictures, retriever)
    listed = [json.loads(line)["uri"] for line in asked.read_text().splitlines()]
    found = answers(gallery, asked, **options)
    assert [Path(each["query"]).name for each in found] == [Path(uri).name for uri in listed]
    assert [(n, each["error"]["reason"]) for n, each in enumerate(found) if "error" in each] == [
        (5, "vanished"),
        (6, "unsupported"),
        (7, "url_refused"),
    ]
    for each in found[:5] + found[8:]:
        alone = gallery.search(image=each["query"], **options).to_json()["hits"]
        assert [{**hit, "score": 0} for hit in each["hits"]] == [{**hit, "score": 0} for hit in alone]
        assert [hit["score"] for hit in each["hits"]] == pytest.approx([hit["score"] for hit in alone], abs=1e-6)
    assert set(retriever.domains[-37:]) == {None}, "queries have no domain"


def test_processes_give_the_same_lines_as_threads(pictures: Path, asked: Path) -> None:
    gallery = filled(pictures, PaletteRetriever())
    assert answers(gallery, asked, reader=Processes(1)) == answers(gallery, asked, reader=Threads(3))


def test_what_the_retriever_finds_no_vector_for_is_told(tmp_path: Path, pictures: Path) -> None:
    gallery = filled(pictures, Choosy())
    paint(tmp_path / "asked" / "a.png", 7)
    Image.new("RGB", (8, 8)).save(tmp_path / "asked" / "black.png")
    first, second = answers(gallery, tmp_path / "asked")
    assert len(first["hits"]) == 20
    assert second["error"]["reason"] == "no_vector"
    assert second["error"]["detail"].endswith("black.png: the retriever palette finds no vector of norm one for it")


def test_pictures_are_listed_and_opened_no_faster_than_they_are_answered(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOOK_AHEAD", 2)
    gallery = filled(pictures, PaletteRetriever())
    for seed in range(60):
        paint(tmp_path / "asked" / f"{seed}.png", seed)
    ahead = 0

    def watched(retriever: Any, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        taken = 0

        def taking() -> Iterator[ImageRef]:
            nonlocal taken
            for ref in refs:
                taken += 1
                yield ref

        for given_back, outcome in enumerate(Threads(1)(retriever, taking(), known)):
            nonlocal ahead
            ahead = max(ahead, taken - given_back)
            yield outcome

    prepared = Prepared(monkeypatch)
    assert len(answers(gallery, tmp_path / "asked", reader=watched)) == 60
    assert ahead <= 2 + 1 + 1
    assert prepared.most <= 4 + ahead + 1


def test_progress_counts_what_is_written(pictures: Path, asked: Path) -> None:
    gallery, told, seen = filled(pictures, PaletteRetriever()), [0], list[Progress]()

    def watch(progress: Progress) -> None:
        assert progress.total is None or progress.done + progress.skipped == told[0]
        seen.append(progress)

    def write(data: bytes) -> None:
        told[0] += data.count(b"\n")

    found = search_all(gallery, asked, write, progress=watch)
    assert (seen[-1].total, seen[-1].done, seen[-1].skipped) == (40, 37, 3)
    assert len({each.done for each in seen}) >= 5
    assert (found.total, found.before, found.skipped, found.exact) == (40, 0, 3, True)
    assert found.first is not None
    assert found.first.reason == "vanished"
