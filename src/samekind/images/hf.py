"""Hugging Face image processor settings, read into our own."""

from collections.abc import Mapping
from typing import Any

from samekind.errors import UsageError

_CLIP = {
    "do_center_crop": True,
    "size": {"shortest_edge": 224},
    "crop_size": 224,
    "resample": 3,
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}
_HALF = {"size": {"height": 224, "width": 224}, "image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}
# What these classes assume where their files are silent (their public defaults, transformers 5).
_DEFAULTS: dict[str, dict[str, Any]] = {
    "clip": _CLIP,
    "siglip": {**_HALF, "resample": 3, "do_center_crop": False},
    "vit": {**_HALF, "resample": 2, "do_center_crop": False},
}
# Numbers of PIL.Image.Resampling.
_INTERPOLATIONS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}

# Steps that change nothing here, or are done for every picture; any other one that is asked for is refused.
_UNDERSTOOD = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
_REFUSED = {"crop_pct", "size_divisor", "pad_size", "max_num_patches", "max_pixels", "min_pixels", "use_square_size"}


def _family(config: Mapping[str, Any]) -> str:
    """The class of processor that wrote the file: "clip", "siglip", "vit" or its own name."""
    name = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    for suffix in ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(suffix)
    return name.lower()


def read_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Preprocess` for a `preprocessor_config.json`; raises UsageError for what we cannot do alike."""
    family = _family(config)
    given = {key: value for key, value in config.items() if value is not None}
    settings = {**_DEFAULTS.get(family, {}), **given}
    for key in ("size", "resample", "image_mean", "image_std"):
        if key not in settings:
            raise _refusal(f"{key!r} is missing, and {family or 'an unnamed processor'} has no default known here")
    for key, value in settings.items():
        if value and (key in _REFUSED or (key.startswith("do_") and key not in _UNDERSTOOD)):
            raise _refusal(f"{key!r} ({value!r}) is not understood")
    if not settings.get("do_resize", True):
        raise _refusal("'do_resize' is false, but a model needs pictures of one size")
    interpolation = next((name for number, name in _INTERPOLATIONS.items() if settings["resample"] == number), None)
    if interpolation is None:
        raise _refusal(f"'resample' is {settings['resample']!r}; understood are {_INTERPOLATIONS}")
    mean, std = _normalisation(settings)
    return {**_geometry(settings, family), "interpolation": interpolation, "mean": mean, "std": std}


def _geometry(settings: Mapping[str, Any], family: str) -> dict[str, Any]:
    """`size`, `resize` and `edge`."""
    size = settings["size"]
    crops = bool(settings.get("do_center_crop", "crop_size" in settings))
    if isinstance(size, int):  # older files: CLIP meant the shortest side, ViT a square
        size = (
            {"shortest_edge": size} if "clip" in family or (crops and not family) else {"height": size, "width": size}
        )
    keys = {key for key, value in size.items() if value is not None} if isinstance(size, Mapping) else set()
    if keys == {"shortest_edge"}:
        if not crops:
            raise _refusal("'size' is shortest_edge without a centre crop, which gives pictures of differing sizes")
        resize, edge = "shortest", _side("size", size["shortest_edge"])
    elif keys == {"height", "width"}:
        resize, edge = "squash", _side("size", size)
    else:
        raise _refusal(f"'size' is {size!r}, not shortest_edge, nor height and width")
    cut = _side("crop_size", settings.get("crop_size", edge)) if crops else edge
    if cut > edge:
        raise _refusal(f"the centre crop of {cut} is larger than the resized picture of {edge}")
    return {"size": cut, "resize": resize, "edge": None if cut == edge else edge}


def _side(key: str, value: object) -> int:
    """One side of a square given as a number, as height and width, or as the shortest edge."""
    if isinstance(value, Mapping):
        sides = {side for side in value.values() if side is not None}
        value = sides.pop() if len(sides) == 1 else dict(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _refusal(f"{key!r} is {value!r}, not a square of pixels")
    return value


def _normalisation(settings: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for values between 0 and 1, with another rescaling factor folded in."""
    factor = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    normalise = settings.get("do_normalize", True)
    mean = settings["image_mean"] if normalise else (0.0, 0.0, 0.0)
    std = settings["image_std"] if normalise else (1.0, 1.0, 1.0)
    try:
        scale = 1.0 if abs(255 * factor - 1) < 1e-9 else 255 * factor
        folded = tuple(tuple(float(value) / scale for value in values) for values in (mean, std))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise _refusal(f"mean {mean!r}, deviation {std!r} or rescale_factor {factor!r} are no numbers") from error
    return folded[0], folded[1]


def _refusal(what: str) -> UsageError:
    return UsageError(
        f"this preprocessor_config.json cannot be reproduced: {what}; "
        "give a checkpoint with CLIP's, SigLIP's or ViT's picture processor"
    )
