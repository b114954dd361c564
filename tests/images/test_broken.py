"""Damaged, hostile and oversized pictures end in a named error, and nothing else."""

import io
import struct
import threading
import tracemalloc
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from samekind.errors import UsageError
from samekind.images.decode import ImageError, Limits, decode
from samekind.images.errors import SLUGS

# Pillow remarks on damaged directories in warnings; the errors are what counts here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


def saved(format: str, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format, **options)
    return buffer.getvalue()


def reason(data: bytes, **options: Any) -> str:
    """The slug of the error that decoding raises."""
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    assert str(caught.value)
    return caught.value.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes = b"", *extra: bytes) -> bytes:
    """A greyscale PNG with any header and data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_every_reason_has_one_error() -> None:
    decoding = "empty truncated unsupported corrupt too_many_pixels too_many_bytes"
    reading = "vanished unreadable bad_name not_a_file url_refused url_failed"
    assert sorted(SLUGS) == sorted(f"{decoding} {reading}".split())
    assert len(SLUGS) == len(ImageError.__subclasses__())


def test_no_bytes_are_empty() -> None:
    assert reason(b"") == "empty"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_the_first_part_of_a_picture_is_truncated(format: str, kept: float) -> None:
    data = saved(format)
    assert reason(data[: int(len(data) * kept)]) == "truncated"


@pytest.mark.parametrize("format", FORMATS)
def test_a_header_that_ends_early_is_no_crash(format: str) -> None:
    data = saved(format)
    reasons = {reason(data[:length]) for length in range(1, 40)}
    assert reasons <= {"truncated", "corrupt", "unsupported"}


@pytest.mark.parametrize(
    "data",
    [
        b"This is a text.\n" * 20,
        b"\0" * 500,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x08free",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + b"\0\0\0\x08free",
    ],
    ids=["text", "zeros", "svg", "postscript", "heic", "heic under a general brand"],
)
def test_what_is_no_picture_of_the_listed_formats_is_unsupported(data: bytes) -> None:
    assert reason(data) == "unsupported"


def test_a_format_that_is_not_listed_is_unsupported_and_an_unknown_one_a_mistake() -> None:
    assert reason(saved("PNG"), limits=Limits(formats=("JPEG", "GIF"))) == "unsupported"
    with pytest.raises(UsageError, match="EPS"):
        decode(saved("PNG"), limits=Limits(formats=("EPS",)))


def test_damaged_pixels_are_corrupt() -> None:
    data = bytearray(saved("PNG"))
    data[60:200] = bytes(140)
    assert reason(bytes(data)) == "corrupt"


def header_only(format: str, width: int, height: int) -> bytes:
    """A file that announces a size without having the pixels."""
    if format == "PNG":
        return png(width, height)
    if format == "BMP":
        return (
            b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
        )
    if format == "GIF":
        frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
        return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame + b"\x08\x01\x01\x00;"
    if format == "WEBP":
        canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    small = saved(format, (16, 16))
    if format == "JPEG":
        place = small.index(b"\xff\xc0") + 5
        return small[:place] + struct.pack(">HH", height, width) + small[place + 4 :]
    entries = {tag: small.index(struct.pack("<HH", tag, 4)) for tag in (256, 257)}
    for tag, value in ((256, width), (257, height)):
        place = entries[tag] + 8
        small = small[:place] + struct.pack("<I", value) + small[place + 4 :]
    return small


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "WEBP", "JPEG", "TIFF"])
def test_thirty_thousand_pixels_square_are_refused_by_the_header(format: str) -> None:
    data = header_only(format, 30000, 30000)
    tracemalloc.start()
    try:
        assert reason(data) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", FORMATS)
def test_the_limit_of_pixels_is_exact(format: str) -> None:
    data = saved(format, (20, 10))
    assert reason(data, limits=Limits(max_pixels=199)) == "too_many_pixels"
    assert decode(data, limits=Limits(max_pixels=200)).width == 20


def test_the_limit_of_bytes_is_exact() -> None:
    data = saved("PNG")
    assert reason(data, limits=Limits(max_bytes=len(data) - 1)) == "too_many_bytes"
    assert decode(data, limits=Limits(max_bytes=len(data))).height == 48


def test_a_large_picture_within_the_limit_brings_no_warning_and_no_global_change() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    width, height = 10000, 9000  # 90 million: beyond the number at which Pillow warns
    data = png(width, height, bytes(width + 1) * height)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(data).width == width
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_gif_frame_larger_than_its_screen_counts() -> None:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60000, 60000, 0)
    data = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + frame + b"\x08\x01\x01\x00;"
    assert reason(data) == "too_many_pixels"


def test_a_text_chunk_that_inflates_is_refused() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
    tracemalloc.start()
    try:
        assert reason(png(1, 1, b"\0\0", bomb)) in {"corrupt", "unsupported"}
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_profile_that_inflates_is_refused() -> None:
    bomb = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(100_000_000), 9))
    assert reason(png(1, 1, b"\0\0", bomb)) in {"corrupt", "unsupported"}


def test_pixel_data_that_inflates_beyond_the_header_is_harmless() -> None:
    assert decode(png(1, 1, bytes(50_000_000))).image.size == (1, 1)


def test_ten_thousand_frames_cost_as_much_as_one() -> None:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 2, 2, 0) + b"\x02\x03\x84\x04\x05\x00"
    first = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0, 0, 0)
    assert decode(first + frame * 10_000 + b";").image.size == (2, 2)


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    data = saved("JPEG", (64, 64), progressive=True)
    start = data.rindex(b"\xff\xda")
    assert decode(data).width == 64
    assert reason(data[:start] + data[start:-2] * 1000 + data[-2:]) == "corrupt"


@pytest.mark.parametrize("error", [MemoryError(), struct.error("x"), SyntaxError("x"), OverflowError("x"), KeyError(3)])
def test_whatever_pillow_raises_is_corrupt_or_more_exact(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    assert reason(saved("PNG")) == ("truncated" if isinstance(error, struct.error) else "corrupt")


def test_pillows_own_bomb_alarm_is_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for format in ("TIFF", "WEBP"):  # as the docstring of Limits says
        assert reason(saved(format)) == "too_many_pixels"
    assert decode(saved("JPEG")).width == 64


def test_threads_that_meet_bad_pictures_do_not_disturb_the_others() -> None:
    good, bad = saved("JPEG"), saved("JPEG")[:700]
    expected = np.asarray(decode(good).image).tobytes()
    wrong: list[object] = []

    def work() -> None:
        for _ in range(30):
            if np.asarray(decode(good).image).tobytes() != expected:
                wrong.append("pixels")
            try:
                wrong.append(decode(bad))
            except ImageError as error:
                if error.reason != "truncated":
                    wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
