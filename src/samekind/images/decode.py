"""The only place that opens a picture: bytes from a path or URL, then bytes to upright RGB, within limits."""

import io
import os
import stat
from dataclasses import dataclass

from PIL import Image

from samekind.errors import SamekindError
from samekind.images import formats, orient, storage
from samekind.images.colour import to_rgb
from samekind.images.errors import (
    BadNameError,
    EmptyError,
    ImageError,
    NotAFileError,
    TooManyBytesError,
    UnreadableError,
    UrlRefusedError,
    VanishedError,
    printable,
)
from samekind.images.formats import FORMATS
from samekind.images.refs import is_url

__all__ = ["FORMATS", "Decoded", "ImageError", "Limits", "decode", "is_url", "open_image", "read"]

# A JPEG is reduced while decoding to no less than this many times the pixels asked for, on both sides: see `decode`.
DRAFT_MARGIN = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before anything is decoded: bytes of the file, pixels in its header, formats by Pillow's name.

    `max_pixels` lets a 200-megapixel photo through, which as a JPEG is decoded reduced; other formats take up to four
    bytes a pixel. TIFF is besides held to Pillow's own `PIL.Image.MAX_IMAGE_PIXELS` and WebP to twice of that, as
    their loaders insist on it.
    """

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


def read(uri: str, limits: Limits = DEFAULT_LIMITS, *, allow_urls: bool = False) -> bytes:
    """The bytes of a file, an object or, with `allow_urls`, an http(s) address: at least 1, at most `limits.max_bytes`.

    Files are opened for reading only, and only regular ones: a pipe or a device never blocks. Objects (s3://, gs://)
    are read like files, with the rights of whoever runs this: no stranger's address may come here. Raises ImageError:
    vanished, unreadable, not_a_file, bad_name, empty, too_many_bytes, url_refused, url_failed.
    """
    if storage.is_object(uri):
        return storage.read(uri, limits.max_bytes)
    if is_url(uri):
        return _fetched(uri, limits, allow_urls)
    shown = printable(uri)
    try:
        data = _file_bytes(uri, shown, limits.max_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VanishedError(f"{shown} is not there (any more)") from error
    except ValueError as error:  # a zero byte or a lone surrogate
        raise BadNameError(f"{shown} cannot be a file's name; rename the file") from error
    except OSError as error:
        if error.errno == 36:  # ENAMETOOLONG
            raise BadNameError(f"{shown[:80]}... is too long for a file's name") from error
        raise UnreadableError(f"{shown} cannot be read: {error.strerror or error}") from error
    if not data:
        raise EmptyError(f"{shown} is empty (0 bytes)")
    return data


def _fetched(uri: str, limits: Limits, allow_urls: bool) -> bytes:
    """The bytes behind an address, when that is allowed."""
    if not allow_urls:
        raise UrlRefusedError(
            f"{printable(uri)} is a URL, and URLs are only fetched with --allow-urls (allow_urls=True)"
        )
    from samekind.images.fetch import fetch  # TLS and HTTP take a while to import

    return fetch(uri, max_bytes=limits.max_bytes)


def _file_bytes(path: str, shown: str, max_bytes: int) -> bytes:
    """All of a regular file. The first look keeps devices unopened, the second is for a file swapped in between."""
    _regular(os.stat(path), shown, max_bytes)  # noqa: PTH116 (a Path per picture costs more than the call)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with io.FileIO(descriptor, "rb") as file:
        _regular(os.fstat(descriptor), shown, max_bytes)
        data = file.read(max_bytes + 1) or b""
    if len(data) > max_bytes:
        raise TooManyBytesError(f"{shown} grew beyond the limit of {max_bytes:,} bytes while it was read")
    return data


def _regular(found: os.stat_result, shown: str, max_bytes: int) -> None:
    """Refuse what is no file, or too much of one."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise NotAFileError(f"{shown} is {kind}, not a file")
    if found.st_size > max_bytes:
        raise TooManyBytesError(f"{shown} has {found.st_size:,} bytes, and the limit is {max_bytes:,}")


def decode(data: bytes, *, target: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Turn the bytes of a picture into upright RGB: orientation applied, transparency on white, profile to sRGB.

    `target` is the shortest side in pixels that will be needed. A JPEG that has at least twice of it on both sides
    (`DRAFT_MARGIN`) is decoded at 1/2, 1/4 or 1/8 of its size, never below that twice: libjpeg leaves out frequencies
    that the following resize would throw away. With that resize it takes about a third of the time of a full decode.
    What it costs, after the resize, is about 1 level of 255 on average where the reduced picture is just large
    enough, and half of that at three times the need (pictures with the spectrum of photographs, see
    tests/images/test_draft.py). `Decoded.image` notes how its size was rounded up, so that `Preprocess.pixels` shifts
    nothing (`orient.extent`).

    Raises ImageError: empty, truncated, unsupported, corrupt, too_many_pixels, too_many_bytes. Whatever Pillow throws
    becomes one of these. Safe to call from many threads; no global setting of Pillow is touched.
    """
    if not data:
        raise EmptyError("there is nothing in it (0 bytes)")
    if len(data) > limits.max_bytes:
        raise TooManyBytesError(f"it has {len(data):,} bytes, and the limit is {limits.max_bytes:,}")
    try:
        return _decoded(data, target, limits)
    except SamekindError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged input
        raise formats.explain(error, data) from error


def _decoded(data: bytes, target: int | None, limits: Limits) -> Decoded:
    image = formats.identify(data, limits.formats, limits.max_pixels)
    full = image.size
    box = orient.reduce(image, target * DRAFT_MARGIN) if target and target > 0 else None
    image.load()
    if box is None:
        full = image.size  # a TIFF turns itself while loading
    orientation = orient.orientation(image)
    upright = orient.turned(to_rgb(image), orientation, box)
    width, height = full[::-1] if orientation >= 5 else full
    return Decoded(upright, width, height, image.format or "")


def open_image(
    uri: str, *, target: int | None = None, limits: Limits = DEFAULT_LIMITS, allow_urls: bool = False
) -> Decoded:
    """`decode(read(uri))`, with the uri in every error's message; raises ImageError."""
    data = read(uri, limits, allow_urls=allow_urls)
    try:
        return decode(data, target=target, limits=limits)
    except ImageError as error:
        raise type(error)(f"{printable(uri)}: {error}") from error
