"""From an upright RGB picture to the square of pixels a model reads; frozen, and it travels with the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from samekind.errors import UsageError
from samekind.images import orient
from samekind.images.colour import to_rgb
from samekind.images.errors import CorruptError
from samekind.images.orient import Box

Resize = Literal["shortest", "squash", "pad"]
Interpolation = Literal["bicubic", "bilinear", "lanczos"]

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
_WHITE = (255, 255, 255)
_MAX_ASPECT = 16
_MAX_SIDE = 16384


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How pictures become model input: `size` x `size` pixels, later normalised with `mean` and `std`.

    `resize` says how a picture that is not square gets there: "shortest" scales the shortest side to `edge` and cuts
    `size` x `size` from the centre (CLIP), "squash" ignores the aspect ratio (SigLIP), "pad" fits the whole picture
    and fills up with white. `edge` is the side before the cut; None means `size`, so that nothing but the longer
    side's ends is cut. `mean` and `std` are for values between 0 and 1.

    Raises UsageError for values outside of this.
    """

    size: int
    resize: Resize
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    edge: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be applied."""
        _check({field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def target(self) -> int:
        """The shortest side that a picture must have to lose nothing here: what `decode(target=...)` is given."""
        return self.edge or self.size

    def pixels(self, image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
        """Resize (antialiased) and cut; h = w = `size`, RGB, C-contiguous and the caller's own.

        Equal to what transformers' processors make of the same picture before they normalise it. Beyond an aspect
        ratio of 16 only the part that will be cut out is resized, equal up to rounding, so that 1 x 5,000 pixels do
        not become 224 x 1,120,000. A picture of any mode and orientation will do, as `decode` would show it.
        Raises CorruptError when it has no pixels.
        """
        picture, box = _upright(image)
        resample = _FILTERS[self.interpolation]
        width, height = box[2] - box[0], box[3] - box[1]
        if self.resize == "pad":
            return np.array(self._padded(picture, resample, box))
        size, scaled = self.size, self._scaled(width, height)
        left, top = (scaled[0] - size) // 2, (scaled[1] - size) // 2
        if max(scaled) <= _MAX_ASPECT * min(scaled):
            whole = picture.resize(scaled, resample, box)
            return np.array(whole.crop((left, top, left + size, top + size)))
        x, y = width / scaled[0], height / scaled[1]
        begin = box[0] + left * x, box[1] + top * y
        end = min(begin[0] + size * x, box[2]), min(begin[1] + size * y, box[3])
        return np.array(picture.resize((size, size), resample, (*begin, *end)))

    def _scaled(self, width: float, height: float) -> tuple[int, int]:
        """Width and height before the cut; the longer side is rounded down, as transformers does."""
        edge = self.target
        if self.resize == "squash":
            return edge, edge
        if width <= height:
            return edge, int(edge * height / width)
        return int(edge * width / height), edge

    def _padded(self, picture: Image.Image, resample: Image.Resampling, box: Box) -> Image.Image:
        """The whole picture, centred on white."""
        width, height = box[2] - box[0], box[3] - box[1]
        scale = self.size / max(width, height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = Image.new("RGB", (self.size, self.size), _WHITE)
        canvas.paste(picture.resize(inner, resample, box), ((self.size - inner[0]) // 2, (self.size - inner[1]) // 2))
        return canvas

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a card (JSON)."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocess":
        """The inverse of `to_dict`; raises UsageError when keys are missing or unknown, or values are unfit."""
        known = {field.name for field in fields(cls)}
        missing = sorted(known - {"edge"} - values.keys())
        unknown = sorted(values.keys() - known)
        if missing or unknown:
            raise UsageError(
                f"these preprocessing settings cannot be used: missing {missing}, unknown {unknown}; "
                f"they must be {sorted(known)} as a retriever's card has them"
            )
        return cls(**_check(values))

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "Preprocess":
        """Read a Hugging Face `preprocessor_config.json` (CLIP, SigLIP, ViT); see `hf.py` for what is understood."""
        from samekind.images.hf import read_config

        return cls(**_check(read_config(config)))


def _upright(image: Image.Image) -> tuple[Image.Image, Box]:
    """Upright RGB and the part of it that is the picture; the caller's image stays as it is."""
    if min(image.size) < 1:
        raise CorruptError(f"a picture of {image.width} x {image.height} pixels shows nothing")
    image.load()
    turn = orient.orientation(image)
    picture = to_rgb(image)
    if turn != 1:
        picture = orient.turned(picture, turn, None)
    return picture, orient.extent(picture)


def _check(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values as the fields have them, lists as tuples of floats; raises UsageError naming the first unfit."""
    size, edge = values["size"], values.get("edge")
    rules = {
        "size": (_is_side(size), f"a number of pixels from 1 to {_MAX_SIDE}"),
        "resize": (values["resize"] in get_args(Resize), f"one of {get_args(Resize)}"),
        "interpolation": (values["interpolation"] in get_args(Interpolation), f"one of {get_args(Interpolation)}"),
        "mean": (_is_triple(values["mean"]), "three numbers"),
        "std": (_is_triple(values["std"]) and min(values["std"]) > 0, "three numbers above 0"),
        "edge": (edge is None or (_is_side(edge) and edge >= size), "absent or at least `size`"),
    }
    for name, (good, wanted) in rules.items():
        if not good:
            raise UsageError(f"preprocessing: {name} must be {wanted}, got {values.get(name)!r}")
    triples = {name: tuple(float(value) for value in values[name]) for name in ("mean", "std")}
    return {**values, **triples}


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_SIDE


def _is_triple(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    return all(isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item) for item in value)
