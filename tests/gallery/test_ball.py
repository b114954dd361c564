"""Galleries of the space poincare: the search against brute force with the distance's formula, queries, refusals."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from palette import PaletteRetriever
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery import search
from samekind.gallery.query import Query, Term
from samekind.gallery.search import top_k
from samekind.gallery.spaces import RIM, SPACES
from samekind.gallery.store import Gallery
from samekind.nn import poincare

BALL = SPACES["poincare"]
REGIONS = ["all over", "rim", "centre", "mixed"]


class Points(PaletteRetriever):
    """The picture of plain colour (n mod 256, n / 256, 0), like the text "n", is at the n-th of these points."""

    def __init__(self, points: np.ndarray, name: str = "points") -> None:
        super().__init__(name)
        self.points = points
        self.dim = points.shape[1]
        self.space = "poincare"

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        return self.points[pixels[:, 0, 0, 0].astype(int) + 256 * pixels[:, 0, 0, 1].astype(int)]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self.points[[int(text) for text in texts]]


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (6, 5), (number % 256, number // 256, 0))


def scattered(rng: np.random.Generator, count: int, dim: int, region: str) -> np.ndarray:
    """Points of the ball in float32."""
    if region == "mixed":
        return np.concatenate([scattered(rng, -(-count // 3), dim, each) for each in REGIONS[:3]])[:count]
    directions = rng.normal(size=(count, dim))
    if region == "rim":  # around one place, so that they are not all far apart
        directions = directions[:1] + 0.002 * directions
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = {"all over": rng.random((count, 1)), "rim": 1 - 1e-3, "centre": 10.0 ** -rng.uniform(2, 9, (count, 1))}
    return (directions * np.minimum(radii[region], 0.99 if region == "all over" else 1)).astype(np.float32)


def distance(x: Sequence[float], y: Sequence[float]) -> float:
    """arcosh(1 + a) with a = 2 |x-y|^2 / ((1-|x|^2) (1-|y|^2)), as 2 arsinh(sqrt(a / 2)), which keeps small a."""
    rooms = [1 - math.fsum(a * a for a in point) for point in (x, y)]
    return 2 * math.asinh(math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / math.prod(rooms)))


def brute(points: np.ndarray, query: np.ndarray) -> tuple[list[int], list[float]]:
    """All points by their distance, each by itself; Python's stable sort keeps equal ones in order."""
    far = [distance(point, query.tolist()) for point in points.tolist()]
    order = sorted(range(len(far)), key=lambda row: far[row])
    return order, [far[row] for row in order]


def meant(rows: np.ndarray) -> np.ndarray:
    """The points that rows stand for: on the hyperboloid, s = 2 x / (1 - |x|^2) has x = s / (1 + sqrt(1 + |s|^2))."""
    most = rows[:, :-1].astype(np.float64)
    return most / (1 + np.sqrt(1 + (most**2).sum(1, keepdims=True)))


def filled(folder: Path, points: np.ndarray) -> Gallery:
    """A gallery with a picture at each point, in this order."""
    for number in range(len(points)):
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        picture(number).save(folder / "pictures" / f"{number:04}.png")
    gallery = Gallery.open(folder / "gallery", Points(points), create=True)
    gallery.add(folder / "pictures", domain="photo")
    return gallery


def numbers(hits: object) -> list[int]:
    return [int(Path(hit.uri).stem) for hit in hits]  # type: ignore[attr-defined]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_search_equals_brute_force_with_ties_masks_and_every_size_of_block(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    n, distinct, d = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 30), st.integers(1, 40)))
    region = data.draw(st.sampled_from(REGIONS))
    points = scattered(rng, distinct, d, region)[rng.integers(0, distinct, n)]
    asked = np.concatenate([scattered(rng, 3, d, region), points[:1]])
    rows, queries = BALL.rows(points), BALL.queries(asked)
    k = data.draw(st.integers(1, n + 2))
    mask = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    kept = np.arange(n) if mask is None else np.flatnonzero(mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_COPIED", data.draw(st.integers(1, 64)))
        patch.setattr(search, "_SCORES", data.draw(st.integers(1, 200)))
        patch.setattr(search, "_FEW", data.draw(st.integers(1, 64)))
        patch.setattr(search, "_QUERIES", data.draw(st.integers(1, 4)))
        found = top_k(rows, queries, k, mask, space=BALL)
    for query, (got, scores) in zip(meant(queries), found, strict=True):
        order, far = brute(meant(rows)[kept], query)
        assert got.tolist() == kept[order[:k]].tolist()
        np.testing.assert_allclose([BALL.similarity(score) for score in scores], 1 / np.cosh(far[:k]), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(REGIONS), st.sampled_from([1, 2, 16, 300]))
def test_stored_rows_are_the_retrievers_points_to_float32s_rounding(seed: int, region: str, d: int) -> None:
    """2^-24 of a coordinate is at most that much times the metric's 2 / (1 - |x|^2) of distance, before and after."""
    points = scattered(np.random.default_rng(seed), 8, d, region)
    rows = BALL.rows(points)
    assert rows.shape == (8, BALL.width(d)) == (8, d + 1)
    for point, mine in zip(points.tolist(), meant(rows).tolist(), strict=True):
        room = 1 - math.fsum(a * a for a in point)
        assert distance(point, mine) <= 2.0**-24 * math.hypot(*point) * 2 / room * 1.01
    wide = points.astype(np.float64)
    squares = (wide**2).sum(1, keepdims=True)
    exact = np.concatenate([2 * wide, 1 + squares], axis=1) / (1 - squares)
    np.testing.assert_allclose(rows, exact, rtol=2.0**-22)
    assert BALL.longest(rows) == pytest.approx(np.linalg.norm(exact, axis=1).max(), rel=1e-6)


@pytest.mark.parametrize("region", REGIONS)
def test_a_gallery_finds_what_brute_force_over_the_retrievers_points_finds(tmp_path: Path, region: str) -> None:
    points = scattered(np.random.default_rng(5), 50, 12, region)
    points[[7, 20, 33]] = points[11]  # ties, also of the query's own point
    gallery = filled(tmp_path, points)
    assert gallery.snapshot().vectors.shape == (50, 13)
    for number in (0, 11, 25, 49):
        order, far = brute(points, points[number])
        hits = gallery.search(image=picture(number), k=50)
        assert numbers(hits) == order
        assert numbers(gallery.search(text=str(number), k=5)) == order[:5]
        np.testing.assert_allclose([hit.score for hit in hits], 1 / np.cosh(far), rtol=1e-3)
        assert hits[0].score == 1
        assert all(0 < hit.score <= 1 for hit in hits)
    assert numbers(gallery.search(text="11", k=4)) == [7, 11, 20, 33]


def test_near_the_rim_products_of_float32_rows_alone_would_not_rank_as_distances_do() -> None:
    points = scattered(np.random.default_rng(0), 200, 32, "rim")
    rows, queries = BALL.rows(points), BALL.queries(points[:1])
    order, _ = brute(meant(rows), meant(queries)[0])
    products = rows.astype(np.float64) @ queries[0].astype(np.float64)  # no rounding but that of the rows
    assert np.argsort(-products, kind="stable").tolist() != order
    assert top_k(rows, queries, 200, space=BALL)[0][0].tolist() == order


def test_a_point_scores_the_same_wherever_it_stands() -> None:
    one, asked = scattered(np.random.default_rng(1), 2, 257, "all over")[:, None]
    rows, query = BALL.rows(one), BALL.queries(asked)
    scores = {float(top_k(np.repeat(rows, n, axis=0), query, n, space=BALL)[0][1][-1]) for n in range(1, 70)}
    assert len(scores) == 1


def test_many_queries_filters_and_a_page_work_as_for_the_cosine(tmp_path: Path) -> None:
    from samekind.gallery.page import Row, Section, render_page

    points = scattered(np.random.default_rng(2), 30, 5, "all over")
    gallery = filled(tmp_path, points)
    gallery.add(tmp_path / "pictures" / "0003.png", tmp_path / "pictures" / "0008.png", domain="sketch")
    order, _ = brute(points, points[4])
    assert numbers(gallery.search(text="4", domains=["sketch"])) == [row for row in order if row in (3, 8)]
    assert numbers(gallery.search(text="4", where="uri LIKE '%1.png'")) == [row for row in order if row % 10 == 1]
    together = gallery.nearest(points[:5], 30)
    assert together == [gallery.search(text=str(number), k=30).hits for number in range(5)]
    assert ">1.000<" in render_page("t", [Section("", [Row([Term("text", "4")], together[4])])])


def test_a_reopened_gallery_finds_the_same_also_without_its_derived_file(tmp_path: Path) -> None:
    points = scattered(np.random.default_rng(3), 20, 6, "mixed")
    gallery = filled(tmp_path, points)
    before = gallery.search(text="5", k=20).hits
    assert Gallery.open(gallery.path, Points(points)).search(text="5", k=20).hits == before
    shutil.rmtree(gallery.path / "cache")
    again = Gallery.open(gallery.path, Points(points))
    assert again.search(text="5", k=20).hits == before
    assert (again.meta.space, again.meta.dim, again.meta.width) == ("poincare", 6, 7)
    assert again.add(tmp_path / "pictures").unchanged == 20


POINT = st.tuples(st.integers(0, 10_000), st.integers(1, 20), st.floats(0, 8))


@settings(deadline=None)
@given(POINT, st.sampled_from([1.0, 0.3, 7.0, 1e300, -1.0, -0.3, -1e-300]))
def test_a_single_part_asks_for_its_own_point_or_its_mirror_image_bit_for_bit(
    point: tuple[int, int, float], weight: float
) -> None:
    seed, d, exponent = point
    x = np.random.default_rng(seed).normal(size=d)
    for radius in (1 - 10.0**-exponent / 2, 10.0**-exponent / 2):
        one = (x / np.linalg.norm(x) * min(radius, 1 - 1e-7)).astype(np.float32)[None]
        asked = Query((Term("text", "0", weight),)).vector(Points(one))
        np.testing.assert_array_equal(asked, math.copysign(1, weight) * one[0])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(0.1, 3), min_size=2, max_size=4), st.integers(1, 20))
def test_a_sum_is_the_weighted_mean_in_the_tangent_space_at_the_centre(seed: int, sizes: list[float], d: int) -> None:
    rng = np.random.default_rng(seed)
    points = scattered(rng, len(sizes), d, "all over")
    weights = np.array(sizes) * np.where(np.arange(len(sizes)) == 1, -1, 1)
    tangents = poincare.log0(torch.from_numpy(points).double(), 1.0)
    mean = torch.from_numpy(weights) @ tangents / np.abs(weights).sum()
    terms = tuple(Term("text", str(place), weight) for place, weight in enumerate(weights.tolist()))
    asked = Query(terms).vector(Points(points))
    np.testing.assert_allclose(asked, poincare.exp0(mean, 1.0).numpy(), rtol=1e-5, atol=1e-7)
    assert np.linalg.norm(asked) < 1


def test_pictures_and_texts_add_up_and_a_mirrored_part_finds_the_other_side(tmp_path: Path) -> None:
    line = np.tanh(np.array([-1.2, -0.8, 0.1, 0.4, 0.8, 1.2]))  # so that log0 of these are the arguments
    gallery = filled(tmp_path, np.stack([line, np.zeros(6)], axis=1).astype(np.float32))
    assert numbers(gallery.search(image=picture(3), text="5", k=3)) == [4, 3, 5]
    assert numbers(gallery.search(query=Query.parse(["-", "4"]), k=2)) == [1, 0]
    assert gallery.search(query=Query.parse(["-3:4"]), k=1)[0].score == 1
    assert numbers(gallery.search(query=Query.parse(["3:5", "-", "0"]), k=1)) == [5]


@pytest.mark.parametrize("words", [["1", "-", "1"], ["1000:1", "-1000:1"], ["1", "2"], ["0"], ["3:0", "-", "0"]])
def test_parts_that_lead_to_the_centre_are_refused(words: list[str]) -> None:
    points = np.array([[0, 0], [0.3, 0.2], [-0.3, -0.2]], np.float32)
    with pytest.raises(UsageError, match="cancel out"):
        Query.parse(words).vector(Points(points))


@pytest.mark.parametrize("radius", [1.0, 1.5, np.nan, np.inf, 1e30, 1 - RIM / 2])
def test_pictures_on_or_outside_the_rim_are_skipped_and_told(tmp_path: Path, radius: float) -> None:
    points = np.array([[0.5, 0.5], [radius, 0], [1 - 2 * RIM, 0]], np.float32)
    gallery = filled(tmp_path, points)
    assert numbers(gallery.search(text="2")) == [2, 0]
    (told,) = [json.loads(line) for line in (gallery.path / "skipped.jsonl").open()]
    assert told["reason"] == "no_vector"
    assert "0001.png: the retriever points finds no point of the unit ball at least 0.0001 from" in told["detail"]


@pytest.mark.parametrize("radius", [1.0, 1.5, np.nan, np.inf])
def test_a_query_that_is_no_point_of_the_ball_is_refused(tmp_path: Path, radius: float) -> None:
    points = np.array([[0.5, 0.5], [radius, 0]], np.float32)
    gallery = filled(tmp_path, points)
    for words in (["1"], ["0", "1"]):
        with pytest.raises(SamekindError, match=r"strictly inside the unit ball \(its norm is (1|nan|inf)"):
            gallery.search(query=Query.parse(words))
    with pytest.raises(SamekindError, match="strictly inside the unit ball"):
        gallery.nearest(points)


def test_a_query_may_be_nearer_to_the_rim_than_what_is_stored(tmp_path: Path) -> None:
    points = np.array([[0.5, 0.1], [np.nextafter(np.float32(1), np.float32(0)), 0], [0.9, 0]], np.float32)
    assert numbers(filled(tmp_path, points).search(text="1")) == [2, 0]


def test_galleries_and_retrievers_of_different_spaces_refuse_each_other(tmp_path: Path, gallery: Gallery) -> None:
    ball = filled(tmp_path / "ball", np.zeros((1, 48), np.float32) + np.float32(0.01))
    with pytest.raises(SamekindError, match=r"by the retriever palette .*48 numbers, cosine.*points .*poincare"):
        Gallery.open(gallery.path, Points(np.zeros((1, 48), np.float32)))
    with pytest.raises(SamekindError, match=r"by the retriever points .*poincare.*palette .*cosine.*another gallery"):
        Gallery.open(ball.path, PaletteRetriever())


def test_the_same_hash_does_not_hide_another_space_or_width(tmp_path: Path, gallery: Gallery) -> None:
    with pytest.raises(SamekindError, match=r"48 numbers, cosine.*48 numbers, poincare"):
        Gallery.open(gallery.path, Points(np.zeros((1, 48), np.float32), name="palette"))
    ball = filled(tmp_path / "ball", np.full((1, 4), 0.1, np.float32))
    with pytest.raises(SamekindError, match=r"4 numbers, poincare.*5 numbers, poincare"):
        Gallery.open(ball.path, Points(np.zeros((1, 5), np.float32)))


def test_a_gallery_of_before_there_was_the_ball_opens_as_cosine(gallery: Gallery, photos: Path) -> None:
    """What gallery.json said then, word for word but for the hash; neither its schema nor its keys have changed."""
    before = {
        "schema": 1,
        "uuid": gallery.meta.uuid,
        "created": "2026-11-20T10:00:00+00:00",
        "samekind": "0.1.0",
        "retriever": {"name": "palette", "sha256": gallery.meta.sha256, "dim": 48, "space": "cosine", "ref": None},
    }
    (gallery.path / "gallery.json").write_text(json.dumps(before))
    opened = Gallery.open(gallery.path, PaletteRetriever())
    assert (opened.meta.width, opened.snapshot().vectors.shape) == (48, (6, 48))
    assert opened.search(image=photos / "2.png", k=1)[0].uri == str(photos / "2.png")
