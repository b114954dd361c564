"""Which towers a config.json asks for: one entry per `model_type`, and where its files keep a few tensors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samekind.clip.config import TextConfig, VisionConfig
from samekind.clip.mobilenet import MobileNet, MobileNetConfig
from samekind.clip.text import TextTower
from samekind.clip.vit import VisionTransformer
from samekind.errors import SamekindError


class Vision(NamedTuple):
    """A visual tower and what cannot be read off it in the same way for all: its sizes and its configuration."""

    tower: nn.Module
    token_dim: int
    dim: int
    image_size: int
    config: VisionConfig | MobileNetConfig


@dataclass(frozen=True, slots=True)
class Family:
    """How one `model_type` is built. `renames` maps prefixes of our parameter names to those of the files."""

    vision: Callable[[Mapping[str, Any]], Vision]
    text: Callable[[Mapping[str, Any]], TextTower]
    renames: Mapping[str, str]
    siglip: bool = False

    def file_name(self, name: str) -> str:
        """The name in the checkpoint's files of one of our parameters."""
        for ours, theirs in self.renames.items():
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
        return name

    def logits(self) -> tuple[Tensor, Tensor | None]:
        """Start values of `logit_scale` and `logit_bias`, in the shapes of the files (both papers' values)."""
        if self.siglip:
            return torch.full((1,), math.log(10.0)), torch.full((1,), -10.0)
        return torch.tensor(math.log(1 / 0.07)), None


def family_of(config: Mapping[str, Any]) -> Family:
    """The entry for this config.json; raises SamekindError for a model that is no dual encoder we know."""
    kind = config.get("model_type")
    if kind == "siglip2":
        raise SamekindError(
            "config.json: model_type siglip2 is the variable-resolution SigLIP 2, which is not supported. Take the "
            "fixed-resolution checkpoint of the same model (its model_type is siglip)."
        )
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise SamekindError(f"config.json: model_type is {kind!r}, supported are {', '.join(FAMILIES)}.")
    return FAMILIES[kind]


def essence(vision: Vision, text: TextConfig) -> dict[str, Any]:
    """What of the configuration changes a vector, for hashing.

    Values equal to the defaults are left out, so that a field added later, with the old behaviour as its default,
    leaves old hashes as they are.
    """
    return {"vision": [type(vision.config).__name__, _changed(vision.config)], "text": _changed(text)}


def _changed(config: VisionConfig | MobileNetConfig | TextConfig) -> dict[str, Any]:
    values = asdict(config)
    return {field.name: values[field.name] for field in fields(config) if values[field.name] != field.default}


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """`text_config` or `vision_config`, without the keys that are null."""
    section = config.get(name)
    # Configurations of 2022 keep the values a second time, and transformers lets that copy win as a whole.
    if isinstance(config.get(f"{name}_dict"), dict):
        section = config[f"{name}_dict"]
    if section is None:
        section = {}
    if not isinstance(section, dict):
        raise SamekindError(f"config.json: {name} is {section!r}, expected an object.")
    return {key: value for key, value in section.items() if value is not None}


def _whole(values: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number that decides the joint space's dimension."""
    value = values.get(key)
    if value is not None and type(value) is not int:
        raise SamekindError(f"config.json: {key} is {value!r}, expected a whole number.")
    return default if value is None else value


def _joint_dim(config: Mapping[str, Any]) -> int:
    """CLIP's dimension of the joint space: the top level alone decides; 512 is transformers' default."""
    return _whole(config, "projection_dim", 512)


def _clip_vision(config: Mapping[str, Any]) -> Vision:
    sizes = VisionConfig.from_dict(_section(config, "vision_config"), projection_dim=_joint_dim(config))
    return Vision(VisionTransformer(sizes), sizes.hidden_size, sizes.projection_dim, sizes.image_size, sizes)


def _clip_text(config: Mapping[str, Any]) -> TextTower:
    return TextTower(TextConfig.from_dict(_section(config, "text_config"), projection_dim=_joint_dim(config)))


# transformers' defaults for SigLIP, which the published files leave out.
SIGLIP_SIZES = {
    "hidden_size": 768,
    "intermediate_size": 3_072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
SIGLIP_VISION = {**SIGLIP_SIZES, "image_size": 224, "patch_size": 16}
SIGLIP_TEXT = {**SIGLIP_SIZES, "vocab_size": 32_000, "max_position_embeddings": 64}


def _siglip_vision(config: Mapping[str, Any]) -> Vision:
    section = {**SIGLIP_VISION, **_section(config, "vision_config")}
    if section.get("vision_use_head") is False:
        raise SamekindError("config.json: vision_use_head is false; without its head SigLIP has no picture vector.")
    joint = _whole(section, "hidden_size", 768)
    sizes = VisionConfig.from_dict(section, projection_dim=joint, class_token=False)
    return Vision(VisionTransformer(sizes), sizes.hidden_size, sizes.hidden_size, sizes.image_size, sizes)


def _siglip_text(config: Mapping[str, Any]) -> TextTower:
    section = {**SIGLIP_TEXT, **_section(config, "text_config")}
    section.pop("eos_token_id", None)  # SigLIP reads the last place
    joint = _whole(section, "projection_size", _whole(section, "hidden_size", 768))
    return TextTower(TextConfig.from_dict(section, projection_dim=joint, causal=False, head_bias=True))


def _mini_vision(config: Mapping[str, Any]) -> Vision:
    section = _section(config, "vision_config")
    sizes = MobileNetConfig.from_dict(section)
    return Vision(MobileNet(sizes), sizes.projection_dim, sizes.projection_dim, sizes.image_size, sizes)


FAMILIES: dict[str, Family] = {
    "clip": Family(
        vision=_clip_vision,
        text=_clip_text,
        renames={"vision_model.projection.": "visual_projection.", "text_model.projection.": "text_projection."},
    ),
    "siglip": Family(
        vision=_siglip_vision,
        text=_siglip_text,
        renames={"text_model.projection.": "text_model.head."},
        siglip=True,
    ),
    "samekind_mini": Family(
        vision=_mini_vision,
        text=_clip_text,
        renames={"text_model.projection.": "text_projection."},
    ),
}
