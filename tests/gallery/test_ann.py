"""Approximate searches: what an index finds is ranked exactly, its recall is known, and it is never trusted blindly."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rows import appended, clustered, kept, made, unit

from samekind.errors import SamekindError, UsageError
from samekind.gallery.ann import build as ann_build
from samekind.gallery.ann import measure as ann_measure
from samekind.gallery.ann.record import AIM, read_ann
from samekind.gallery.hits import Hit
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

ROWS, DIM = 3000, 64
# AIM holds for the queries of the measurement; others, and another draw of the index, are luckier or less so.
CLOSE = 0.95


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery with an index, to be copied."""
    gallery = made(tmp_path_factory.mktemp("ann") / "g", clustered(ROWS, DIM))
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert ann.state == "ready"
    return gallery.path


@pytest.fixture
def gallery(built: Path, tmp_path: Path) -> Gallery:
    shutil.copytree(built, tmp_path / "g")
    opened = Gallery.open(tmp_path / "g")
    opened._retriever = made(tmp_path / "words", clustered(1, DIM)).retriever
    return opened


def shared(found: list[tuple[Hit, ...]], true: list[tuple[Hit, ...]]) -> float:
    """Recall."""
    pairs = [(len({a.id for a in mine} & {b.id for b in his}), len(his)) for mine, his in zip(found, true, strict=True)]
    return sum(same for same, _ in pairs) / sum(all_ for _, all_ in pairs)


def test_building_measures_recall_with_pictures_and_words_and_writes_it_down(gallery: Gallery) -> None:
    ann = read_ann(gallery.path, gallery.meta.uuid)
    assert ann is not None
    assert (ann.state, ann.kind, ann.rows, ann.trained) == ("ready", "IvfRq", ROWS, ROWS)
    assert ann.version == gallery.version
    assert set(ann.recall) == {"pictures", "words"}
    assert min(ann.recall.values()) >= AIM
    assert ann.queries["pictures"] == ann_measure.PICTURES
    assert ann.near is not None
    assert ann.created.endswith("+00:00")
    assert "recall@10" in ann.summary()
    told = json.loads((gallery.path / "ann.json").read_text())
    assert told["schema"] == 1
    assert told["recall"] == ann.recall


def test_an_index_finds_what_comparing_all_rows_finds_with_the_same_scores(gallery: Gallery) -> None:
    queries = clustered(60, DIM, seed=5)
    found, compared = gallery.answers(queries, 10, exact=False)
    true, all_rows = gallery.answers(queries, 10)
    assert (compared, all_rows) == (False, True)
    assert shared(found, true) >= CLOSE
    scores = {hit.id: hit.score for hits in gallery.nearest(queries[:1], ROWS) for hit in hits}
    assert all(hit.score == scores[hit.id] for hit in found[0])
    assert [hit.rank for hit in found[0]] == list(range(1, 11))
    assert gallery.nearest(queries, 10) == true, "exact is the default"


@pytest.mark.parametrize("k", [1, 20, 60])
def test_more_hits_than_were_measured_take_more_effort(gallery: Gallery, k: int) -> None:
    queries = clustered(40, DIM, seed=11)
    assert shared(gallery.nearest(queries, k, exact=False), gallery.nearest(queries, k)) >= CLOSE
    second = gallery.nearest(queries, 5, offset=5, exact=False)
    assert [hits[0].rank for hits in second] == [6] * 40
    assert gallery.answers(queries, 101, exact=False)[1] is True


def test_hits_say_whether_they_are_exact(gallery: Gallery) -> None:
    assert gallery.search(text="x", k=5).exact
    query = gallery.snapshot().vectors_of([7])
    assert gallery.answers(query, 5, exact=False)[1] is False
    assert gallery.answers(query, ROWS - 1, exact=False)[1] is True, "nearly all rows are compared"


def test_equal_vectors_keep_the_gallerys_order(tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIM)
    vectors[[5, 900, 2500]] = vectors[17]
    gallery = made(tmp_path / "g", vectors)
    kept(gallery, wanted=True)
    (found,), compared = gallery.answers(vectors[17][None], 4, exact=False)
    assert not compared
    assert [int(hit.id, 16) for hit in found] == [5, 17, 900, 2500]


def test_rows_that_come_are_found_before_and_after_they_are_in_the_index(gallery: Gallery) -> None:
    new = unit(np.random.default_rng(8).normal(size=(200, DIM)))
    numbers = appended(gallery.path, new)
    gallery.refresh()
    before = gallery.nearest(new, 1, exact=False)
    table = PictureTable.open(gallery.path)
    facts = table.index()
    assert facts is not None
    assert facts.missing == 200
    assert [int(hits[0].id, 16) for hits in before] == list(numbers)
    ann = kept(gallery)
    facts = PictureTable.open(gallery.path).index()
    assert facts is not None
    assert (facts.missing, facts.rows) == (0, ROWS + 200)
    assert ann is not None
    assert ann.rows == ROWS + 200, "measured again, with the new ones"
    after = gallery.nearest(new, 1, exact=False)
    assert [int(hits[0].id, 16) for hits in after] == list(numbers)


def test_an_index_that_has_outgrown_its_cells_is_made_anew(gallery: Gallery) -> None:
    appended(gallery.path, clustered(ROWS + 100, DIM, seed=3))
    ann = kept(gallery)
    assert ann is not None
    assert ann.trained == ann.rows == 2 * ROWS + 100
    facts = PictureTable.open(gallery.path).index()
    assert facts is not None
    assert (facts.parts, facts.missing) == (1, 0)


def test_rows_that_leave_or_change_places_are_followed(gallery: Gallery) -> None:
    table = PictureTable.open(gallery.path)
    vectors = np.asarray(gallery.snapshot().vectors).copy()
    table.delete([f"{number:024x}" for number in range(0, ROWS, 10)])
    moved = range(1, ROWS, 10)
    places = {"id": [f"{n:024x}" for n in moved], "uri": [f"/moved/{n}.jpg" for n in moved]}
    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in places])
    table.update(pa.table(places, schema=schema))
    for round_ in ("as they are", "in the index", "tidied"):
        if round_ == "in the index":
            kept(gallery)
        if round_ == "tidied":
            table = PictureTable.open(gallery.path)
            table.tidy(timedelta(0))
        gallery.refresh()
        found = gallery.nearest(vectors[1::10], 1, exact=False)
        assert [hits[0].uri for hits in found] == [f"/moved/{n}.jpg" for n in moved], round_
        gone = gallery.nearest(vectors[::10], 10, exact=False)
        assert not any(int(hit.id, 16) % 10 == 0 for hits in gone for hit in hits), round_
        assert shared(gone, gallery.nearest(vectors[::10], 10)) >= CLOSE


def test_when_all_rows_leave_and_others_come_nothing_is_mixed_up(gallery: Gallery) -> None:
    table = PictureTable.open(gallery.path)
    table.delete([f"{number:024x}" for number in range(ROWS)])
    appended(gallery.path, unit(np.random.default_rng(1).normal(size=(1200, DIM))))
    assert kept(gallery) is not None
    queries = clustered(30, DIM, seed=9)
    assert shared(gallery.nearest(queries, 10, exact=False), gallery.nearest(queries, 10)) >= CLOSE


def test_a_reader_keeps_its_version_and_survives_its_tidying(gallery: Gallery) -> None:
    queries = clustered(20, DIM, seed=2)
    reader = Gallery.open(gallery.path)
    before = reader.nearest(queries, 10, exact=False)
    appended(gallery.path, queries)
    kept(gallery)
    assert reader.nearest(queries, 10, exact=False) == before
    fresh = Gallery.open(gallery.path)
    fresh.snapshot()  # and no search yet
    appended(gallery.path, clustered(20, DIM, seed=4))
    PictureTable.open(gallery.path).tidy(timedelta(0))
    true = fresh.nearest(queries, 10)
    assert shared(fresh.nearest(queries, 10, exact=False), true) >= CLOSE
    assert shared(reader.nearest(queries, 10, exact=False), reader.nearest(queries, 10)) >= CLOSE


@pytest.mark.parametrize(
    "filters",
    [
        {"domains": ["photo"]},
        {"domains": ["photo", "sketch"], "where": "width < 900"},
        {"where": "size < 115"},
        {"where": "size < 103"},
        {"where": "width >= 0"},
    ],
    ids=str,
)
def test_filters_hold_and_give_all_they_can(gallery: Gallery, filters: dict[str, object]) -> None:
    queries = clustered(20, DIM, seed=6)
    found = gallery.nearest(queries, 10, exact=False, **filters)  # type: ignore[arg-type]
    true = gallery.nearest(queries, 10, **filters)  # type: ignore[arg-type]
    allowed = {hit.id for hit in gallery.nearest(queries[:1], ROWS, **filters)[0]}  # type: ignore[arg-type]
    assert [len(hits) for hits in found] == [min(10, len(allowed))] * 20
    assert all(hit.id in allowed for hits in found for hit in hits)
    assert shared(found, true) >= CLOSE


def test_a_filter_that_is_far_from_the_query_is_searched_exactly(tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIM)
    far = np.arange(ROWS) % 3 == 0  # the photos, on the other side of all the rest
    direction = unit(np.ones((1, DIM)))
    vectors = unit(vectors + np.where(far, -3, 3)[:, None] * direction)
    gallery = made(tmp_path / "g", vectors)
    kept(gallery, wanted=True)
    queries = unit(clustered(20, DIM, seed=7) + 3 * direction)
    found = gallery.nearest(queries, 10, domains=["photo"], exact=False)
    assert shared(found, gallery.nearest(queries, 10, domains=["photo"])) >= CLOSE


def test_an_index_below_the_aim_is_not_used_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = made(tmp_path / "g", clustered(1500, DIM))
    monkeypatch.setattr(ann_measure, "AIM", 1.01)
    monkeypatch.setattr(ann_measure, "_NEAR", ((50, 10),))
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert ann.state == "exact"
    assert "searches stay exact" in ann.summary()
    assert gallery.answers(clustered(2, DIM), 10, exact=False)[1] is True
    assert gallery.trouble == ""


def test_large_galleries_get_an_index_unasked_and_refusing_it_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = made(tmp_path / "g", clustered(ROWS, DIM))
    assert kept(gallery) is None
    monkeypatch.setattr(ann_build, "AUTOMATIC", ROWS)
    ann = kept(gallery)
    assert ann is not None
    assert ann.state == "ready"
    refused = kept(gallery, wanted=False)
    assert refused is not None
    assert refused.state == "refused"
    assert PictureTable.open(gallery.path).index() is None
    assert gallery.answers(clustered(2, DIM), 10, exact=False)[1] is True
    assert kept(gallery) == refused
    again = kept(gallery, wanted=True)
    assert again is not None
    assert again.state == "ready"


def test_a_small_gallery_remembers_that_it_shall_have_an_index(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(900, DIM))
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert "1,000" in ann.summary()
    assert gallery.answers(clustered(1, DIM), 3, exact=False)[1] is True
    appended(gallery.path, clustered(2000, DIM, seed=1))
    ann = kept(gallery)
    assert ann is not None
    assert ann.state == "ready"


BUILD = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import lancedb
from rows import Words, kept
from samekind.gallery.store import Gallery
gallery = Gallery.open(sys.argv[1])
gallery._retriever = Words(16)
print("ready", flush=True)
kept(gallery, wanted=True)
"""


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_an_exact_gallery_and_the_next_run_finishes_it(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(ROWS, DIM))
    queries = clustered(10, DIM, seed=3)
    true = gallery.nearest(queries, 10)
    rng = np.random.default_rng(0)
    for _ in range(6):
        command = [sys.executable, "-c", BUILD, str(gallery.path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.6))
            os.kill(process.pid, signal.SIGKILL)
        gallery.refresh()
        found, compared = gallery.answers(queries, 10, exact=False)
        assert compared
        assert found == true
        assert gallery.trouble == ""
    ann = kept(gallery)
    assert ann is not None
    assert ann.state == "ready", "a build that was asked for is not forgotten"
    assert shared(gallery.nearest(queries, 10, exact=False), true) >= CLOSE


@pytest.mark.parametrize("damage", ["garbled", "cut", "gone", "dropped"])
def test_a_damaged_index_is_told_and_searches_are_exact(gallery: Gallery, damage: str) -> None:
    files = [file for file in (gallery.path / "pictures.lance" / "_indices").rglob("*") if file.is_file()]
    assert files
    if damage == "dropped":
        PictureTable.open(gallery.path).drop_index()
    for file in [] if damage == "dropped" else files:
        if damage == "gone":
            file.unlink()
        else:
            data = file.read_bytes()
            file.write_bytes(b"\x13" * len(data) if damage == "garbled" else data[: len(data) // 2])
    reader = Gallery.open(gallery.path)
    queries = clustered(5, DIM, seed=1)
    found, compared = reader.answers(queries, 10, exact=False)
    assert compared
    assert found == reader.nearest(queries, 10)
    assert "every picture" in reader.trouble
    ann = kept(gallery, wanted=True)
    assert ann is not None
    reader.refresh()
    assert reader.answers(queries, 10, exact=False)[1] is False
    assert reader.trouble == ""


@pytest.mark.parametrize(
    ("change", "what"),
    [({"schema": 2}, "schema 2"), ({"state": "new"}, "damaged"), ({"near": None}, "damaged"), (None, "damaged")],
    ids=str,
)
def test_facts_of_another_version_or_garbled_ones_are_told_and_made_anew(
    gallery: Gallery, change: dict[str, object] | None, what: str
) -> None:
    file = gallery.path / "ann.json"
    file.write_text("{" if change is None else json.dumps({**json.loads(file.read_text()), **change}))
    assert gallery.answers(clustered(2, DIM), 10, exact=False)[1] is True
    assert what in gallery.trouble
    assert "--ann" in gallery.trouble
    with pytest.raises(SamekindError, match=what):
        read_ann(gallery.path, gallery.meta.uuid)
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert ann.state == "ready"
    assert gallery.answers(clustered(2, DIM), 10, exact=False)[1] is False
    assert gallery.trouble == ""


def test_an_index_of_points_of_the_ball_is_refused_and_none_is_built_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = made(tmp_path / "g", clustered(1200, DIM) * np.float32(0.5), "poincare")
    with pytest.raises(UsageError, match=r"space poincare.*searches are exact"):
        gallery.add(tmp_path, ann=True)
    monkeypatch.setattr(ann_build, "AUTOMATIC", 1000)
    assert kept(gallery) is None
    assert gallery.answers(gallery.snapshot().vectors_of([3]), 10, exact=False)[1] is True


def test_vectors_that_make_no_whole_bytes_of_bits_are_indexed_as_they_are(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(ROWS, 17))
    ann = kept(gallery, wanted=True)
    assert ann is not None
    assert (ann.state, ann.kind) == ("ready", "IvfFlat")
    queries = clustered(40, 17, seed=4)
    found, compared = gallery.answers(queries, 10, exact=False)
    assert not compared
    assert shared(found, gallery.nearest(queries, 10)) >= CLOSE
