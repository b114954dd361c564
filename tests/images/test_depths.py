"""Greys of 1, 12, 16 and 32 bits, floats and every other mode become the bytes that they stand for."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samekind.images.colour import to_rgb
from samekind.images.decode import decode


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257, 128 * 257, 65535, 300, 40000]], np.uint16)
    expected = [0, 1, 128, 255, 1, round(40000 / 257)]
    for format in ("PNG", "TIFF"):
        pixels = np.asarray(decode(saved(Image.fromarray(values), format)).image)
        assert pixels[0, :, 0].tolist() == expected, format
        assert (pixels[..., 0] == pixels[..., 2]).all()


def test_sixteen_bit_grey_in_big_endian_order_is_the_same() -> None:
    values = np.array([[0, 257, 40000, 65535]], ">u2")
    image = Image.frombytes("I;16B", (4, 1), values.tobytes())
    pixels = np.asarray(decode(saved(image, "TIFF")).image)
    assert pixels[0, :, 0].tolist() == [0, 1, 156, 255]


def test_a_transparent_value_of_sixteen_bit_grey_shows_white() -> None:
    values = np.array([[5000, 257]], np.uint16)
    png = saved(Image.fromarray(values), "PNG")
    body = b"tRNS" + struct.pack(">H", 5000)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    data = png.replace(png[png.index(b"IDAT") - 4 :], chunk + png[png.index(b"IDAT") - 4 :])
    assert np.asarray(decode(data).image)[0, :, 0].tolist() == [255, 1]


def tiff(pixels: bytes, width: int, height: int, tags: dict[int, int]) -> bytes:
    """A little-endian TIFF of one uncompressed strip."""
    entries = {256: width, 257: height, 259: 1, 273: 8, 277: 1, 278: height, 279: len(pixels), **tags}
    directory = struct.pack("<H", len(entries))
    for tag in sorted(entries):
        directory += struct.pack("<HHII", tag, 4, 1, entries[tag])
    offset = 8 + len(pixels)
    return struct.pack("<2sHI", b"II", 42, offset) + pixels + directory + b"\0\0\0\0"


def test_twelve_bit_grey_uses_its_whole_range() -> None:
    packed = bytes([0x00, 0x0F, 0xFF])  # two values of 12 bits: 0x000 and 0xFFF
    pixels = np.asarray(decode(tiff(packed, 2, 1, {258: 12, 262: 1})).image)
    assert pixels[0, :, 0].tolist() == [0, 255]


def test_sixteen_bit_grey_where_zero_is_white_is_inverted() -> None:
    values = np.array([[0, 65535]], "<u2").tobytes()
    assert np.asarray(decode(tiff(values, 2, 1, {258: 16, 262: 0})).image)[0, :, 0].tolist() == [255, 0]


def test_thirty_two_bit_integers_keep_their_natural_range() -> None:
    for top in (255, 65535):
        values = np.array([[0, top // 2, top]], np.int32)
        assert np.asarray(decode(saved(Image.fromarray(values), "TIFF")).image)[0, :, 0].tolist() == [0, 127, 255]
    stretched = np.array([[-1000, 0, 1000]], np.int32)
    assert np.asarray(decode(saved(Image.fromarray(stretched), "TIFF")).image)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-3.0, 0.0, 3.0], [0, 128, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([float("inf"), 0.0, 1.0], [255, 0, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
    ],
)
def test_floats_are_scaled_by_their_range(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert np.asarray(decode(saved(image, "TIFF")).image)[0, :, 0].tolist() == expected


def test_sixteen_bit_colour_is_scaled() -> None:
    samples = np.array([[[0, 257 * 100, 65535], [65535, 257 * 7, 0]]], ">u2")
    rows = b"\0" + samples.tobytes()
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.asarray(decode(data).image).tolist() == [[[0, 100, 255], [255, 7, 0]]]


def test_one_bit_pictures_are_black_and_white() -> None:
    image = Image.fromarray(np.array([[True, False]] * 2))
    for format in ("PNG", "TIFF", "BMP", "GIF"):
        assert np.asarray(decode(saved(image, format)).image)[..., 0].tolist() == [[255, 0]] * 2, format


MODES = [
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "PA",
    "RGBX",
    "RGBa",
    "La",
    "I;16",
]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow_becomes_rgb_and_the_caller_keeps_his(mode: str) -> None:
    image = Image.new(mode, (5, 3))
    before = image.tobytes()
    assert to_rgb(image).mode == "RGB"
    assert to_rgb(image).size == (5, 3)
    assert (image.mode, image.tobytes()) == (mode, before)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_nothing_but_transparency_is_white(mode: str) -> None:
    assert (np.asarray(to_rgb(Image.new(mode, (2, 2)))) == 255).all()


def test_a_transparent_colour_of_one_bit_shows_white() -> None:
    image = Image.fromarray(np.array([[True, False]]))
    assert (np.asarray(decode(saved(image, "PNG", transparency=0)).image) == 255).all()
