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
_INTERPOLATIONS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


def _family(config: Mapping[str, Any]) -> str:
    """The class of processor that wrote the file: "clip", "siglip", "vit" or its own name."""
    name = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    for suffix in ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(suffix)
    return name.lower()


def read_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Preprocess` for a `preprocessor_config.json`; raises UsageError for what we cannot do alike."""
    family = _family(config)
    settings = {**_DEFAULTS.get(family, {}), **{key: value for key, value in config.items() if value is not None}}
    for key in ("size", "resample", "image_mean", "image_std"):
        if key not in settings:
            raise _refusal(f"{key!r} is missing, and {family or 'an unnamed processor'} has no default known here")
    for key in ("do_resize", "do_convert_rgb"):
        if settings.get(key, True) is False and key == "do_resize":
            raise _refusal("do_resize is false, but a model needs pictures of one size")
    if settings.get("do_pad"):
        raise _refusal("do_pad is not understood")
    interpolation = _INTERPOLATIONS.get(settings["resample"])
    if interpolation is None:
        raise _refusal(f"resample is {settings['resample']!r}; understood are {_INTERPOLATIONS}")
    mean, std = _normalisation(settings)
    return {**_geometry(settings, family), "interpolation": interpolation, "mean": mean, "std": std}


def _geometry(settings: Mapping[str, Any], family: str) -> dict[str, Any]:
    """`size`, `resize` and `edge`."""
    size = settings["size"]
    crops = bool(settings.get("do_center_crop", "crop_size" in settings))
    if isinstance(size, int):  # older files: CLIP meant the shortest side, ViT a square
        size = {"shortest_edge": size} if "clip" in family and family != "siglip" else {"height": size, "width": size}
    if not isinstance(size, Mapping):
        raise _refusal(f"size is {size!r}")
    if set(size) == {"shortest_edge"}:
        if not crops:
            raise _refusal("size is shortest_edge without a centre crop, which gives pictures of differing sizes")
        resize, edge = "shortest", size["shortest_edge"]
    elif set(size) == {"height", "width"}:
        resize, edge = "squash", _square("size", size)
    else:
        raise _refusal(f"size is {dict(size)!r}")
    cut = _square("crop_size", settings.get("crop_size", edge)) if crops else edge
    if not isinstance(edge, int) or cut > edge:
        raise _refusal(f"the centre crop of {cut} is larger than the resized picture of {edge!r}")
    return {"size": cut, "resize": resize, "edge": None if cut == edge else edge}


def _square(key: str, value: object) -> int:
    """One side of a square given as a number or as height and width."""
    if isinstance(value, Mapping) and value.get("height") == value.get("width"):
        value = value.get("height")
    if not isinstance(value, int):
        raise _refusal(f"{key} is {value!r}, not a square")
    return value


def _normalisation(settings: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for values between 0 and 1, with another rescaling factor folded in."""
    factor = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    normalise = settings.get("do_normalize", True)
    mean = settings["image_mean"] if normalise else (0.0, 0.0, 0.0)
    std = settings["image_std"] if normalise else (1.0, 1.0, 1.0)
    try:
        scale = 1.0 if abs(255 * factor - 1) < 1e-9 else 255 * factor
        return tuple(float(value) / scale for value in mean), tuple(float(value) / scale for value in std)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise _refusal(f"image_mean {mean!r}, image_std {std!r} or rescale_factor {factor!r} are no numbers") from error


def _refusal(what: str) -> UsageError:
    return UsageError(
        f"this preprocessor_config.json cannot be reproduced: {what}; "
        "give a checkpoint with CLIP's, SigLIP's or ViT's picture processor"
    )
