"""One row of a gallery by its id: its places, its vector; rows by domain; the folders they came from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from palette import PaletteRetriever, paint
from PIL import Image
from test_ball import Points, picture, scattered

from samekind.errors import SamekindError, UsageError
from samekind.gallery.store import Gallery


def test_every_id_leads_to_its_row_its_places_and_its_vector(gallery: Gallery, retriever: PaletteRetriever) -> None:
    snapshot = gallery.snapshot()
    ids = snapshot.rows.column("id").to_pylist()
    assert [snapshot.row_of(name) for name in ids] == list(range(len(snapshot)))
    assert snapshot.row_of("nothing") is None
    uris = [snapshot.places(row)[0][0] for row in range(len(snapshot))]
    np.testing.assert_array_equal(snapshot.vectors_of(range(len(snapshot))), retriever.encode_images(uris))
    np.testing.assert_array_equal(snapshot.vectors_of([3, 1]), retriever.encode_images([uris[3], uris[1]]))


def test_the_vector_of_a_row_of_the_ball_is_the_retrievers_point(tmp_path: Path) -> None:
    points = scattered(np.random.default_rng(0), 30, 5, "mixed")
    for number in range(30):
        picture(number).save(tmp_path / f"{number:03}.png")
    gallery = Gallery.open(tmp_path / "g", Points(points), create=True)
    gallery.add(*(tmp_path / f"{number:03}.png" for number in range(30)))
    snapshot = gallery.snapshot()
    found = snapshot.vectors_of(range(30))
    order = [int(Path(snapshot.places(row)[0][0]).stem) for row in range(30)]
    np.testing.assert_allclose(found, points[order], rtol=1e-6, atol=1e-12)
    for row in (0, 7, 29):  # and searching with it finds the picture itself first, at distance 0
        (hit,) = gallery.nearest(found[row][None], 1)[0]
        assert hit.id == snapshot.rows.column("id")[row].as_py()
        assert hit.score == pytest.approx(1.0, abs=1e-6)


def test_places_of_copies_count_for_each_of_their_domains(tmp_path: Path, retriever: PaletteRetriever) -> None:
    first = paint(tmp_path / "a" / "1.png", 1)
    paint(tmp_path / "a" / "2.png", 2)
    (tmp_path / "b").mkdir()
    shutil.copy(first, tmp_path / "b" / "same.png")
    paint(tmp_path / "3.png", 3)
    gallery = Gallery.open(tmp_path / "gallery", retriever, create=True)
    gallery.add(tmp_path / "a", tmp_path / "b", tmp_path / "3.png", domain_from_folder=False)
    assert gallery.snapshot().domain_counts == {None: 3}
    gallery.add(tmp_path / "a", domain="photo")
    gallery.add(tmp_path / "b", domain="sketch")
    assert gallery.snapshot().domain_counts == {"photo": 2, "sketch": 1, None: 1}
    assert gallery.matching() == gallery.matching([]) == 3
    assert gallery.matching(["photo"]) == gallery.matching(["photo", "sketch"]) == 2
    assert gallery.matching(["sketch"]) == 1
    with pytest.raises(UsageError, match="No picture has the domain etching"):
        gallery.matching(["etching"])
    row = gallery.snapshot().row_of(gallery.search(image=first, k=1)[0].id)
    assert row is not None
    assert gallery.snapshot().places(row) == [(str(first), "photo"), (str(tmp_path / "b" / "same.png"), "sketch")]


def test_a_commit_by_others_is_seen_from_outside_before_it_is_searched(gallery: Gallery, photos: Path) -> None:
    assert gallery.newer() is None
    before = gallery.version
    paint(photos / "new.png", 99)
    Gallery.open(gallery.path, PaletteRetriever()).add(photos)
    newer = gallery.newer()
    assert newer is not None
    assert gallery.version == before < newer.version
    gallery.refresh()
    assert gallery.version == newer.version


def test_a_gallery_remembers_the_folders_that_it_was_indexed_from(tmp_path: Path, retriever: PaletteRetriever) -> None:
    pictures = [paint(tmp_path / name, seed) for seed, name in enumerate(("in/a/1.png", "in/b/2.png", "x/3.png"))]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "l.txt").write_text(f"{pictures[2]}\n")
    gallery = Gallery.open(tmp_path / "gallery", retriever, create=True)
    assert gallery.roots == ()
    gallery.add(tmp_path / "in" / "a")
    assert gallery.roots == (str(tmp_path / "in" / "a"),)
    gallery.add(tmp_path / "in" / "x" / ".." / "b" / "2.png")
    assert gallery.roots == (str(tmp_path / "in" / "a"), str(tmp_path / "in" / "b"))
    gallery.add(tmp_path / "lists" / "l.txt")
    gallery.add(tmp_path / "in")
    assert gallery.roots == (str(tmp_path / "in"), str(tmp_path / "lists"))
    assert Gallery.open(gallery.path).roots == gallery.roots


def test_a_source_without_pictures_is_no_root(gallery: Gallery, tmp_path: Path) -> None:
    known = gallery.roots
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamekindError, match="No pictures found"):
        gallery.add(tmp_path / "empty")
    assert Gallery.open(gallery.path).roots == gallery.roots == known


def test_a_gallery_that_was_made_before_roots_were_noted_has_none_until_it_is_indexed_again(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    meta = gallery.path / "gallery.json"
    values = json.loads(meta.read_text())
    del values["roots"]
    meta.write_text(json.dumps(values))
    opened = Gallery.open(gallery.path, retriever)
    assert opened.roots == ()
    opened.add(photos)
    assert opened.roots == (str(photos),)


@pytest.mark.parametrize("roots", ["/", [1], {"a": 1}, None])
def test_roots_that_are_no_folders_are_damage(gallery: Gallery, roots: object) -> None:
    meta = gallery.path / "gallery.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "roots": roots}))
    with pytest.raises(SamekindError, match=r"damaged.*roots"):
        Gallery.open(gallery.path)


def test_a_rows_measures_are_those_of_its_picture(gallery: Gallery) -> None:
    snapshot = gallery.snapshot()
    for row in range(len(snapshot)):
        file = Path(snapshot.places(row)[0][0])
        with Image.open(file) as picture:
            assert snapshot.measures(row) == (*picture.size, file.stat().st_size)
