"""MobileNetV2 and EfficientNet-Lite with batch norm folded away: visual towers whose cells are the tokens."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samekind.errors import SamekindError

# Expansion t, channels c, repeats n, stride s, kernel k of each stage: Sandler et al. 2018, table 2; Tan and Le 2019,
# table 1, with ReLU6 and without squeeze-and-excitation ("Lite").
_LITE = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5))
_LITE_LAST = (6, 320, 1, 1, 3)
STAGES: dict[str, tuple[tuple[int, int, int, int, int], ...]] = {
    "mobilenet_v2": (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3)),
        *((6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
    ),
    "efficientnet_lite0": (*_LITE, _LITE_LAST),
}
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
STRIDE = 32
PREFIX = "samekind_"  # of model_type


@dataclass(frozen=True, slots=True)
class MobileNetConfig:
    """The visual tower's shape: picture size in pixels, width of the joint space, and which network (`STAGES`)."""

    image_size: int = 160
    projection_dim: int = 512
    network: str = "mobilenet_v2"

    def __post_init__(self) -> None:
        if self.image_size < STRIDE or self.projection_dim < 1:
            raise SamekindError(
                f"a tower of this kind needs image_size >= {STRIDE} and projection_dim >= 1, "
                f"not {self.image_size} and {self.projection_dim}: the checkpoint's config.json is not usable"
            )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "MobileNetConfig":
        """Read the `vision_config` of a checkpoint's config.json; keys it does not know are left alone.

        Raises SamekindError for a network or for sizes that no tower can have.
        """
        network = str(config.get("model_type")).removeprefix(PREFIX)
        if network not in STAGES:
            raise SamekindError(
                f"config.json: vision_config.model_type is {config.get('model_type')!r}, expected one of "
                f"{', '.join(PREFIX + name for name in STAGES)}: the checkpoint comes from another version of "
                "samekind; install that one."
            )
        known = {key: config[key] for key in ("image_size", "projection_dim") if key in config}
        if any(type(value) is not int for value in known.values()):
            raise SamekindError(f"vision_config: image_size and projection_dim must be whole numbers, not {known}")
        return cls(**known, network=network)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with the model type that names this tower."""
        values = asdict(self)
        return {"model_type": PREFIX + values.pop("network"), **values}


class SameConv(nn.Conv2d):
    """A k x k convolution with TensorFlow's SAME padding: what is odd goes to the right and to the bottom."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1, kernel: int = 3) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding=padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c' ceil(h / stride) ceil(w / stride)]."""
        if self.stride[0] == 2:
            over = self.kernel_size[0] - 2
            width, height = over + x.shape[-1] % 2, over + x.shape[-2] % 2
            x = nn.functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


class Bottleneck(nn.Module):
    """Inverted residual: 1 x 1 expansion, k x k depthwise, linear 1 x 1 projection."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = nn.Conv2d(inputs, hidden, 1) if expansion != 1 else None
        self.depthwise = SameConv(hidden, hidden, stride, groups=hidden, kernel=kernel)
        self.project = nn.Conv2d(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c' h/s w/s]."""
        hidden = x if self.expand is None else nn.functional.relu6(self.expand(x))
        y: Tensor = self.project(nn.functional.relu6(self.depthwise(hidden)))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """Pictures to a grid of tokens in the joint space, and their mean, the pooled vector.

    The projection is linear, so the pooled vector is the mean of the tokens: each token says what its cell of
    `32 x 32` pixels adds to the answer.
    """

    def __init__(self, config: MobileNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SameConv(3, STEM_CHANNELS, 2)
        blocks, inputs = [], STEM_CHANNELS
        for expansion, channels, repeats, stride, kernel in STAGES[config.network]:
            for repeat in range(repeats):
                blocks.append(Bottleneck(inputs, channels, expansion, stride if repeat == 0 else 1, kernel))
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
