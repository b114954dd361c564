"""From an upright RGB picture to the square of pixels a model reads; frozen, and it travels with the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from samekind.errors import UsageError

Resize = Literal["shortest", "squash", "pad"]
Interpolation = Literal["bicubic", "bilinear", "lanczos"]

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
_WHITE = (255, 255, 255)


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
        _check(self)

    @property
    def target(self) -> int:
        """The shortest side that a picture must have to lose nothing here: what `decode(target=...)` is given."""
        return self.edge or self.size

    def pixels(self, image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
        """Resize (antialiased) and cut; h = w = `size`, RGB, C-contiguous and the caller's own."""
        image = image.convert("RGB")
        resample = _FILTERS[self.interpolation]
        if self.resize == "pad":
            return np.array(self._padded(image, resample))
        width, height = image.size
        scaled = self._scaled(width, height)
        left, top = (scaled[0] - self.size) // 2, (scaled[1] - self.size) // 2
        full = image.resize(scaled, resample)
        return np.array(full.crop((left, top, left + self.size, top + self.size)))

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before the cut; the longer side is rounded down as CLIP's processor does."""
        edge = self.target
        if self.resize == "squash":
            return edge, edge
        if width <= height:
            return edge, int(edge * height / width)
        return int(edge * width / height), edge

    def _padded(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        """The whole picture, centred on white."""
        scale = self.size / max(image.size)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        canvas = Image.new("RGB", (self.size, self.size), _WHITE)
        canvas.paste(image.resize(inner, resample), ((self.size - inner[0]) // 2, (self.size - inner[1]) // 2))
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
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "Preprocess":
        """Read a Hugging Face `preprocessor_config.json` (CLIP, SigLIP, ViT); see `hf.py` for what is understood."""
        from samekind.images.hf import read_config

        return cls(**read_config(config))


def _check(preprocess: Preprocess) -> None:
    """Raise UsageError naming the first field that is unfit."""

    def triple(value: object) -> bool:
        return isinstance(value, tuple) and len(value) == 3 and all(_finite(item) for item in value)

    def side(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 16384

    edge = preprocess.edge
    rules = {
        "size": (side(preprocess.size), "a number of pixels from 1 to 16384"),
        "resize": (preprocess.resize in get_args(Resize), f"one of {get_args(Resize)}"),
        "interpolation": (preprocess.interpolation in get_args(Interpolation), f"one of {get_args(Interpolation)}"),
        "mean": (triple(preprocess.mean), "three numbers"),
        "std": (triple(preprocess.std) and all(value > 0 for value in preprocess.std), "three numbers above 0"),
        "edge": (edge is None or (side(edge) and edge >= preprocess.size), "absent or at least `size`"),
    }
    for name, (good, wanted) in rules.items():
        if not good:
            raise UsageError(f"preprocessing: {name} must be {wanted}, got {getattr(preprocess, name)!r}")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
