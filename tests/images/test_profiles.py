"""Embedded colour profiles: the fitting are applied, the broken and the strange ignored."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from samekind.images import colour
from samekind.images.decode import decode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2.4 with these tags (ICC.1:2001-04, clauses 6.1 and 6.2)."""
    text = b"text\0\0\0\0for tests\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"t\0" + b"\0" * 80
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)  # D50 in 1/65536
    tags = {b"cprt": text, b"desc": description, b"wtpt": white, **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    header = struct.pack(">I4s", start + len(body), b"lcms") + bytes([2, 0x40, 0, 0]) + kind + space + pcs
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def red_and_blue_swapped() -> bytes:
    """sRGB with the tags of its red and blue primaries changing places."""
    count = struct.unpack_from(">I", SRGB, 128)[0]
    entries = {SRGB[132 + 12 * i : 136 + 12 * i]: 132 + 12 * i for i in range(count)}
    swapped = bytearray(SRGB)
    for name, other in ((b"rXYZ", b"bXYZ"), (b"bXYZ", b"rXYZ")):
        source = entries[other]
        swapped[entries[name] + 4 : entries[name] + 12] = SRGB[source + 4 : source + 12]
    return bytes(swapped)


def linear_grey() -> bytes:
    """Grey whose values are proportional to light: a curve of no entries is the identity."""
    return profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0)})


def cyan_ink_is_red() -> bytes:
    """A CMYK profile in whose world cyan ink prints red, black ink black, and the others print nothing."""
    identity = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    # Lab (100, 0, 0), (0, 0, 0) and (53, 80, 67) in 8 bits; the first ink varies slowest
    white, black, red = bytes([255, 128, 128]), bytes([0, 128, 128]), bytes([135, 208, 195])
    grid = b"".join((white + black) * 4 if cyan == 0 else (red + black) * 4 for cyan in (0, 1))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + grid + identity * 3
    return profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": lut})


def shown(image: Image.Image, embedded: bytes, format: str = "PNG") -> tuple[int, ...]:
    """The colour of a one-coloured picture with that profile."""
    buffer = io.BytesIO()
    image.save(buffer, format, icc_profile=embedded)
    value = decode(buffer.getvalue()).image.getpixel((3, 3))
    assert isinstance(value, tuple)
    return value


def near(a: tuple[int, ...], b: tuple[int, ...], tolerance: int) -> bool:
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= tolerance


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_a_profile_decides_what_red_is(format: str) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert near(
        shown(red, red_and_blue_swapped(), format), (0, 0, 255), 24 if format in {"JPEG", "WEBP", "AVIF"} else 2
    )


def test_a_profile_counts_for_palettes_and_beside_transparency() -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert near(shown(red.quantize(2), red_and_blue_swapped()), (0, 0, 255), 2)
    half = red.copy()
    half.putalpha(128)
    assert near(shown(half, red_and_blue_swapped()), (127, 127, 255), 2)


def test_a_grey_profile_is_applied_to_greys_of_eight_and_sixteen_bits() -> None:
    # Half of the light is 188 in sRGB: 255 * (1.055 * 0.502 ** (1 / 2.4) - 0.055) for 128 / 255.
    expected = 255 * (1.055 * (128 / 255) ** (1 / 2.4) - 0.055)
    wide = Image.fromarray(np.full((8, 8), 128 * 257, np.uint16))
    for image in (Image.new("L", (8, 8), 128), wide, Image.new("LA", (8, 8), (128, 255))):
        assert near(shown(image, linear_grey()), (round(expected),) * 3, 2), image.mode


def test_a_cmyk_profile_is_applied() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for format in ("TIFF", "JPEG"):
        red, green, blue = shown(cyan, cyan_ink_is_red(), format)
        assert red > 230, format
        assert max(green, blue) < 60, format


def test_srgb_is_recognised_and_costs_no_conversion() -> None:
    assert colour._transform(SRGB, "RGB") is None
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", icc_profile=SRGB)
    assert (np.asarray(decode(buffer.getvalue()).image) == values).all()


@pytest.mark.parametrize(
    "embedded",
    [SRGB[:200], b"x" * 500, linear_grey(), cyan_ink_is_red(), b"\0", red_and_blue_swapped()[:-400], SRGB * 9000],
    ids=["cut", "garbage", "grey", "cmyk", "tiny", "cut later", "huge"],
)
def test_a_broken_or_unfitting_profile_is_ignored(embedded: bytes) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert shown(red, embedded, "TIFF") == (255, 0, 0)
