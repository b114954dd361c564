"""The drawn world: the same for a seed, different between seeds, in the layout that `--data` takes."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samekind.datasets.toyworld import CLASSES, DOMAINS, contact_sheet, draw, generate
from samekind.datasets.toyworld.scene import place, silhouette
from samekind.datasets.toyworld.shapes import around, ellipse, flipped, mirrored, moved, smooth, turned
from samekind.errors import SamekindError, UsageError

EVERY = [(name, domain) for name in CLASSES for domain in DOMAINS]


def pixels(*arguments: object, **keywords: int) -> np.ndarray:
    return np.asarray(draw(*arguments, **keywords), np.int16)  # type: ignore[arg-type]


def test_there_are_at_least_sixteen_classes_and_four_domains() -> None:
    assert len(CLASSES) >= 16
    assert set(DOMAINS) == {"photo", "sketch", "cartoon", "painting"}


@pytest.mark.parametrize(("name", "domain"), EVERY)
def test_a_seed_gives_the_same_picture_twice_and_another_seed_or_index_another(name: str, domain: str) -> None:
    first = draw(name, domain, 3, 48)
    assert (first.mode, first.size) == ("RGB", (48, 48))
    again, other, following = (
        pixels(name, domain, 3, 48),
        pixels(name, domain, 4, 48),
        pixels(name, domain, 3, 48, index=1),
    )
    assert np.array_equal(np.asarray(first, np.int16), again)
    assert np.abs(again - other).mean() > 1
    assert np.abs(again - following).mean() > 1


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("seed", range(8))
def test_a_thing_lies_inside_its_picture_and_fills_a_good_part_of_it(name: str, seed: int) -> None:
    rng, kind = np.random.default_rng(seed), CLASSES[name]
    scene = place(kind.shape(rng), rng, 200, kind.spin, kind.stands)
    left, top, right, bottom = scene.box
    assert min(left, top) >= 0
    assert max(right, bottom) <= 200
    assert max(right - left, bottom - top) >= 0.6 * 200
    assert 0.02 < np.asarray(silhouette(scene)).mean() / 255 < 0.7


def test_two_classes_never_share_an_outline() -> None:
    masks = {}
    for name, kind in CLASSES.items():
        rng = np.random.default_rng(0)
        masks[name] = np.asarray(silhouette(place(kind.shape(rng), rng, 128, 0, kind.stands))) > 127
    for one, other in combinations(masks, 2):
        overlap = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
        assert overlap < 0.9, (one, other)


def test_sketches_are_grey_lines_on_bright_paper_and_the_other_domains_are_coloured() -> None:
    for name in CLASSES:
        sketch = pixels(name, "sketch", 0, 96)
        assert np.median(sketch) > 215
        assert np.ptp(sketch, axis=2).mean() < 20
        dark = (sketch.mean(2) < 170).mean()
        assert 0.005 < dark < 0.25, name
    for domain in ("photo", "cartoon", "painting"):
        spread = [np.ptp(pixels(name, domain, 0, 96), axis=2).mean() for name in CLASSES]
        assert np.median(spread) > 20, domain


def test_cartoons_have_few_colours_and_paintings_many() -> None:
    def colours(domain: str) -> int:
        counts = [
            len(np.unique(np.asarray(draw(name, domain, 0, 96)).reshape(-1, 3) // 16, axis=0)) for name in CLASSES
        ]
        return int(np.median(counts))

    assert colours("painting") > 2 * colours("cartoon")


def test_the_world_is_written_as_domain_class_picture(tmp_path: Path) -> None:
    summary = generate(tmp_path / "w", per_class=2, size=32, classes=["fish", "cup"], seed=1)
    files = sorted(str(path.relative_to(tmp_path / "w")) for path in (tmp_path / "w").rglob("*.png"))
    assert files == sorted(f"{d}/{c}/00{n}.png" for d in DOMAINS for c in ("fish", "cup") for n in (0, 1))
    assert (summary.pictures, summary.classes, summary.domains) == (16, ("fish", "cup"), tuple(DOMAINS))
    with Image.open(tmp_path / "w/sketch/cup/001.png") as picture:
        assert picture.size == (32, 32)
        assert np.array_equal(np.asarray(picture), np.asarray(draw("cup", "sketch", 1, 32, index=1)))


def test_a_subset_of_the_classes_has_the_pictures_of_the_whole(tmp_path: Path) -> None:
    generate(tmp_path / "one", per_class=1, size=32, classes=["star"])
    generate(tmp_path / "two", per_class=2, size=32, classes=["car", "star"])
    for domain in DOMAINS:
        one, two = (tmp_path / side / domain / "star/000.png" for side in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_picture_of_another_size_shows_the_same_scene() -> None:
    small, large = draw("mushroom", "cartoon", 5, 64), draw("mushroom", "cartoon", 5, 192)
    difference = np.abs(np.asarray(large.reduce(3), np.int16) - np.asarray(small, np.int16))
    assert difference.mean() < 12


@pytest.mark.parametrize(
    ("name", "domain", "size"), [("dragon", "photo", 32), ("cup", "opera", 32), ("cup", "photo", 4)]
)
def test_what_the_world_does_not_have_is_refused_with_what_it_has(name: str, domain: str, size: int) -> None:
    with pytest.raises(UsageError, match=r"umbrella|painting|16 pixels"):
        draw(name, domain, 0, size)


def test_an_unknown_class_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dragon"):
        generate(tmp_path / "w", classes=["cup", "dragon"])
    assert not (tmp_path / "w").exists()


def test_a_contact_sheet_has_a_column_for_each_class_and_rows_for_each_domain() -> None:
    sheet = contact_sheet(2, size=20, classes=["cup", "key", "cat"], domains=["sketch", "photo"])
    assert sheet.size == (3 * 22 + 2, 4 * 22 + 2)
    tile = sheet.crop((24, 46, 44, 66))
    assert np.array_equal(np.asarray(tile), np.asarray(draw("key", "photo", 0, 20, index=0)))


def test_a_spline_goes_through_its_points_and_keeps_the_ends_of_an_open_line() -> None:
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert np.allclose(smooth(corners, steps=5)[::5], corners)
    path = smooth(corners, closed=False, steps=5)
    assert np.allclose(path[[0, -1]], corners[[0, -1]])


def test_turning_by_a_right_angle_is_clockwise_on_the_screen_and_mirror_images_are_symmetric() -> None:
    assert np.allclose(turned(np.array([[1.0, 0.0]]), 90), [[0, 1]])
    assert np.allclose(turned(moved(np.array([[1.0, 0.0]]), 2, 2), 180, 2, 2), [[1, 2]])
    outline = mirrored((0, -1), (0.5, 0), (0, 1))
    assert np.allclose(outline, [[0, -1], [0.5, 0], [0, 1], [-0.5, 0]])
    assert np.allclose(flipped(flipped(outline)), outline)


def test_the_outline_round_circles_lies_on_the_outermost_of_them() -> None:
    outline = around([ellipse(0, 0, 1), ellipse(0, 0, 0.5)], (0, 0))
    assert np.allclose(np.hypot(*outline.T), 1, atol=0.02)


def test_drawing_again_leaves_whole_files_alone_and_mends_broken_ones(tmp_path: Path) -> None:
    generate(tmp_path, per_class=2, size=32, classes=["key"])
    whole, broken = tmp_path / "photo/key/000.png", tmp_path / "photo/key/001.png"
    before, expected = whole.stat().st_mtime_ns, broken.read_bytes()
    broken.write_bytes(expected[:100])
    told: list[tuple[int, int]] = []
    generate(tmp_path, per_class=2, size=32, classes=["key"], progress=lambda done, total: told.append((done, total)))
    assert whole.stat().st_mtime_ns == before
    assert broken.read_bytes() == expected
    assert told == [(n, 8) for n in range(8)]
    assert not list(tmp_path.rglob("*.part"))


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SamekindError, match="file"):
        generate(tmp_path / "file", per_class=1, size=32, classes=["key"])
