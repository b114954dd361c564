"""The index of a gallery, built by workers of a Ray cluster of this machine, finds what one built here finds."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from palette import PaletteRetriever, paint
from rows import appended, clustered, columns, made

from samekind.gallery.ann.cluster import PARTS, ClusterBuilder
from samekind.gallery.ann.record import read_ann
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable
from samekind.reading.cluster.local import local_cluster

if TYPE_CHECKING:
    from object_storage import Bucket

lance_ray = pytest.importorskip("lance_ray", reason="needs lance-ray, which is not installed: pip install lance-ray")

ROWS, DIM = 1500, 48  # numbers as the palette has
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster with two processors, of whatever this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers find rows.py
        with local_cluster(2) as found:
            yield found


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Rows in three files, as in a gallery of some million."""
    found = made(tmp_path / "g", clustered(ROWS, DIM))
    for seed in (1, 2):
        appended(found.path, clustered(ROWS, DIM, seed))
    return found


def parts(gallery: Gallery) -> int:
    facts = PictureTable.open(gallery.path).index()
    assert facts is not None
    assert facts.missing == 0
    return facts.parts


def test_indexing_on_a_cluster_builds_there_and_grows_here(gallery: Gallery, address: str, tmp_path: Path) -> None:
    paint(tmp_path / "pictures" / "1.png", 1)
    report = gallery.add(tmp_path / "pictures", ann=True, ray=address)
    assert report.new == 1
    ann = read_ann(gallery.path, gallery.meta.uuid)
    assert ann is not None
    assert (ann.state, ann.rows, ann.built) == ("ready", 3 * ROWS + 1, "by 2 workers of a Ray cluster")
    assert "built by 2 workers" in ann.summary()
    assert parts(gallery) == 2
    queries = clustered(40, DIM, 9)
    found, compared = gallery.answers(queries, 10, exact=False)
    true, _ = gallery.answers(queries, 10)
    assert not compared
    assert sum(len(set(a) & set(b)) for a, b in zip(found, true, strict=True)) >= 0.95 * 400
    paint(tmp_path / "pictures" / "2.png", 2)
    gallery.add(tmp_path / "pictures")
    assert parts(gallery) == 3
    assert gallery.answers(queries, 10, exact=False)[1] is False


def test_where_the_cluster_fails_the_index_is_built_here_and_the_reason_told(
    gallery: Gallery, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("the actor died, /rust/somewhere.rs:1:2")

    monkeypatch.setattr(lance_ray, "create_index", failing)
    told = ClusterBuilder(address)(PictureTable.open(gallery.path), 1, DIM)
    assert told == "here, as the Ray cluster did not: the actor died"
    assert parts(gallery) == 1


def test_a_table_in_object_storage_gets_its_index_from_a_cluster_too(bucket: "Bucket", tmp_path: Path) -> None:
    for seed in range(2):
        paint(tmp_path / "pictures" / f"{seed}.png", seed)
    opened = Gallery.open(bucket.uri("g"), PaletteRetriever(), create=True)
    opened.add(tmp_path / "pictures")
    table = PictureTable.open(opened.path)
    for seed in (1, 2):
        numbers = range(seed * ROWS, (seed + 1) * ROWS)
        table.append(columns(numbers, clustered(ROWS, DIM, seed)))
    with local_cluster(2) as address:  # which has the bucket's credentials
        assert ClusterBuilder(address)(table, 1, DIM) == "by 2 workers of a Ray cluster"
    facts = PictureTable.open(opened.path).index()
    assert facts is not None
    assert (facts.rows, facts.missing) == (2 + 2 * ROWS, 0)


def test_what_one_worker_can_do_is_done_here_without_a_cluster(tmp_path: Path) -> None:
    nobody = ClusterBuilder("127.0.0.1:1")
    assert made(tmp_path / "g", clustered(ROWS, DIM)).rows == ROWS  # in one file
    assert nobody(PictureTable.open(tmp_path / "g"), 1, DIM) == ""
    narrow = made(tmp_path / "n", clustered(ROWS, 12))
    appended(narrow.path, clustered(ROWS, 12, 1))
    assert nobody(PictureTable.open(narrow.path), 1, 12) == "", "an index of bits takes whole bytes"
    wide = made(tmp_path / "w", clustered(ROWS, DIM))
    appended(wide.path, clustered(ROWS, DIM, 1))
    assert "cannot be joined" in nobody(PictureTable.open(wide.path), 1, DIM)
    assert parts(wide) == 1


def test_the_parts_leave_room_for_those_of_growing() -> None:
    from samekind.gallery.ann import build

    assert 2 * PARTS <= build._PARTS
