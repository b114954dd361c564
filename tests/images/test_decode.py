"""Every format and mode comes out as the upright RGB picture that a person would see."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from samekind.images.decode import Decoded, Limits, decode, open_image

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)
CORNERS = {"top left": RED, "top right": GREEN, "bottom left": BLUE, "bottom right": GREY}
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


def quarters(width: int = 48, height: int = 32) -> Image.Image:
    """A picture whose four quarters differ in colour, so that every turn shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    middle = height // 2, width // 2
    pixels[: middle[0], : middle[1]] = RED
    pixels[: middle[0], middle[1] :] = GREEN
    pixels[middle[0] :, : middle[1]] = BLUE
    pixels[middle[0] :, middle[1] :] = GREY
    return Image.fromarray(pixels)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def corners(image: Image.Image) -> dict[str, tuple[int, ...]]:
    """The colours in the middles of the four quarters."""
    width, height = image.size
    places = {
        "top left": (width // 4, height // 4),
        "top right": (3 * width // 4, height // 4),
        "bottom left": (width // 4, 3 * height // 4),
        "bottom right": (3 * width // 4, 3 * height // 4),
    }
    return {name: image.getpixel(place) for name, place in places.items()}  # type: ignore[misc]


def assert_looks(decoded: Decoded, expected: dict[str, tuple[int, ...]], tolerance: int = 0) -> None:
    assert decoded.image.mode == "RGB"
    for name, colour in corners(decoded.image).items():
        assert max(abs(a - b) for a, b in zip(colour, expected[name], strict=True)) <= tolerance, (name, colour)


def test_avif_is_part_of_the_pillow_that_is_installed() -> None:
    assert features.check("avif")


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_shows_the_same_picture(format: str) -> None:
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 95}, "WEBP": {"lossless": True}}
    decoded = decode(saved(quarters(), format, **options.get(format, {})))
    assert (decoded.width, decoded.height, decoded.format) == (48, 32, format)
    assert_looks(decoded, CORNERS, tolerance=8 if format in {"JPEG", "AVIF"} else 0)


def test_a_stereo_jpeg_shows_its_first_picture() -> None:
    left, right = quarters(), Image.new("RGB", (48, 32), BLUE)
    decoded = decode(saved(left, "MPO", save_all=True, append_images=[right], quality=95, subsampling=0))
    assert decoded.format == "MPO"
    assert_looks(decoded, CORNERS, tolerance=8)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG", "AVIF"])
def test_only_the_first_frame_is_shown(format: str) -> None:
    others = [Image.new("RGB", (48, 32), (0, shade, 255)) for shade in range(0, 200, 40)]
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95}}.get(format, {})
    data = saved(quarters(), format, save_all=True, append_images=others, **options)
    assert_looks(decode(data), CORNERS, tolerance=8 if format == "AVIF" else 0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(format: str, orientation: int) -> None:
    # What a camera held that way stores: the upright picture, turned by the inverse.
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose values
    stored = quarters() if orientation == 1 else quarters().transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 95}, "WEBP": {"lossless": True}}
    decoded = decode(saved(stored, format, exif=exif, **options.get(format, {})))
    assert (decoded.width, decoded.height) == decoded.image.size == (48, 32)
    assert_looks(decoded, CORNERS, tolerance=8)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage" * 9, b"Exif\0\0MM"])
def test_a_broken_exif_block_costs_nothing_but_itself(exif: bytes) -> None:
    assert_looks(decode(saved(quarters(), "JPEG", exif=exif, quality=95, subsampling=0)), CORNERS, tolerance=8)


def transparent(mode: str) -> tuple[Image.Image, dict[str, Any]]:
    """The quarters with the lower right one transparent, in the way of the mode, and options to save it."""
    image = quarters()
    hole = Image.new("L", image.size, 255)
    hole.paste(0, (image.width // 2, image.height // 2, image.width, image.height))
    if mode == "RGBA":
        image.putalpha(hole)
        return image, {}
    if mode == "RGB with a transparent colour":
        return image, {"transparency": GREY}
    palette = image.quantize(4)
    index = palette.getpixel((40, 28))
    if mode == "P with one transparent entry":
        return palette, {"transparency": index}
    return palette, {"transparency": bytes(0 if i == index else 255 for i in range(4))}


@pytest.mark.parametrize(
    "mode", ["RGBA", "RGB with a transparent colour", "P with one transparent entry", "P with an alpha per entry"]
)
def test_transparency_shows_white(mode: str) -> None:
    image, options = transparent(mode)
    assert_looks(decode(saved(image, "PNG", **options)), {**CORNERS, "bottom right": (255, 255, 255)})


def test_half_transparency_mixes_with_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    for format in ("PNG", "WEBP", "TIFF"):
        value = decode(saved(half, format, **({"lossless": True} if format == "WEBP" else {}))).image.getpixel((1, 1))
        assert value == (127, 127, 127), format  # 255 * (1 - 128 / 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_with_alpha_shows_white_where_it_is_transparent(format: str) -> None:
    image = Image.merge("LA", [Image.new("L", (4, 2), 40), Image.fromarray(np.array([[0, 255] * 2] * 2, np.uint8))])
    pixels = np.asarray(decode(saved(image, format)).image)
    assert (pixels[:, 0::2] == 255).all()
    assert (pixels[:, 1::2] == 40).all()


def test_palette_with_alpha_shows_white_where_it_is_transparent() -> None:
    palette = quarters().quantize(4)
    image = palette.convert("PA")
    image.putalpha(0)
    assert (np.asarray(decode(saved(image, "TIFF")).image) == 255).all()


def test_a_transparent_value_of_grey_shows_white() -> None:
    image = Image.fromarray(np.array([[7, 200]], np.uint8))
    assert np.asarray(decode(saved(image, "PNG", transparency=7)).image).tolist() == [[[255] * 3, [200] * 3]]


def test_an_opaque_gif_and_a_transparent_gif() -> None:
    assert_looks(decode(saved(quarters(), "GIF")), CORNERS)
    image, options = transparent("P with one transparent entry")
    assert_looks(decode(saved(image, "GIF", **options)), {**CORNERS, "bottom right": (255, 255, 255)})


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


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(format: str) -> None:
    """Adobe's JPEGs store ink as 255 - ink; Pillow writes them so, too."""
    ink = Image.merge("CMYK", [Image.new("L", (16, 16), value) for value in (0, 255, 255, 0)])
    red, green, blue = decode(saved(ink, format, **({"quality": 95} if format == "JPEG" else {}))).image.getpixel(
        (8, 8)
    )
    assert red > 240
    assert max(green, blue) < 15


def test_lab_pictures_are_converted() -> None:
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    brown = Image.new("RGB", (4, 4), (200, 120, 80))
    value = decode(saved(lab.apply(brown), "TIFF")).image.getpixel((1, 1))
    assert value == pytest.approx((200, 120, 80), abs=4)  # eight bits of Lab are coarse


def test_one_pixel_is_a_picture() -> None:
    for format in FORMATS:
        decoded = decode(saved(Image.new("RGB", (1, 1), RED), format), target=224)
        assert decoded.image.size == (1, 1) == (decoded.width, decoded.height), format


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really a png.jpg"
    path.write_bytes(saved(quarters(), "PNG"))
    decoded = open_image(str(path))
    assert decoded.format == "PNG"
    assert_looks(decoded, CORNERS)


def test_formats_can_be_narrowed_and_named_as_usual() -> None:
    jpeg = saved(quarters(), "JPEG", quality=95, subsampling=0)
    assert decode(jpeg, limits=Limits(formats=("jpg",))).format == "JPEG"
    mpo = saved(quarters(), "MPO", save_all=True, append_images=[quarters()])
    assert decode(mpo, limits=Limits(formats=("MPO",))).format == "MPO"


def test_metadata_does_not_travel_with_the_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    assert decode(saved(quarters(), "JPEG", exif=exif)).image.info == {}


def test_many_threads_see_the_same_pictures() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files = [saved(quarters(), format, icc_profile=profile) for format in FORMATS if format not in {"GIF", "BMP"}]
    expected = [np.asarray(decode(data).image).tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda data: np.asarray(decode(data).image).tobytes(), files * 25))
    assert found == expected * 25
