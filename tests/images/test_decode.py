"""Every format and mode comes out as the upright RGB picture that a person would see."""

import io
import subprocess
import sys
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


def test_decoding_needs_no_torch_and_importing_opens_nothing() -> None:
    code = (
        "import sys, samekind.images.decode, samekind.images.source, samekind.images.preprocess, samekind.images.hf;"
        "print(sorted(sys.modules.keys() & {'torch', 'pyarrow', 'transformers', 'PIL.TiffImagePlugin'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
