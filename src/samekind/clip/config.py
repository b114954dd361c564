"""What a checkpoint's config.json says about its two towers, checked before anything is allocated."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from samekind.errors import SamekindError

Activation = Literal["quick_gelu", "gelu", "gelu_pytorch_tanh"]

# Generous ceilings: the largest published CLIP and SigLIP models stay below a quarter of each. They keep a
# hostile config.json from making us build a million layers before the shapes are compared with the file.
CEILINGS = {
    "hidden_size": 16_384,
    "intermediate_size": 131_072,
    "num_hidden_layers": 256,
    "num_attention_heads": 1_024,
    "max_position_embeddings": 16_384,
    "vocab_size": 4_000_000,
    "projection_dim": 16_384,
    "image_size": 4_096,
    "patch_size": 1_024,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """Sizes of a text tower; the defaults are those of transformers' CLIPTextConfig, which files may leave out.

    `eos_token_id` 2 is the value of the first published configurations: it means "the highest id", as those files
    never named the real one. `head_bias` is SigLIP's projection, `causal` CLIP's attention.
    """

    vocab_size: int = 49_408
    hidden_size: int = 512
    intermediate_size: int = 2_048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5
    eos_token_id: int = 49_407
    projection_dim: int = 512
    causal: bool = True
    head_bias: bool = False

    def __post_init__(self) -> None:
        """Refuse what no tower can be built from."""
        _check(self, "text_config")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> "TextConfig":
        """Read the keys we know from an HF `text_config`; `overrides` win. Raises SamekindError naming the key."""
        return cls(**_known(cls, values, "text_config"), **overrides)

    def to_dict(self) -> dict[str, Any]:
        """The same values under HF's names."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """Sizes of a vision transformer; the defaults are those of transformers' CLIPVisionConfig.

    `image_size` and `patch_size` in pixels. `class_token` False is SigLIP: no class token, no first layer norm, and a
    pooling head with attention instead of a projection.
    """

    hidden_size: int = 768
    intermediate_size: int = 3_072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    image_size: int = 224
    patch_size: int = 32
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5
    projection_dim: int = 512
    class_token: bool = True

    def __post_init__(self) -> None:
        """Refuse what no tower can be built from."""
        _check(self, "vision_config")
        if self.patch_size > self.image_size:
            raise SamekindError(
                f"config.json: vision_config.patch_size {self.patch_size} is larger than image_size "
                f"{self.image_size}; the file is damaged or made by something else than transformers."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> "VisionConfig":
        """Read the keys we know from an HF `vision_config`; `overrides` win. Raises SamekindError naming the key."""
        if values.get("num_channels", 3) != 3:
            raise SamekindError(f"config.json: vision_config.num_channels is {values['num_channels']!r}, expected 3.")
        flat = {key: _side(value) for key, value in values.items()}
        return cls(**_known(cls, flat, "vision_config"), **overrides)


def _side(value: Any) -> Any:
    """Sizes may be given as [height, width]; only squares are taken."""
    return value[0] if isinstance(value, list) and len(value) == 2 and value[0] == value[1] else value


def _known(cls: type, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of the fields that a file may set, with their types checked; null means the default."""
    known: dict[str, Any] = {}
    for field in fields(cls):
        value = values.get(field.name)
        if value is None or field.name == "projection_dim" or field.type is bool:
            continue
        if field.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        choices = get_args(field.type)
        if choices and value not in choices:
            raise SamekindError(f"config.json: {where}.{field.name} {value!r} is not one of {', '.join(choices)}.")
        if not choices and type(value) is not field.type:
            kind = "whole number" if field.type is int else "number"
            raise SamekindError(f"config.json: {where}.{field.name} is {value!r}, expected a {kind}.")
        known[field.name] = value
    return known


def _check(config: TextConfig | VisionConfig, where: str) -> None:
    """Ranges, and what must divide what."""
    for name, ceiling in CEILINGS.items():
        size = getattr(config, name, 1)
        if type(size) is not int or not 1 <= size <= ceiling:
            raise SamekindError(f"config.json: {where}.{name} is {size!r}, expected an integer in 1..{ceiling}.")
    if config.hidden_size % config.num_attention_heads:
        raise SamekindError(
            f"config.json: {where}.hidden_size {config.hidden_size} is no multiple of num_attention_heads "
            f"{config.num_attention_heads}."
        )
    if not 0.0 < config.layer_norm_eps < 1.0:
        raise SamekindError(f"config.json: {where}.layer_norm_eps is {config.layer_norm_eps!r}, expected 0 < eps < 1.")
