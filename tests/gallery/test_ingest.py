"""What indexing does with new, unchanged, changed, moved, doubled, touched, broken and removed pictures."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from palette import PaletteRetriever, paint, places

from samekind.errors import SamekindError, UsageError
from samekind.gallery import ingest
from samekind.gallery.report import Progress
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable
from samekind.reading import opening


def uris(gallery: Gallery) -> set[str]:
    return {uri for row in places(gallery).values() for uri, _ in row}


def table(gallery: Gallery) -> list[dict[str, object]]:
    batches = list(PictureTable.open(gallery.path).scan(["*"]))
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def test_a_row_says_what_the_picture_is_and_where(gallery: Gallery, photos: Path, retriever: PaletteRetriever) -> None:
    import hashlib

    file = photos / "deep" / "4.png"
    row = next(row for row in table(gallery) if row["uri"] == str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    vector = row.pop("vector")
    seq = row.pop("seq")
    assert row == {
        "id": digest[:24],
        "uri": str(file),
        "domain": "photo",
        "content_hash": digest,
        "size": file.stat().st_size,
        "mtime_ns": file.stat().st_mtime_ns,
        "width": 16,
        "height": 12,
        "copies": [],
    }
    assert seq == 4  # files before folders, in the order of names
    np.testing.assert_array_equal(np.array(vector, np.float32), retriever.encode_images([file])[0])


def test_a_second_run_reads_and_writes_nothing(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, encoded = PictureTable.open(gallery.path).version, retriever.encoded
    monkeypatch.setattr(opening, "read", None)  # calling it would raise
    report = gallery.add(photos)
    assert (report.listed, report.unchanged, report.encoded, retriever.encoded) == (6, 6, 0, encoded)
    assert PictureTable.open(gallery.path).version == before


def test_a_new_picture_alone_is_encoded(gallery: Gallery, photos: Path, retriever: PaletteRetriever) -> None:
    paint(photos / "new.png", 99)
    encoded = retriever.encoded
    report = gallery.add(photos)
    assert (report.new, report.unchanged, report.rows) == (1, 6, 7)
    assert retriever.encoded == encoded + 1


def test_other_content_at_the_same_place_replaces_the_row(gallery: Gallery, photos: Path) -> None:
    before = places(gallery)
    paint(photos / "0.png", 99)
    report = gallery.add(photos)
    after = places(gallery)
    assert (report.changed, report.rows) == (1, 6)
    assert uris(gallery) == {uri for row in before.values() for uri, _ in row}
    assert len(before.keys() - after.keys()) == len(after.keys() - before.keys()) == 1


def test_a_moved_picture_is_not_encoded_again_and_keeps_id_and_domain(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    before, encoded = places(gallery), retriever.encoded
    (photos / "0.png").rename(photos / "deep" / "zero.png")
    report = gallery.add(photos)
    assert (report.moved, report.removed, report.rows, retriever.encoded) == (1, 0, 6, encoded)
    name = next(name for name, row in before.items() if (str(photos / "0.png"), "photo") in row)
    assert places(gallery)[name] == {(str(photos / "deep" / "zero.png"), "photo")}


def test_files_renamed_in_a_circle_are_not_encoded_again(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 1)
    encoded = retriever.encoded
    names = [f"{n}.png" for n in range(4)]
    expected = {(photos / name).read_bytes(): photos / names[(at + 1) % 4] for at, name in enumerate(names)}
    for content, file in expected.items():
        file.with_suffix(".new").write_bytes(content)
    for file in expected.values():
        file.with_suffix(".new").rename(file)
    report = gallery.add(photos)
    assert (report.changed, report.rows, retriever.encoded) == (4, 6, encoded)


def test_a_picture_moved_to_another_source_is_followed_without_its_old_folder(gallery: Gallery, photos: Path) -> None:
    other = photos.parent / "other"
    other.mkdir()
    (photos / "0.png").rename(other / "0.png")
    report = gallery.add(other)
    assert (report.moved, report.duplicates) == (1, 0)
    assert str(photos / "0.png") not in uris(gallery)


def test_an_exact_duplicate_is_stored_once_with_all_its_places(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    encoded = retriever.encoded
    shutil.copy(photos / "0.png", photos / "a copy.png")
    shutil.copy(photos / "0.png", photos.parent / "single.png")
    report = gallery.add(photos, photos.parent / "single.png", domain="copied")
    assert (report.duplicates, report.rows, retriever.encoded) == (2, 6, encoded)
    row = next(row for row in table(gallery) if row["copies"])
    found = [row["uri"], *(copy["uri"] for copy in row["copies"])]
    assert found == sorted(map(str, (photos / "0.png", photos / "a copy.png", photos.parent / "single.png")))


def test_a_hit_is_found_by_and_reported_with_the_copy_in_the_wanted_domain(gallery: Gallery, photos: Path) -> None:
    copy = photos.parent / "z.png"
    shutil.copy(photos / "0.png", copy)
    gallery.add(copy, domain="sketch")
    (hit,) = gallery.search(image=copy, domains=["sketch"])
    assert (hit.uri, hit.domain) == (str(copy), "sketch")
    assert gallery.search(image=copy, k=1)[0].uri == str(photos / "0.png")
    assert gallery.search(image=copy, domains=["sketch", "photo"])[0].uri == str(photos / "0.png")
    assert len(gallery.search(image=copy, domains=["sketch", "photo"])) == 6


def test_a_copy_that_goes_leaves_the_other_places(gallery: Gallery, photos: Path) -> None:
    shutil.copy(photos / "0.png", photos / "7.png")
    gallery.add(photos)
    (photos / "0.png").unlink()
    report = gallery.add(photos)
    assert (report.removed, report.rows) == (1, 6)
    assert str(photos / "7.png") in uris(gallery)
    assert str(photos / "0.png") not in uris(gallery)


def test_a_touched_picture_gets_its_new_stamp_and_nothing_else(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    encoded, before = retriever.encoded, table(gallery)
    os.utime(photos / "0.png", ns=(1, 12345))
    report = gallery.add(photos)
    assert (report.touched, report.encoded, retriever.encoded) == (1, 0, encoded)
    expected = [{**row, "mtime_ns": 12345} if row["uri"] == str(photos / "0.png") else row for row in before]
    assert sorted(table(gallery), key=lambda row: row["seq"]) == expected
    assert gallery.add(photos).unchanged == 6


def test_a_domain_given_anew_is_taken_over_and_none_leaves_the_old_one(gallery: Gallery, photos: Path) -> None:
    assert gallery.add(photos, domain="drawing").relabelled == 6
    assert gallery.domains == ["drawing"]
    assert gallery.add(photos).relabelled == 0
    assert gallery.domains == ["drawing"]


def test_removed_pictures_leave_only_by_a_folder_that_they_were_in(gallery: Gallery, photos: Path) -> None:
    (photos / "0.png").unlink()
    (photos / "deep" / "4.png").unlink()
    listed = photos.parent / "list.txt"
    listed.write_text(f"{photos / '1.png'}\n")
    assert gallery.add(listed).removed == 0
    assert gallery.add(photos / "1.png").removed == 0
    assert gallery.add(photos / "deep").removed == 1
    assert gallery.add(photos).removed == 1
    assert len(uris(gallery)) == 4


def test_a_folder_whose_name_begins_alike_is_another_folder(gallery: Gallery, photos: Path) -> None:
    twin = photos.with_name("photos2")
    paint(twin / "a.png", 50)
    paint(twin / "b.png", 51)
    gallery.add(twin)
    (twin / "a.png").unlink()
    assert gallery.add(photos).removed == 0


def test_a_picture_that_is_there_but_not_listed_by_its_folder_stays(gallery: Gallery, photos: Path) -> None:
    hidden = paint(photos / ".hidden.png", 77)
    gallery.add(hidden)
    assert gallery.add(photos).removed == 0
    assert str(hidden) in uris(gallery)


def test_an_empty_folder_is_refused_and_empties_nothing(gallery: Gallery, photos: Path) -> None:
    shutil.rmtree(photos)
    photos.mkdir()
    with pytest.raises(SamekindError, match=r"No pictures found in .*photos.*mounted"):
        gallery.add(photos)
    assert len(uris(gallery)) == 6


def test_a_folder_that_cannot_be_read_keeps_its_pictures(
    gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = gallery.add(photos)
    assert (report.skipped, report.removed) == (1, 0)
    assert len(uris(gallery)) == 6


def test_broken_pictures_are_skipped_with_their_reason_and_the_rest_goes_on(gallery: Gallery, photos: Path) -> None:
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.jpg").write_text("no picture")
    (photos / "short.png").write_bytes((photos / "0.png").read_bytes()[:60])
    paint(photos / "zz.png", 99)
    report = gallery.add(photos)
    lines = [json.loads(line) for line in (gallery.path / "skipped.jsonl").read_text().splitlines()]
    assert (report.skipped, report.new, report.listed) == (3, 1, 10)
    assert {Path(line["uri"]).name for line in lines} == {"empty.png", "text.jpg", "short.png"}
    assert next(line["reason"] for line in lines if "empty" in line["uri"]) == "empty"
    assert all(Path(line["uri"]).name in line["detail"] for line in lines)
    (photos / "empty.png").unlink()
    (photos / "text.jpg").unlink()
    (photos / "short.png").unlink()
    gallery.add(photos)
    assert (gallery.path / "skipped.jsonl").read_text() == ""


def test_a_picture_that_became_broken_leaves_the_gallery(gallery: Gallery, photos: Path) -> None:
    (photos / "0.png").write_text("no picture any more")
    report = gallery.add(photos)
    assert (report.skipped, report.removed, report.rows) == (1, 1, 5)


def test_a_picture_that_cannot_be_read_for_now_stays(
    gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samekind.images.errors import UnreadableError

    def refuse(uri: str, **_: object) -> bytes:
        raise UnreadableError(f"{uri} cannot be read: input/output error")

    os.utime(photos / "0.png", ns=(1, 1))
    monkeypatch.setattr(opening, "read", refuse)
    report = gallery.add(photos)
    assert (report.skipped, report.removed, report.rows) == (1, 0, 6)


def test_a_picture_without_a_usable_vector_is_skipped(photos: Path, tmp_path: Path) -> None:
    class Blind(PaletteRetriever):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            vectors = super().encode_pixels(pixels, domain)
            vectors[0] = np.nan
            return vectors

    shutil.copy(photos / "0.png", photos / "deep" / "same.png")
    gallery = Gallery.open(tmp_path / "g", Blind(), create=True)
    told: list[Progress] = []
    report = gallery.add(photos, progress=told.append)
    assert (report.skipped, report.rows) == (2, 5)
    assert (told[-1].done, told[-1].skipped, told[-1].total) == (5, 2, 7)
    assert {json.loads(line)["reason"] for line in (gallery.path / "skipped.jsonl").open()} == {"no_vector"}


def test_sources_that_overlap_count_a_picture_once(tmp_path: Path, photos: Path, retriever: PaletteRetriever) -> None:
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    report = gallery.add(photos, photos / "deep", photos / "0.png")
    assert (report.listed, report.new, report.rows) == (6, 6, 6)


def test_a_relative_source_and_an_absolute_one_mean_the_same_pictures(
    gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos / "deep")
    assert gallery.add("..").unchanged == 6
    assert gallery.add("../../photos").unchanged == 6
    (photos / "0.png").unlink()
    assert gallery.add("../../photos").removed == 1


@pytest.mark.parametrize("arguments", [{"domain": "a", "domain_from_folder": True}, {"workers": 0}])
def test_contradictions_are_refused(gallery: Gallery, photos: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        gallery.add(photos, **arguments)


def test_nothing_to_index_and_a_missing_source_are_refused(gallery: Gallery, photos: Path) -> None:
    with pytest.raises(UsageError, match="nothing to index"):
        gallery.add()
    with pytest.raises(UsageError, match="nowhere"):
        gallery.add(photos / "nowhere")
