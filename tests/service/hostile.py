"""Pictures that mean harm, and what is said of each; and a few that do not."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from PIL import Image


def saved(format: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    """A picture of noise as a file."""
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, format, **options)
    return file.getvalue()


def plain(size: tuple[int, int], mode: str = "RGB", format: str = "PNG") -> bytes:
    """A large picture in few bytes."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, **({"compress_level": 1} if format == "PNG" else {}))
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *parts: bytes, rows: bytes = b"") -> bytes:
    """A PNG in grey that announces a size and has these parts before its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zipped() -> bytes:
    """An archive that somebody has called .png."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**20))
    return file.getvalue()


def frames(count: int) -> bytes:
    """A GIF with many pictures in it."""
    file = io.BytesIO()
    first, *others = (Image.new("L", (64, 64), number % 256) for number in range(count))
    first.save(file, "GIF", save_all=True, append_images=others, duration=10)
    return file.getvalue()


BOMB = zlib.compress(bytes(200 * 2**20), 9)  # 200 MiB in 200 KiB
ROWS = bytes(17 * 16)  # pixels of 16 x 16

# What the error's slug is, None where it is a picture like any other.
HOSTILE: dict[str, tuple[bytes, str | None]] = {
    "nothing": (b"", "empty"),
    "one byte": (b"\x89", "unsupported"),
    "a zip named .png": (zipped(), "unsupported"),
    "an SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unsupported"),
    "a page": (b"<!doctype html><script>alert(1)</script>", "unsupported"),
    "a PNG that announces 60,000 x 60,000": (png(60_000, 60_000), "too_many_pixels"),
    "a GIF that announces 65,535 x 65,535": (
        b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;",
        "too_many_pixels",
    ),
    "a JPEG cut off": (saved("JPEG")[:500], "truncated"),
    "a PNG cut off": (saved()[:500], "truncated"),
    "a PNG whose pixels never come": (png(5000, 5000), "truncated"),
    "a GIF of 500 pictures": (frames(500), None),
    "a PNG with 200 MiB of text in it": (png(16, 16, chunk(b"zTXt", b"Comment\0\0" + BOMB), rows=ROWS), "corrupt"),
    "a PNG with a profile of 200 MiB": (png(16, 16, chunk(b"iCCP", b"profile\0\0" + BOMB), rows=ROWS), "corrupt"),
    "a PNG whose parts lie about their length": (saved()[:33] + b"\xff\xff\xff\xffIDAT", "truncated"),
}
