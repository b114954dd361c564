"""A gallery in shards answers as the gallery itself does, bit for bit, at one version; shards are of this process."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from here import Here
from palette import PaletteRetriever, paint
from rows import appended, clustered, made

from samekind.errors import SamekindError, UsageError
from samekind.gallery.parts import Part
from samekind.gallery.shards.shard import Edition, Shard, Told
from samekind.gallery.shards.sharded import ShardedGallery
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable
from samekind.gallery.vectors import load_snapshot


def twins(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Vectors of which many are the same, in other shards too."""
    rows = clustered(count, dim, seed)
    rows[count // 2 :] = rows[: count - count // 2]
    return rows


FILTERS: list[dict[str, Any]] = [
    {},
    {"k": 1},
    {"k": 700},
    {"k": 5000},
    {"k": 7, "offset": 300},
    {"k": 10, "offset": 4000},
    {"domains": ["photo"]},
    {"domains": ["sketch", "cartoon"], "k": 50, "offset": 3},
    {"where": "width > 500 AND uri LIKE '%7%'"},
    {"where": "width > 5000"},
    {"where": "id = '000000000000000000000001' OR true", "domains": ["photo"], "k": 2000},
]


@pytest.mark.parametrize(("space", "count"), [("cosine", 1), ("cosine", 3), ("poincare", 2), ("cosine", 11)])
def test_answers_are_those_of_the_gallery_bit_for_bit(tmp_path: Path, space: str, count: int) -> None:
    scale = np.float32(1 if space == "cosine" else 0.7)
    vectors = twins(2500, 12) * scale
    gallery = made(tmp_path / "g", vectors, space)
    sharded = ShardedGallery(gallery, Here(gallery.path, count))
    queries = np.concatenate([clustered(4, 12, 5) * scale, vectors[[0, 1249, 2499]]])
    for chosen in FILTERS if count < 11 else FILTERS[:8]:  # the last of eleven has no rows
        assert sharded.answers(queries, **chosen) == gallery.answers(queries, **chosen), chosen
    assert sharded.nearest(queries[:1]) == gallery.nearest(queries[:1])
    assert (sharded.rows, sharded.version, sharded.domains) == (gallery.rows, gallery.version, gallery.domains)
    assert list(sharded.domain_counts.items()) == list(gallery.domain_counts.items())
    for domains in ([], ["photo"], ["photo", "sketch"]):
        assert sharded.matching(domains) == gallery.matching(domains)


def test_parts_share_out_every_row_and_each_loads_its_own_alone(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(3000, 8))
    parts = [Part(number, 4) for number in range(4)]
    loaded = [load_snapshot(gallery.path, gallery.meta, part) for part in parts]
    assert sorted(seq for one in loaded for seq in one.seq) == list(range(3000))
    assert max(map(len, loaded)) - min(map(len, loaded)) <= 256
    for part, one in zip(parts, loaded, strict=True):
        assert part.has(one.seq).all()
        assert isinstance(one.vectors, np.memmap)
        np.testing.assert_array_equal(one.vectors, gallery.snapshot().vectors[one.seq])


def test_a_part_grows_at_its_end_in_the_file_that_it_has(tmp_path: Path) -> None:
    gallery, part = made(tmp_path / "g", clustered(1000, 8)), Part(1, 2)
    before = load_snapshot(gallery.path, gallery.meta, part)
    (file,) = (gallery.path / "cache" / part.name).glob("*.f32")
    inode = file.stat().st_ino
    appended(gallery.path, clustered(1000, 8, 1))
    after = load_snapshot(gallery.path, gallery.meta, part)
    assert [each.stat().st_ino for each in (gallery.path / "cache" / part.name).glob("*.f32")] == [inode]
    assert len(after) > len(before)
    np.testing.assert_array_equal(after.vectors[: len(before)], before.vectors)


def test_a_folder_that_cannot_be_written_has_its_parts_in_memory(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(1000, 8))
    (gallery.path / "cache").write_text("in the way")
    sharded = ShardedGallery(gallery, Here(gallery.path, 2))
    assert not isinstance(load_snapshot(gallery.path, gallery.meta, Part(0, 2)).vectors, np.memmap)
    queries = clustered(3, 8, 5)
    assert sharded.answers(queries) == gallery.answers(queries)


def test_pictures_are_told_with_all_their_places(gallery: Gallery, photos: Path) -> None:
    paint(photos / "again.png", 0)
    gallery.add(photos, domain="photo")
    shards = Here(gallery.path, 2)
    sharded = ShardedGallery(gallery, shards)
    (hit,) = gallery.search(image=photos / "0.png", k=1)
    found, known = sharded.picture(hit.id), gallery.picture(hit.id)
    assert found is not None
    assert known is not None
    assert found.places == known.places == [(str(photos / name), "photo") for name in ("0.png", "again.png")]
    assert (found.width, found.height, found.size) == (known.width, known.height, known.size)
    np.testing.assert_array_equal(found.vector, known.vector)
    asked = shards.asked
    assert sharded.picture(hit.id) is found  # nobody is asked twice
    assert shards.asked == asked
    assert sharded.picture("0" * 24) is None
    for roots, urls in (([str(photos)], False), ([str(photos / "deep")], False), ([], True)):
        assert sharded.outside(roots, urls=urls) == gallery.outside(roots, urls=urls)


def test_a_search_by_picture_is_that_of_the_gallery(gallery: Gallery, photos: Path) -> None:
    sharded = ShardedGallery(gallery, Here(gallery.path, 2))
    ours, theirs = (each.search(image=photos / "1.png", text="red", k=4) for each in (sharded, gallery))
    assert ours.hits == theirs.hits
    assert (ours.rows, ours.exact, ours.retriever) == (theirs.rows, theirs.exact, theirs.retriever)


@pytest.mark.parametrize(
    "wrong",
    [
        {"domains": ["toy"]},
        {"domains": ["photo", "toy", "atlas"]},
        {"k": 0},
        {"where": "widht > 3"},
        {"where": ""},
        {"where": "widht > 3", "domains": ["toy"]},
    ],
)
def test_mistakes_are_told_in_the_words_of_the_gallery(tmp_path: Path, wrong: dict[str, Any]) -> None:
    gallery = made(tmp_path / "g", clustered(600, 8))
    sharded = ShardedGallery(gallery, Here(gallery.path, 3))
    with pytest.raises(UsageError) as theirs:
        gallery.answers(clustered(1, 8), **wrong)
    with pytest.raises(UsageError) as ours:
        sharded.answers(clustered(1, 8), **wrong)
    assert str(ours.value) == str(theirs.value)
    if "where" not in wrong and "k" not in wrong:
        with pytest.raises(UsageError, match="toy"):
            sharded.matching(wrong["domains"])


def test_an_empty_gallery_says_so_and_grows(tmp_path: Path, retriever: PaletteRetriever, photos: Path) -> None:
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    sharded = ShardedGallery(gallery, Here(gallery.path, 2))
    assert (sharded.rows, sharded.domains, sharded.newer()) == (0, [], None)
    with pytest.raises(SamekindError, match="no pictures yet"):
        sharded.search(text="red")
    gallery.add(photos)
    fresh = sharded.newer()
    assert fresh is not None
    assert fresh.search(text="red").hits == gallery.search(text="red").hits


def test_what_is_seen_stays_until_it_is_asked_for_newer(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(1000, 8))
    sharded, queries = ShardedGallery(gallery, Here(gallery.path, 3)), clustered(5, 8, 5)
    before = gallery.answers(queries)
    appended(gallery.path, clustered(700, 8, 1))
    assert sharded.answers(queries) == before
    fresh = sharded.newer()
    assert fresh is not None
    gallery.refresh()
    assert fresh.answers(queries) == gallery.answers(queries) != before
    assert sharded.answers(queries) == before  # who began with it keeps it


def test_an_answer_is_never_of_two_versions(tmp_path: Path) -> None:
    """A shard is lost and comes back, at a version that the others do not have yet, as another is committed."""
    gallery = made(tmp_path / "g", clustered(1000, 8))
    queries, shards = clustered(5, 8, 5), Here(gallery.path, 3)
    sharded = ShardedGallery(gallery, shards)
    expected = {}

    def commit() -> None:
        appended(gallery.path, clustered(300, 8, gallery.version))
        gallery.refresh()
        expected[gallery.version] = gallery.answers(queries)

    def lose(number: int, wanted: Edition | None, what: str) -> None:
        if number == 1 and len(expected) < 3:
            commit()
            load_snapshot(gallery.path, gallery.meta, Part(1, 3))  # another replica has gone on already
            shards.shards[1] = Shard(gallery.path, Part(1, 3))

    shards.before = lose
    found = sharded.answers(queries)
    assert len(expected) == 3
    assert found == expected[sharded.version]
    assert sharded.rows == gallery.rows
    assert sharded.domain_counts == gallery.domain_counts


def test_a_version_that_is_not_the_newest_is_loaded_where_it_is_still_there(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(1000, 8))
    sharded, queries = ShardedGallery(gallery, shards := Here(gallery.path, 2)), clustered(5, 8, 5)
    appended(gallery.path, clustered(300, 8, 1))
    gallery.refresh()
    wanted, before = gallery.version, gallery.answers(queries)
    appended(gallery.path, clustered(300, 8, 2))
    assert {one.edition.version for one in shards.ask(Edition(gallery.meta.uuid, wanted), "facts")} == {wanted}
    sharded._edition = Edition(gallery.meta.uuid, wanted)
    assert sharded.answers(queries) == before


def test_a_filter_on_a_version_that_was_tidied_away_goes_on_with_the_newest(tmp_path: Path) -> None:
    from datetime import timedelta

    gallery = made(tmp_path / "g", clustered(1000, 8))
    sharded, queries = ShardedGallery(gallery, Here(gallery.path, 2)), clustered(5, 8, 5)
    appended(gallery.path, clustered(300, 8, 1))
    PictureTable.open(gallery.path).tidy(timedelta(0))
    gallery.refresh()
    assert sharded.answers(queries, where="width > 3") == gallery.answers(queries, where="width > 3")
    assert sharded.version == gallery.version
    assert sharded.rows == 1300


def test_shards_that_never_meet_are_an_error(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(100, 8))
    sharded = ShardedGallery(gallery, shards := Here(gallery.path, 2))
    real, numbers = shards.ask, iter(range(100, 1000))

    def restless(wanted: Edition | None, what: str, *details: Any) -> list[Told]:
        first, second = real(wanted, what, *details)
        return [first, Told(Edition(second.edition.uuid, next(numbers)), second.value)]

    shards.ask = restless  # type: ignore[method-assign]
    with pytest.raises(SamekindError, match="changes faster"):
        sharded.answers(clustered(1, 8))


def test_a_gallery_that_is_gone_is_told(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(100, 8))
    shards = Here(gallery.path, 2)
    gallery.path.rename(tmp_path / "h")
    with pytest.raises(SamekindError, match="does not exist"):
        ShardedGallery(gallery, shards)


def test_another_gallery_at_the_same_place_is_gone_over_to(tmp_path: Path, photos: Path) -> None:
    retriever = PaletteRetriever()
    for name in ("g", "h"):
        Gallery.open(tmp_path / name, retriever, create=True).add(photos)
    Gallery.open(tmp_path / "h", retriever).add(paint(tmp_path / "more.png", 50))
    sharded = ShardedGallery(Gallery.open(tmp_path / "g", retriever), Here(tmp_path / "g", 2))
    (tmp_path / "g").rename(tmp_path / "old")
    (tmp_path / "h").rename(tmp_path / "g")
    fresh = sharded.newer()
    assert fresh is not None
    assert fresh.rows == 7
    assert fresh.meta.uuid != sharded.meta.uuid


def test_replicas_of_a_part_make_its_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, part = made(tmp_path / "g", clustered(1000, 8)), Part(0, 2)
    scans: list[object] = []
    scan, begin = PictureTable.scan, threading.Barrier(2)

    def counted(self: PictureTable, columns: Any, *args: Any, **named: Any) -> Any:
        if "vector" in columns:
            scans.append(columns)
        else:
            begin.wait(60)  # both have found no file by now
        return scan(self, columns, *args, **named)

    monkeypatch.setattr(PictureTable, "scan", counted)
    shards = [Shard(gallery.path, part) for _ in range(2)]
    threads = [threading.Thread(target=shard.load, args=(None,)) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scans) == 1
    for shard in shards:
        ((_, snapshot),) = shard._held.items()
        assert isinstance(snapshot.vectors, np.memmap)


def test_a_shard_keeps_the_two_newest_versions(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(600, 8))
    shard = Shard(gallery.path, Part(0, 2))
    told = []
    for seed in range(3):
        told.append(shard.ask(None, "facts").edition)
        appended(gallery.path, clustered(10, 8, seed))
    assert list(shard._held) == told[1:]


def test_rows_by_domain_are_added_up_with_those_of_none_last(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(1000, 8))
    ids = [f"{number:024x}" for number in range(300)]
    PictureTable.open(gallery.path).update(pa.table({"id": ids, "domain": pa.array([None] * 300, pa.string())}))
    gallery.refresh()
    sharded = ShardedGallery(gallery, Here(gallery.path, 4))
    assert list(sharded.domain_counts.items()) == list(gallery.domain_counts.items())
    assert list(sharded.domain_counts)[-1] is None
