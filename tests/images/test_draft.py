"""A reduced JPEG decode looks like the full one after the resize, and tells the original's size."""

import io
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

from samekind.images.decode import DRAFT_MARGIN, Decoded, decode
from samekind.images.preprocess import Preprocess

CLIP = Preprocess(224, "shortest", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@lru_cache(maxsize=2)
def natural(steepness: float) -> Image.Image:
    """A random picture with the spectrum of photographs: amplitude falls as 1 / frequency (Field 1987).

    Colour varies a third as much as brightness does, as it does in photographs.
    """
    height, width = 2048, 4096
    rng = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falloff = (1 / np.maximum(np.hypot(rows, columns), 1 / width) ** steepness).astype(np.float32)
    planes = []
    for deviation in (50, 16, 16):
        noise = np.fft.rfft2(rng.standard_normal((height, width), dtype=np.float32)) * falloff
        values = np.fft.irfft2(noise, (height, width))
        planes.append((values / values.std() * deviation + 128).clip(0, 255).astype(np.uint8))
    return Image.merge("YCbCr", [Image.fromarray(plane) for plane in planes]).convert("RGB")


def scene(width: int, height: int, steepness: float = 1.0) -> Image.Image:
    """A part of that picture."""
    turned = natural(steepness) if width > height else natural(steepness).transpose(Image.Transpose.TRANSPOSE)
    return turned.crop((100, 100, 100 + width, 100 + height))


def jpeg(image: Image.Image, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


def difference(data: bytes, preprocess: Preprocess = CLIP) -> tuple[float, Decoded]:
    """Mean absolute difference of what a model gets, in levels of 255, and the reduced decode."""
    reduced = decode(data, target=preprocess.target)
    full = decode(data)
    levels = preprocess.pixels(reduced.image).astype(float) - preprocess.pixels(full.image)
    assert (reduced.width, reduced.height) == (full.width, full.height) == full.image.size
    return float(abs(levels).mean()), reduced


@pytest.mark.parametrize("size", [(1792, 1344), (1800, 905), (899, 1203), (1811, 3607), (1793, 1801)])
@pytest.mark.parametrize(("steepness", "bound"), [(1.0, 1.5), (0.6, 2.5)], ids=["usual", "uncommonly detailed"])
def test_reduced_and_full_decoding_differ_by_less_than_the_docstring_says(
    size: tuple[int, int], steepness: float, bound: float
) -> None:
    mean, reduced = difference(jpeg(scene(*size, steepness=steepness)))
    assert min(reduced.image.size) < min(size)
    assert mean < bound


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_keeps_its_place_to_a_fraction_of_a_pixel(orientation: int) -> None:
    """The sizes leave a remainder on both sides, whose wrong end would shift the picture."""
    mean, reduced = difference(jpeg(scene(1793, 1801), orientation))
    assert mean < 1.5  # half a pixel to the side would cost 10
    assert (reduced.width, reduced.height) == ((1793, 1801) if orientation < 5 else (1801, 1793))


@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_other_ways_to_resize_gain_as_well(resize: str) -> None:
    preprocess = Preprocess(192, resize, "bicubic", (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]
    mean, reduced = difference(jpeg(scene(1811, 905)), preprocess)
    assert min(reduced.image.size) < 905
    assert mean < 1.5


@pytest.mark.parametrize("target", [1, 100, 224, 336, 512])
def test_never_fewer_than_twice_the_pixels_that_are_needed(target: int) -> None:
    decoded = decode(jpeg(Image.new("RGB", (1999, 1100), (1, 2, 3))), target=target)
    shortest = min(decoded.image.size)
    assert shortest >= DRAFT_MARGIN * target
    assert shortest == 1100 or shortest < 4 * DRAFT_MARGIN * target or shortest == 138  # an eighth is the least


def test_a_picture_that_is_small_already_is_decoded_as_it_is() -> None:
    data = jpeg(scene(600, 447))
    assert (np.asarray(decode(data, target=224).image) == np.asarray(decode(data).image)).all()


def test_other_formats_come_in_full() -> None:
    buffer = io.BytesIO()
    scene(900, 900).save(buffer, "PNG")
    assert decode(buffer.getvalue(), target=32).image.size == (900, 900)


def test_grey_and_cmyk_jpegs_are_reduced_as_well() -> None:
    for mode in ("L", "CMYK"):
        mean, reduced = difference(jpeg(scene(1000, 901).convert(mode)))
        assert reduced.image.size == (500, 451)
        assert mean < 1.5, mode


def test_a_stereo_jpeg_is_reduced_as_well() -> None:
    buffer = io.BytesIO()
    scene(1001, 1000).save(buffer, "MPO", save_all=True, append_images=[Image.new("RGB", (1001, 1000))], quality=92)
    mean, reduced = difference(buffer.getvalue())
    assert reduced.image.size == (501, 500)
    assert mean < 1.5
