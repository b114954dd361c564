"""Changes of style and shape, on whole batches: what a picture may lose while its caption stays true."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

Pixels = Float[Tensor, "b 3 h w"]
Mask = Bool[Tensor, " b"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Augment:
    """How often and how far pictures are changed; shares are probabilities, all chosen here.

    `drawn` marks pictures on a plain ground (sketches, icons, silhouettes): only they get new stroke widths, grounds
    and polarity; only the others get painterly colours.
    """

    smallest_crop: float = 0.45
    rotation: float = 0.2  # radians, standard deviation
    warp: float = 0.035  # displacement of the smooth warp, share of the side, standard deviation
    jitter: float = 0.3
    grey: float = 0.15
    edges: float = 0.3
    paint: float = 0.25
    stroke: float = 0.5
    ground: float = 0.35
    invert: float = 0.06
    blur: float = 0.15

    def __call__(self, pixels: Pixels, drawn: Mask, size: int, generator: torch.Generator) -> Float[Tensor, "b 3 s s"]:
        """Pictures in [0, 1] of any size -> changed pictures in [0, 1] of `size`, each by its own dice."""
        dice = Dice(len(pixels), generator)
        x = sample(pixels, self.grid(len(pixels), size, dice))
        x = choose(dice.below(self.stroke) & drawn, strokes, x, dice)
        x = choose(dice.below(self.edges), edges, x, dice)
        x = choose(dice.below(self.paint) & ~drawn, paint, x, dice)
        x = choose(dice.below(self.ground) & drawn, ground, x, dice)
        x = choose(dice.below(self.invert) & drawn, invert, x, dice)
        x = choose(dice.below(self.blur), blur, x, dice)
        x = colour(x, self.jitter, dice)
        return choose(dice.below(self.grey), grey, x, dice).clamp(0, 1)

    def grid(self, count: int, size: int, dice: "Dice") -> Float[Tensor, "b s s 2"]:
        """Sampling grid of a random crop, turn, flip, stretch and smooth (thin-plate-like) warp."""
        scale = dice.uniform(self.smallest_crop, 1.15).sqrt()
        stretch = dice.normal(0.12).exp()
        turn = dice.normal(self.rotation)
        flip = torch.where(dice.below(0.5), -1.0, 1.0)
        room = (1 - scale).clamp(min=0.05)
        theta = torch.stack(
            [
                torch.stack(
                    [flip * scale * stretch * turn.cos(), -scale * turn.sin(), room * dice.uniform(-1.0, 1.0)], 1
                ),
                torch.stack(
                    [flip * scale * turn.sin(), scale / stretch * turn.cos(), room * dice.uniform(-1.0, 1.0)], 1
                ),
            ],
            1,
        )
        flat = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
        bend = torch.randn(count, 2, 4, 4, generator=dice.generator) * self.warp
        bend = F.interpolate(bend, size=(size, size), mode="bicubic", align_corners=False)
        return flat + bend.permute(0, 2, 3, 1)


class Dice:
    """Random numbers, one for each picture of a batch, from one seeded generator."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float) -> Float[Tensor, " b"]:
        """Uniform in [low, high)."""
        return torch.rand(self.count, generator=self.generator) * (high - low) + low

    def normal(self, deviation: float) -> Float[Tensor, " b"]:
        """Normal around zero."""
        return torch.randn(self.count, generator=self.generator) * deviation

    def below(self, share: float) -> Mask:
        """True for about `share` of the pictures."""
        return torch.rand(self.count, generator=self.generator) < share

    def like(self, count: int) -> "Dice":
        """The same generator for another number of pictures."""
        return Dice(count, self.generator)


def sample(pixels: Pixels, grid: Float[Tensor, "b s s 2"]) -> Float[Tensor, "b 3 s s"]:
    """Read the pictures at the grid's places; beyond the edge the edge's colour goes on."""
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def choose(mask: Mask, change: Callable[[Tensor, Dice], Tensor], x: Pixels, dice: Dice) -> Pixels:
    """Apply `change(pictures, dice)` to the marked pictures alone."""
    if not mask.any():
        return x
    x = x.clone()
    x[mask] = change(x[mask], dice.like(int(mask.sum())))
    return x


def luma(x: Pixels) -> Float[Tensor, "b 1 h w"]:
    """Brightness as the eye weighs it."""
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def grey(x: Pixels, dice: Dice) -> Pixels:
    """Brightness alone."""
    return luma(x).expand(-1, 3, -1, -1)


def invert(x: Pixels, dice: Dice) -> Pixels:
    """White on black."""
    return 1 - x


def strokes(x: Pixels, dice: Dice) -> Pixels:
    """Thicker or thinner dark lines: minimum or maximum over 3 x 3 neighbours, mixed in by chance."""
    thick = -F.max_pool2d(-x, 3, 1, 1)
    thin = F.max_pool2d(x, 3, 1, 1)
    share = dice.uniform(-0.6, 1.0).view(-1, 1, 1, 1)
    return torch.where(share > 0, x + share * (thick - x), x - share * (thin - x))


def edges(x: Pixels, dice: Dice) -> Pixels:
    """A line drawing of the picture: difference of Gaussians, soft threshold, dark on a light ground.

    Winnemoeller et al. 2012 (XDoG), equations 5 and 7, with widths and sharpness drawn at random.
    """
    y = luma(x)
    narrow, wide = smooth(y, 0.8), smooth(y, 1.6)
    weight = dice.uniform(0.92, 0.985).view(-1, 1, 1, 1)
    sharpness = dice.uniform(20.0, 90.0).view(-1, 1, 1, 1)
    difference = narrow - weight * wide
    threshold = dice.uniform(0.0, 0.02).view(-1, 1, 1, 1)
    lines = torch.where(difference >= threshold, 1.0, 1 + torch.tanh(sharpness * (difference - threshold)))
    return lines.clamp(0, 1).expand(-1, 3, -1, -1)


def paint(x: Pixels, dice: Dice) -> Pixels:
    """Fewer, shifted colours over smoothed forms: posterised, contrasts up, mixed with another picture's palette."""
    soft = smooth(x, 1.2)
    levels = dice.uniform(3.0, 8.0).round().view(-1, 1, 1, 1)
    flat = (soft * levels).round() / levels
    share = dice.uniform(0.0, 1.0).view(-1, 1, 1, 1)
    y = share * flat + (1 - share) * soft
    other = y.roll(1, 0)
    mean, deviation = y.mean((2, 3), keepdim=True), y.std((2, 3), keepdim=True) + 1e-3
    palette = (y - mean) / deviation * other.std((2, 3), keepdim=True) + other.mean((2, 3), keepdim=True)
    mix = dice.uniform(0.0, 0.8).view(-1, 1, 1, 1)
    return (mix * palette + (1 - mix) * y).clamp(0, 1)


def ground(x: Pixels, dice: Dice) -> Pixels:
    """A coloured, unevenly lit ground behind what was drawn on white (multiplied, as ink on paper)."""
    colours = torch.rand(len(x), 3, 3, 3, generator=dice.generator)
    paper = F.interpolate(colours, size=x.shape[-2:], mode="bilinear", align_corners=False)
    even = dice.uniform(0.0, 1.0).view(-1, 1, 1, 1)
    paper = even * paper.mean((2, 3), keepdim=True) + (1 - even) * paper
    return x * (0.35 + 0.65 * paper)


def blur(x: Pixels, dice: Dice) -> Pixels:
    """As seen out of focus."""
    return smooth(x, 1.3)


def colour(x: Pixels, strength: float, dice: Dice) -> Pixels:
    """Brightness, contrast and saturation, each by a random factor of spread `strength`."""
    light = 1 + dice.uniform(-strength, strength).view(-1, 1, 1, 1)
    contrast = 1 + dice.uniform(-strength, strength).view(-1, 1, 1, 1)
    saturation = 1 + dice.uniform(-strength, strength).view(-1, 1, 1, 1)
    x = luma(x) * (1 - saturation) + x * saturation
    mean = x.mean((1, 2, 3), keepdim=True)
    return (((x - mean) * contrast + mean) * light).clamp(0, 1)


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [b c h w], 7 taps, edges replicated."""
    taps = torch.arange(-3, 4, dtype=x.dtype)
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")
    x = F.conv2d(x, kernel.view(1, 1, 1, 7).expand(channels, 1, 1, 7), groups=channels)
    return F.conv2d(x, kernel.view(1, 1, 7, 1).expand(channels, 1, 7, 1), groups=channels)
