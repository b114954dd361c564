"""The only place that opens a picture: bytes from a path or URL, then bytes to upright RGB, within limits."""

import io
import os
import re
import stat
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from samekind.images.errors import (
    BadNameError,
    CorruptError,
    EmptyError,
    ImageError,
    NotAFileError,
    TooManyBytesError,
    TooManyPixelsError,
    TruncatedError,
    UnreadableError,
    UnsupportedError,
    UrlRefusedError,
    VanishedError,
    printable,
)

__all__ = ["FORMATS", "Decoded", "ImageError", "Limits", "decode", "is_url", "open_image", "read"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before anything is decoded: bytes of the file, pixels in its header, formats by Pillow's name."""

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 200_000_000
    formats: tuple[str, ...] = FORMATS


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Decoded:
    """An upright RGB picture (perhaps reduced, see `decode`) with the upright size of the original and its format."""

    image: Image.Image
    width: int
    height: int
    format: str


def is_url(uri: str) -> bool:
    """Whether `uri` is an address with a scheme, rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", uri) is not None


def read(uri: str, limits: Limits = DEFAULT_LIMITS, *, allow_urls: bool = False) -> bytes:
    """The bytes of a file or (when allowed) of an http(s) address; raises ImageError."""
    if is_url(uri):
        raise UrlRefusedError(f"{printable(uri)}: URLs are fetched only with --allow-urls")
    try:
        if not stat.S_ISREG(os.stat(uri).st_mode):  # noqa: PTH116
            raise NotAFileError(f"{printable(uri)} is not a regular file")
        with open(os.open(uri, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            if size > limits.max_bytes:
                raise TooManyBytesError(f"{printable(uri)} has {size} bytes, more than {limits.max_bytes}")
            data = file.read(limits.max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VanishedError(f"{printable(uri)} is not there") from error
    except ValueError as error:
        raise BadNameError(f"{uri!a} is no file name") from error
    except OSError as error:
        raise UnreadableError(f"{printable(uri)} cannot be read: {error.strerror}") from error
    if not data:
        raise EmptyError(f"{printable(uri)} has no bytes")
    return data


def decode(data: bytes, *, target: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Upright RGB; `target` is the shortest side that will be needed. Raises ImageError."""
    if not data:
        raise EmptyError("there are no bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=limits.formats)
        if image.width * image.height > limits.max_pixels:
            raise TooManyPixelsError(f"{image.width} x {image.height} pixels are more than {limits.max_pixels}")
        upright = ImageOps.exif_transpose(image).convert("RGB")
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedError("the content is no picture of a known format") from error
    except Exception as error:
        kind = TruncatedError if "truncat" in str(error) else CorruptError
        raise kind(f"the picture cannot be decoded: {error}") from error
    return Decoded(upright, upright.width, upright.height, image.format or "")


def open_image(
    uri: str, *, target: int | None = None, limits: Limits = DEFAULT_LIMITS, allow_urls: bool = False
) -> Decoded:
    """`decode(read(uri))`, with the uri in every error's message."""
    data = read(uri, limits, allow_urls=allow_urls)
    try:
        return decode(data, target=target, limits=limits)
    except ImageError as error:
        raise type(error)(f"{printable(uri)}: {error}") from error
