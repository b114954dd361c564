"""Searching a gallery: what comes back, with which filters, and for whom."""

from pathlib import Path

import numpy as np
import pytest
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery.query import Query
from samekind.gallery.store import Gallery
from samekind.images.errors import ImageError


def test_hits_as_json_are_what_the_interface_says(gallery: Gallery, photos: Path, retriever: PaletteRetriever) -> None:
    found = gallery.search(image=photos / "1.png", k=2).to_json()
    assert list(found) == ["schema", "gallery", "exact", "seconds", "hits"]
    assert found["schema"] == 1
    assert found["gallery"] == {"rows": 6, "retriever": retriever.sha256}
    assert found["exact"] is True
    assert list(found["seconds"]) == ["encode", "search"]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    assert list(found["hits"][0]) == ["rank", "score", "uri", "domain", "id"]
    assert found["hits"][0]["uri"] == str(photos / "1.png")
    assert found["hits"][0]["domain"] == "photo"


def test_the_querys_own_picture_is_a_hit_like_any_other(gallery: Gallery, photos: Path) -> None:
    hits = gallery.search(image=photos / "3.png")
    assert hits[0].uri == str(photos / "3.png")
    assert hits[0].score == pytest.approx(1, abs=1e-6)
    assert len(hits) == 6
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_pictures_are_found_by_path_pil_image_text_and_their_sum(tmp_path: Path, retriever: PaletteRetriever) -> None:
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{colour}.png")
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    gallery.add(*(tmp_path / f"{colour}.png" for colour in ("red", "green", "blue")))

    def best(**query: object) -> str:
        return Path(gallery.search(**query, k=1)[0].uri).stem  # type: ignore[arg-type]

    assert best(image=str(tmp_path / "green.png")) == "green"
    assert best(image=Image.new("RGB", (5, 5), "blue")) == "blue"
    assert best(text="red") == "red"
    assert best(query=Query.parse(["2:red", "green"])) == "red"
    assert best(query=Query.parse(["red", "2:green"])) == "green"
    both = gallery.search(image=tmp_path / "red.png", text="green", k=3)
    assert {Path(hit.uri).stem for hit in both.hits[:2]} == {"red", "green"}
    last = gallery.search(query=Query.parse(["red", "green", "-", "blue"]), k=3)
    assert Path(last[-1].uri).stem == "blue"


def test_equal_scores_keep_the_order_of_insertion(tmp_path: Path, retriever: PaletteRetriever) -> None:
    """The same pixels in other files: other contents with the same vector."""
    names = ["m", "c", "x", "a"]
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    for number, name in enumerate(names):
        Image.new("RGB", (10 + number, 10), "orange").save(tmp_path / f"{name}.png")
        gallery.add(tmp_path / f"{name}.png")
    for k in (2, 3, 4):
        assert [Path(hit.uri).stem for hit in gallery.search(text="orange", k=k)] == names[:k]


def test_filters_by_domain_and_sql_combine(tmp_path: Path, retriever: PaletteRetriever) -> None:
    for seed in range(12):
        paint(tmp_path / "all" / ("photo" if seed % 2 else "sketch") / f"{seed:02}.png", seed)
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    gallery.add(tmp_path / "all", domain_from_folder=True)
    everything = [hit.uri for hit in gallery.search(text="red")]
    sketches = [uri for uri in everything if "/sketch/" in uri]
    assert [hit.uri for hit in gallery.search(text="red", domains=["sketch"])] == sketches
    assert [hit.uri for hit in gallery.search(text="red", where="domain = 'sketch'")] == sketches
    assert [hit.uri for hit in gallery.search(text="red", domains=["sketch", "photo"])] == everything
    late = [uri for uri in sketches if uri.endswith(("08.png", "10.png"))]
    where = "uri LIKE '%/08.png' OR uri LIKE '%/10.png' OR uri LIKE '%/11.png'"
    assert [hit.uri for hit in gallery.search(text="red", domains=["sketch"], where=where)] == late
    assert [hit.uri for hit in gallery.search(text="red", domains=["sketch"], where=where, k=1)] == late[:1]
    assert len(gallery.search(text="red", where="width = 16 AND height = 12 AND size > 0 AND mtime_ns > 0")) == 12
    assert len(gallery.search(text="red", where="width < 0")) == 0
    assert [hit.rank for hit in gallery.search(text="red", domains=["photo"])] == [1, 2, 3, 4, 5, 6]


def test_many_queries_at_once_give_what_each_gives_alone(gallery: Gallery, retriever: PaletteRetriever) -> None:
    queries = retriever.encode_texts(["red", "green", "white"])
    together = gallery.nearest(queries, 3)
    assert together == [gallery.nearest(query[None], 3)[0] for query in queries]
    assert together[0] == gallery.search(text="red", k=3).hits


def test_leaving_the_best_out_gives_what_comes_after_them(gallery: Gallery, retriever: PaletteRetriever) -> None:
    query = retriever.encode_texts(["red"])
    (whole,) = gallery.nearest(query, 6)
    for offset in (0, 2, 5, 6, 9):
        assert gallery.nearest(query, 3, offset=offset) == [whole[offset : offset + 3]]
    assert [hit.rank for hit in gallery.nearest(query, 2, offset=3)[0]] == [4, 5]


def test_no_query_two_kinds_of_query_and_an_unusable_picture_are_refused(gallery: Gallery, photos: Path) -> None:
    with pytest.raises(UsageError, match="nothing to search for"):
        gallery.search()
    with pytest.raises(UsageError, match="Give either"):
        gallery.search(text="red", query=Query.parse(["red"]))
    with pytest.raises(ImageError, match="nowhere"):
        gallery.search(image=photos / "nowhere.png")


def test_a_gallery_opened_without_a_retriever_loads_the_one_that_filled_it(
    gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(ref: str) -> PaletteRetriever:
        asked.append(ref)
        return PaletteRetriever("changed" if len(asked) > 1 else "palette")

    monkeypatch.setattr("samekind.retriever.store.load", load)
    opened = Gallery.open(gallery.path)
    assert (opened.rows, opened.domains, asked) == (6, ["photo"], [])
    assert opened.search(image=photos / "2.png", k=1)[0].uri == str(photos / "2.png")
    assert opened.search(text="red").retriever_name == "palette"
    assert asked == ["palette"]
    with pytest.raises(SamekindError, match="filled by the retriever palette"):
        Gallery.open(gallery.path).search(text="red")


def test_a_retriever_that_has_moved_is_asked_for(
    gallery: Gallery, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(ref: str) -> PaletteRetriever:
        raise SamekindError(f"there is no {ref}")

    monkeypatch.setattr("samekind.retriever.store.load", load)
    with pytest.raises(SamekindError, match=r"palette, which cannot be loaded .*there is no palette.*--retriever DIR"):
        Gallery.open(gallery.path).search(text="red")
    assert len(Gallery.open(gallery.path, retriever).search(text="red")) == 6


def test_an_open_gallery_keeps_its_version_until_it_is_refreshed(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    reader = Gallery.open(gallery.path, retriever)
    before = reader.search(text="red", k=50)
    for seed in range(20, 25):
        paint(photos / f"{seed}.png", seed)
    (photos / "0.png").unlink()
    assert gallery.add(photos).rows == gallery.rows == 10
    assert reader.search(text="red", k=50).hits == before.hits
    assert len(reader.search(text="red", k=50, where="size > 0")) == 6
    reader.refresh()
    assert len(reader.search(text="red", k=50)) == 10


def test_vectors_of_a_gallery_are_float32_and_normalised(gallery: Gallery) -> None:
    vectors = gallery.snapshot().vectors
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_real_retriever_fills_and_searches_a_gallery(tiny_clip: Path, photos: Path, tmp_path: Path) -> None:
    from samekind.retriever.store import load

    retriever = load(tiny_clip, precision="float32")
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    assert gallery.add(photos, workers=2).encoded == 6
    again = Gallery.open(tmp_path / "g")  # finds the retriever by itself
    assert again.search(image=photos / "2.png", k=1)[0].uri == str(photos / "2.png")
    assert len(again.search(query=Query.parse(["2:a dog", "-", "a cat"]))) == 6
    rows = gallery.snapshot().rows.column("uri").to_pylist()
    np.testing.assert_allclose(gallery.snapshot().vectors, retriever.encode_images(rows), atol=1e-5)


def test_opening_with_a_retriever_makes_the_gallery_unless_told_not_to(tmp_path: Path) -> None:
    with pytest.raises(SamekindError, match="samekind index"):
        Gallery.open(tmp_path / "g", PaletteRetriever(), create=False)
    assert Gallery.open(tmp_path / "g", PaletteRetriever()).rows == 0
    assert Gallery.open(tmp_path / "g").rows == 0
