"""Which plugin of Pillow may open the bytes, what the header says, and what Pillow's many errors mean."""

import importlib
import io
import re
import struct
from collections.abc import Sequence

from PIL import Image, ImageFile

from samekind.errors import UsageError
from samekind.images.errors import (
    CorruptError,
    ImageError,
    TooManyPixelsError,
    TruncatedError,
    UnsupportedError,
)

# JPEG includes MPO, the container of stereo and phone cameras, which Pillow opens with the same plugin.
_PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "TIFF": "TiffImagePlugin",
    "AVIF": "AvifImagePlugin",
}
FORMATS = tuple(_PLUGINS)
_ALIASES = {"JPG": "JPEG", "MPO": "JPEG", "TIF": "TIFF"}

# Encoders write a dozen scans; each may walk over every block of the picture, so thousands in a few bytes are a bomb.
_MAX_SCANS = 200
_SCAN = re.compile(rb"\xff\xda\x00[\x06\x08\x0a\x0c][\x01-\x04]")

_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unknown|cannot handle|not implemented|unidentified", re.IGNORECASE
)
_TRUNCATED = re.compile(r"truncat|unexpected end|buffer is not large enough|more data", re.IGNORECASE)


def identify(data: bytes, formats: Sequence[str], max_pixels: int) -> ImageFile.ImageFile:
    """The picture behind `data`, its header read and nothing decoded; its content decides, not a name.

    The plugins are called by themselves: `PIL.Image.open` would warn about large pictures through a global limit,
    try formats beyond those named, and hide why a plugin gave up. Raises ImageError, and whatever the plugin raises.
    """
    remarks = []
    for name in formats:
        opener = Image.OPEN.get(_load_plugin(name))
        if opener is None:
            continue
        factory, accept = opener
        verdict = accept(data[:16]) if accept else True
        if isinstance(verdict, str):  # Pillow was built without it
            remarks.append(verdict)
        elif verdict:
            _check_pixels(_webp_size(data), max_pixels)
            image = factory(io.BytesIO(data), "")
            _check_header(image, data, max_pixels)
            return image
    remark = f" ({remarks[0]})" if remarks else ""
    raise UnsupportedError(f"the content is no picture in a format that is opened here: {', '.join(formats)}{remark}")


def _load_plugin(name: str) -> str:
    """Have Pillow know one format; returns its name there."""
    name = _ALIASES.get(name.upper(), name.upper())
    if name not in _PLUGINS:
        raise UsageError(f"the format {name!r} is not opened here; choose from {', '.join(FORMATS)}")
    if name not in Image.OPEN:
        importlib.import_module(f"PIL.{_PLUGINS[name]}")
    return name


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TooManyPixelsError(
            f"its header announces {size[0]:,} x {size[1]:,} pixels, and the limit is {max_pixels:,} in all"
        )


def _check_header(image: ImageFile.ImageFile, data: bytes, max_pixels: int) -> None:
    """Refuse by the header alone."""
    if image.format == "TIFF" and Image.MAX_IMAGE_PIXELS is not None:
        max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS)
    _check_pixels(image.size, max_pixels)
    if min(image.size) < 1:
        raise CorruptError(f"its header announces {image.size[0]} x {image.size[1]} pixels")
    if image.info.get("progressive"):
        scans = sum(1 for _ in _SCAN.finditer(data))
        if scans > _MAX_SCANS:
            raise CorruptError(f"it is built of {scans:,} scans to take very long; real JPEGs have up to {_MAX_SCANS}")


def _webp_size(data: bytes) -> tuple[int, int]:
    """The canvas of a WebP, else (0, 0): its plugin reserves the canvas on opening, before a size can be asked for.

    Source: RFC 9649, sections 2.5 to 2.7.
    """
    if data[:4] != b"RIFF" or len(data) < 30:
        return 0, 0
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def explain(error: Exception, data: bytes) -> ImageError:
    """The named error for what a plugin raised."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return TooManyPixelsError(f"it has too many pixels: {error}")
    said = str(error) if " " in str(error) else repr(error)
    early = isinstance(error, EOFError | struct.error) or isinstance(
        error.__cause__, EOFError | struct.error | IndexError
    )
    if early or _TRUNCATED.search(said) or _is_cut(data):
        return TruncatedError(f"the file ends before the picture does ({said}); copy or download it again")
    if _is_heif(data) or _UNSUPPORTED.search(said):
        return UnsupportedError(f"this kind of picture is not opened here ({said}); convert it to PNG or JPEG")
    return CorruptError(f"the picture is damaged ({said})")


def _is_cut(data: bytes) -> bool:
    """Whether a WebP or an AVIF announces more bytes than there are, about which their decoders are silent.

    Sources: RFC 9649, section 2.3 (RIFF); ISO/IEC 14496-12, clause 4.2 (boxes: size, type, content).
    """
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    place = 0
    while data[4:8] == b"ftyp" and place < len(data):
        size = int.from_bytes(data[place : place + 4])
        if size == 1:  # the size proper follows the type, in 64 bits
            size = int.from_bytes(data[place + 8 : place + 16])
        if size < 8:  # 0 means to the end; less makes no sense
            break
        place += size
    return place > len(data)


def _is_heif(data: bytes) -> bool:
    """Whether it is an HEIC under the general brand that AVIF may have too."""
    return data[4:8] == b"ftyp" and b"avif" not in data[8:64] and b"avis" not in data[8:64]
