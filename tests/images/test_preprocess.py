"""Preprocessing: the geometry is exact, the extremes stay small, and what travels is checked."""

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samekind.errors import UsageError
from samekind.images.errors import CorruptError
from samekind.images.preprocess import Preprocess

HALF = (0.5, 0.5, 0.5)


def preprocess(size: int = 16, resize: str = "shortest", **options: Any) -> Preprocess:
    return Preprocess(size, resize, options.pop("interpolation", "bicubic"), HALF, HALF, **options)  # type: ignore[arg-type]


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 64),
    st.sampled_from(["shortest", "squash", "pad"]),
    st.sampled_from(["bicubic", "bilinear", "lanczos"]),
)
def test_any_picture_becomes_a_square_of_bytes(
    width: int, height: int, size: int, resize: str, interpolation: str
) -> None:
    pixels = preprocess(size, resize, interpolation=interpolation).pixels(noise(width, height))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = noise(16, 16)
    for resize in ("shortest", "squash", "pad"):
        assert (preprocess(16, resize).pixels(image) == np.asarray(image)).all()


def test_the_centre_is_cut_out_of_the_longer_side() -> None:
    image = noise(29, 16)  # (29 - 16) // 2 = 6 from the left
    assert (preprocess(16).pixels(image) == np.asarray(image)[:, 6:22]).all()
    assert (
        preprocess(16).pixels(image.transpose(Image.Transpose.TRANSPOSE)) == np.asarray(image)[:, 6:22].swapaxes(0, 1)
    ).all()


def test_an_edge_larger_than_the_size_is_cut_on_all_sides() -> None:
    image = noise(20, 20)
    assert (preprocess(16, edge=20).pixels(image) == np.asarray(image)[2:18, 2:18]).all()
    assert (preprocess(16, "squash", edge=20).pixels(image) == np.asarray(image)[2:18, 2:18]).all()
    assert preprocess(16, edge=20).target == 20
    assert preprocess(16).target == 16


def test_padding_shows_all_of_it_on_white() -> None:
    image = noise(16, 8)
    pixels = preprocess(16, "pad").pixels(image)
    assert (pixels[4:12] == np.asarray(image)).all()
    assert (pixels[:4] == 255).all()
    assert (pixels[12:] == 255).all()


def test_squashing_ignores_the_aspect_ratio() -> None:
    image = Image.fromarray(np.repeat(np.array([[[0] * 3], [[200] * 3]], np.uint8), 64, axis=1).repeat(16, axis=0))
    pixels = preprocess(8, "squash", interpolation="bilinear").pixels(image)  # 64 x 32, dark above, light below
    assert (pixels[:3] == 0).all()
    assert (pixels[5:] == 200).all()


def test_shrinking_is_antialiased() -> None:
    stripes = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (512, 256))).convert("RGB")
    for interpolation in ("bicubic", "bilinear", "lanczos"):
        pixels = preprocess(16, interpolation=interpolation).pixels(stripes).astype(int)
        assert abs(pixels - 127.5).max() < 6, interpolation


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (3, 60_000), (65_000, 2)])
@pytest.mark.parametrize("resize", ["shortest", "squash", "pad"])
def test_extreme_aspect_ratios_stay_small(size: tuple[int, int], resize: str) -> None:
    image = noise(*size)
    before = Image.core.get_stats()["allocated_blocks"]  # type: ignore[attr-defined]
    pixels = preprocess(224, resize).pixels(image)
    blocks = Image.core.get_stats()["allocated_blocks"] - before  # type: ignore[attr-defined]
    assert pixels.shape == (224, 224, 3)
    assert blocks * Image.core.get_block_size() < 64e6  # type: ignore[attr-defined]


def test_beyond_the_bound_only_rounding_differs() -> None:
    """The same picture by the short way and by the long: 1 level, as both round to bytes."""
    image = noise(40, 1000)
    full = image.resize((16, 400), Image.Resampling.BICUBIC).crop((0, 192, 16, 208))
    assert abs(preprocess(16).pixels(image).astype(int) - np.asarray(full)).max() <= 1


def test_pictures_of_any_mode_and_orientation_are_shown_as_they_are_meant() -> None:
    red = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert (preprocess().pixels(red) == 255).all()
    assert (preprocess().pixels(Image.fromarray(np.full((16, 16), 128 * 257, np.uint16))) == 128).all()
    half = Image.fromarray(np.repeat(np.array([[[9] * 3], [[99] * 3]], np.uint8), 16, axis=1).repeat(8, axis=0))
    half.getexif()[0x0112] = 3  # upside down
    pixels = preprocess().pixels(half)
    assert (pixels[:8] == 99).all()
    assert (pixels[8:] == 9).all()
    assert np.asarray(half)[0, 0, 0] == 9, "the caller's picture stays as it is"


def test_a_picture_without_pixels_is_named() -> None:
    with pytest.raises(CorruptError, match="0 x 5"):
        preprocess().pixels(Image.new("RGB", (0, 5)))


def test_threads_get_the_same_pixels() -> None:
    images = [noise(50 + i, 70) for i in range(8)]
    one = preprocess()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one.pixels, images * 10))
    assert all((a == one.pixels(b)).all() for a, b in zip(found, images * 10, strict=True))


def test_it_is_frozen_and_hashable() -> None:
    with pytest.raises(AttributeError):
        preprocess().size = 5  # type: ignore[misc]
    assert len({preprocess(), preprocess(), preprocess(8)}) == 2


def test_it_travels_through_json() -> None:
    for one in (
        preprocess(),
        preprocess(16, "pad", edge=32),
        Preprocess(3, "squash", "lanczos", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
    ):
        assert Preprocess.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    old = {key: value for key, value in preprocess().to_dict().items() if key != "edge"}
    assert Preprocess.from_dict(old) == preprocess()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 0}, "size"),
        ({"size": "big"}, "size"),
        ({"size": True}, "size"),
        ({"size": 10**9}, "size"),
        ({"resize": "stretch"}, "resize"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"mean": [0.5]}, "mean"),
        ({"mean": "abc"}, "mean"),
        ({"std": [0.5, 0, 0.5]}, "std"),
        ({"std": [float("nan")] * 3}, "std"),
        ({"edge": 4}, "edge"),
        ({"colour": "blue"}, "colour"),
        ({"mean": None}, "mean"),
    ],
)
def test_unfit_settings_are_a_mistake_that_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Preprocess.from_dict({**preprocess().to_dict(), **change})


def test_missing_settings_are_a_mistake_that_is_named() -> None:
    with pytest.raises(UsageError, match=r"missing.*std"):
        Preprocess.from_dict({key: value for key, value in preprocess().to_dict().items() if key != "std"})


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    one, image = preprocess(64), noise(300, 200)
    one.pixels(image)
    tracemalloc.start()
    for _ in range(50):
        one.pixels(image)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000
