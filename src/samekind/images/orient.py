"""Reduced decoding and the turn to upright, with the account of which part of the result is the picture."""

from PIL import ExifTags, Image, ImageFile

Box = tuple[float, float, float, float]

_INFO = "samekind.extent"

# EXIF orientation: the turn; then whether width and height swap, and whether the picture's own right and bottom edge
# is found at the left and at the top afterwards (EXIF 2.32, tag 0x0112).
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, False, True, False),
    3: (Image.Transpose.ROTATE_180, False, True, True),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, False, False, True),
    5: (Image.Transpose.TRANSPOSE, True, False, False),
    6: (Image.Transpose.ROTATE_270, True, True, False),
    7: (Image.Transpose.TRANSVERSE, True, True, True),
    8: (Image.Transpose.ROTATE_90, True, False, True),
}


def reduce(image: ImageFile.ImageFile, least: int) -> tuple[float, float] | None:
    """Ask the decoder (JPEG's has it) for 1/2, 1/4 or 1/8 of the size, both sides at least `least`.

    Returns None when it stays as it is, else the exact width and height of the reduced picture: 4,001 pixels at a
    quarter are 1,000.25, of which the decoder makes 1,001.
    """
    full = image.size
    if min(full) < 2 * least:
        return None
    image.draft(None, (least, least))
    if image.size == full:
        return None
    scale = next(scale for scale in (2, 4, 8) if -(-full[0] // scale) == image.size[0])
    return full[0] / scale, full[1] / scale


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of a loaded picture, 1 to 8; 1 where there is none or it cannot be made out."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a broken EXIF block says nothing about the picture itself
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def turned(image: Image.Image, orientation: int, exact: tuple[float, float] | None) -> Image.Image:
    """`image` upright, free of metadata but for the extent when `exact` is its size before rounding up."""
    right = bottom = False
    if orientation in _TURNS:
        turn, swap, right, bottom = _TURNS[orientation]
        image = image.transpose(turn)
        exact = exact[::-1] if exact and swap else exact
    image.info = {}
    if exact:
        left = image.width - exact[0] if right else 0.0
        top = image.height - exact[1] if bottom else 0.0
        image.info[_INFO] = (left, top, left + exact[0], top + exact[1])
    return image


def extent(image: Image.Image) -> Box:
    """The part (left, top, right, bottom; in fractions of pixels) of `image` that shows the picture.

    All of it, except for a picture that was decoded reduced: there it is less than one pixel smaller. A note that
    does not fit, as on a copy that was cut or scaled, is not believed.
    """
    whole = (0.0, 0.0, float(image.width), float(image.height))
    noted = image.info.get(_INFO)
    if not isinstance(noted, tuple) or len(noted) != 4:
        return whole
    left, top, right, bottom = noted
    fits = 0 <= left < 1 and 0 <= top < 1 and 0 <= image.width - right < 1 and 0 <= image.height - bottom < 1
    return noted if fits else whole
