"""MobileNetV2 with batch norm folded away: the visual tower of `mini`, whose cells are the tokens."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samekind.errors import SamekindError

# Sandler et al. 2018, table 2: expansion t, channels c, repeats n, stride s of each bottleneck.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
STRIDE = 32


@dataclass(frozen=True, slots=True)
class MobileNetConfig:
    """The visual tower's shape: picture size in pixels and width of the joint space."""

    image_size: int = 160
    projection_dim: int = 512

    def __post_init__(self) -> None:
        if self.image_size < STRIDE or self.projection_dim < 1:
            raise SamekindError(
                f"a MobileNetV2 tower needs image_size >= {STRIDE} and projection_dim >= 1, "
                f"not {self.image_size} and {self.projection_dim}: the checkpoint's config.json is not usable"
            )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "MobileNetConfig":
        """Read the `vision_config` of a checkpoint's config.json; keys it does not know are left alone."""
        known = {key: config[key] for key in ("image_size", "projection_dim") if key in config}
        if any(type(value) is not int for value in known.values()):
            raise SamekindError(f"vision_config: image_size and projection_dim must be whole numbers, not {known}")
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with the model type that names this tower."""
        return {"model_type": "samekind_mobilenet_v2", **asdict(self)}


class SameConv(nn.Conv2d):
    """A 3 x 3 convolution with TensorFlow's SAME padding: what is odd goes to the right and to the bottom."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=1 if stride == 1 else 0, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c' ceil(h / stride) ceil(w / stride)]."""
        if self.stride[0] == 2:
            x = nn.functional.pad(x, (x.shape[-1] % 2, 1, x.shape[-2] % 2, 1))
        return super().forward(x)


class Bottleneck(nn.Module):
    """Inverted residual: 1 x 1 expansion, 3 x 3 depthwise, linear 1 x 1 projection."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = nn.Conv2d(inputs, hidden, 1) if expansion != 1 else None
        self.depthwise = SameConv(hidden, hidden, stride, groups=hidden)
        self.project = nn.Conv2d(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c' h/s w/s]."""
        hidden = x if self.expand is None else nn.functional.relu6(self.expand(x))
        y: Tensor = self.project(nn.functional.relu6(self.depthwise(hidden)))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """Pictures to a grid of tokens in the joint space, and their mean, the pooled vector.

    The projection is linear, so the pooled vector is the mean of the tokens: each token says what its cell of
    `32 x 32` pixels adds to the answer.
    """

    def __init__(self, config: MobileNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SameConv(3, STEM_CHANNELS, 2)
        blocks, inputs = [], STEM_CHANNELS
        for expansion, channels, repeats, stride in STAGES:
            for repeat in range(repeats):
                blocks.append(Bottleneck(inputs, channels, expansion, stride if repeat == 0 else 1))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(inputs, HEAD_CHANNELS, 1)
        self.projection = nn.Linear(HEAD_CHANNELS, config.projection_dim)

    def features(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280 y x"]:
        """The last convolutional map, before projection; `pixels` lie in [-1, 1]."""
        x = pixels.contiguous(memory_format=torch.channels_last)
        x = self.blocks(nn.functional.relu6(self.stem(x)))
        return nn.functional.relu6(self.head(x))

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b e"]]:
        """Tokens [b, (h/32)(w/32), d] row by row, and the pooled vector [b, d], neither normalised."""
        cells = self.features(pixels).flatten(2).transpose(1, 2)
        tokens = self.projection(cells)
        return tokens, tokens.mean(1)
