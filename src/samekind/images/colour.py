"""Any mode that Pillow knows to RGB: transparency on white, wide values scaled, embedded profiles to sRGB."""

import io
import threading
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageCms

_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_WIDE_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF 6.0 tags
_WHITE = (255, 255, 255)

# Larger profiles are not met in pictures, and each one in the cache is kept.
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
# Levels of 255 by which a profile may differ from sRGB before converting is worth its time; nobody sees less.
_SAME_AS_SRGB = 3
_building = threading.Lock()


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` (any mode, loaded or not) as RGB; a picture that is RGB already comes back as it is.

    Transparent pixels show white. A profile that is broken or belongs to another colour space is ignored.
    """
    alpha: Image.Image | None = None
    if image.mode in _WIDE_MODES:
        base, alpha = _narrowed(image)
    elif image.mode in _ALPHA_MODES or "transparency" in image.info:
        base, alpha = _split(image)
    else:
        base = image
    rgb = _converted(base, image.info.get("icc_profile"))
    if alpha is None or alpha.getextrema() == (255, 255):
        return rgb
    white = Image.new("RGB", rgb.size, _WHITE)
    white.paste(rgb, mask=alpha)
    return white


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Colour (L or RGB) and alpha of a picture with transparency in pixels, in its palette or as one colour."""
    if image.mode in {"LA", "La"}:
        grey = image.convert("LA") if image.mode == "La" else image
        return grey.getchannel("L"), grey.getchannel("A")
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        image = image.copy()  # the colour was noted with 16 bits, of which the pixels kept the upper 8
        image.info["transparency"] = tuple(value >> 8 for value in key)
    full = image.convert("RGBA")
    return full.convert("RGB"), full.getchannel("A")


def _narrowed(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Greyscale of 12, 16 or 32 bits or floats as 8 bits, and its alpha where one value means transparent.

    16 bits are divided by 257, 12 by 16.06 (a TIFF says which). Integers of 32 bits count as 8 or 16 bits wide when
    all are; floats as 0 to 1 or 0 to 255 likewise. Everything else is stretched from its least to its greatest value.
    """
    values = np.asarray(image)
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(_BITS_PER_SAMPLE, (16,))
        top = 4095 if bits == (12,) or bits == 12 else 65535
        narrow = ((values.astype(np.uint32) * 255 + top // 2) // top).clip(0, 255).astype(np.uint8)
    else:
        narrow = _stretched(values)
    if tags.get(_PHOTOMETRIC) == 0:  # "white is zero", which Pillow honours for 8 bits only
        narrow = 255 - narrow
    key = image.info.get("transparency")
    alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
    return Image.fromarray(narrow), alpha


def _stretched(values: Shaped[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Wide integers or floats to 0..255; values that are no numbers come out black."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    natural = (255, 65535) if np.issubdtype(values.dtype, np.integer) else (1, 255)
    bound = next((bound for bound in natural if low >= 0 and high <= bound), None)
    low, high = (low, high) if bound is None else (0.0, float(bound))
    with np.errstate(all="ignore"):
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1e-30))
    levels: UInt8[np.ndarray, "h w"] = (np.nan_to_num(scaled).clip(0, 255) + 0.5).astype(np.uint8)
    return levels


def _converted(image: Image.Image, profile: object) -> Image.Image:
    """L, RGB, CMYK, LAB, ... to RGB, by the profile where one fits."""
    if image.mode == "LAB":
        return _through(image, _lab_transform())
    if image.mode not in _SPACES:
        image = image.convert("RGB")
    if isinstance(profile, bytes) and 128 <= len(profile) <= _MAX_PROFILE_BYTES:
        transform = _transform(profile, image.mode)
        if transform is not None:
            return _through(image, transform)
    return image if image.mode == "RGB" else image.convert("RGB")


def _through(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    image.load()
    return transform.apply(image)


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an embedded profile to sRGB; None when it is broken, for other modes, or sRGB up to rounding."""
    try:
        with _building:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if source.profile.xcolor_space.strip() != _SPACES[mode]:
                return None
            # Without lcms's cache of the last pixel a transform may be shared between threads.
            transform = ImageCms.buildTransform(
                source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=ImageCms.Flags.NOCACHE
            )
        return None if mode != "CMYK" and _is_identity(transform, mode) else transform
    except Exception:  # lcms and Pillow raise several kinds; a bad profile must not cost the picture
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a lattice over all colours comes back as it was, up to `_SAME_AS_SRGB` levels."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    probe = Image.fromarray(lattice) if mode == "RGB" else Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(probe), dtype=np.int16)
    return int(abs(after - before).max()) <= _SAME_AS_SRGB


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    with _building:
        return ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB", flags=ImageCms.Flags.NOCACHE
        )
