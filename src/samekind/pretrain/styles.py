"""Styles that a photo can be given: line drawing, painting, cartoon, another texture."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

Pixels = Float[Tensor, "b 3 h w"]
Mask = Bool[Tensor, " b"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


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


def luma(x: Pixels) -> Float[Tensor, "b 1 h w"]:
    """Brightness as the eye weighs it."""
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


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
    """A painting: strokes of a brush or soft forms, fewer colours, and some of another picture's palette."""
    soft = torch.where(dice.below(0.6).view(-1, 1, 1, 1), brush(x, 3), smooth(x, 1.2))
    levels = dice.uniform(3.0, 8.0).round().view(-1, 1, 1, 1)
    flat = (soft * levels).round() / levels
    share = dice.uniform(0.0, 1.0).view(-1, 1, 1, 1)
    y = share * flat + (1 - share) * soft
    mix = dice.uniform(0.0, 0.8).view(-1, 1, 1, 1)
    return mix * restyled(y, y.roll(1, 0)) + (1 - mix) * y


def ink(x: Pixels, dice: Dice) -> Pixels:
    """A cartoon: even colours within dark contours."""
    flat = brush(x, 2)
    levels = dice.uniform(4.0, 9.0).round().view(-1, 1, 1, 1)
    flat = (flat * levels).round() / levels
    vivid = dice.uniform(1.0, 1.8).view(-1, 1, 1, 1)
    grey = luma(flat)
    return (grey + vivid * (flat - grey)).clamp(0, 1) * edges(x, dice)


def texture(x: Pixels, dice: Dice) -> Pixels:
    """Other textures, same forms: a random convolution of each picture, mixed with the picture.

    Xu et al. 2021 (RandConv), with kernels of 3 and the mixed variant; the result is brought back to the range of the
    picture's own mean and deviation.
    """
    count, _, height, width = x.shape
    kernels = torch.randn(count * 3, 3, 3, 3, generator=dice.generator) * (2 / 27) ** 0.5
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate").reshape(1, count * 3, height + 2, width + 2)
    y = F.conv2d(padded, kernels, groups=count).reshape(x.shape)
    mix = dice.uniform(0.0, 0.7).view(-1, 1, 1, 1)
    return mix * restyled(y, x) + (1 - mix) * x


def restyled(x: Pixels, like: Pixels) -> Pixels:
    """`x` with the mean and deviation of each channel of `like`, in [0, 1]."""
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True) + 1e-3
    return ((x - mean) / deviation * like.std((2, 3), keepdim=True) + like.mean((2, 3), keepdim=True)).clamp(0, 1)


def brush(x: Pixels, radius: int) -> Pixels:
    """Strokes of a brush: each pixel takes the mean of the calmest of the four squares that it is a corner of.

    Kuwahara et al. 1976; `radius` in pixels.
    """
    side = radius + 1
    y = F.pad(torch.cat([x, luma(x)], 1), (radius,) * 4, mode="replicate")
    mean = F.avg_pool2d(y, side, 1)
    square = F.avg_pool2d(y[:, 3:] ** 2, side, 1)
    spread = square - mean[:, 3:] ** 2
    height, width = x.shape[-2:]
    places = [(top, left) for top in (0, radius) for left in (0, radius)]
    best, chosen = spread.new_full((), torch.inf), mean[:, :3, :height, :width]
    for top, left in places:
        here = spread[:, :, top : top + height, left : left + width]
        calmer = here < best
        best = torch.where(calmer, here, best)
        chosen = torch.where(calmer, mean[:, :3, top : top + height, left : left + width], chosen)
    return chosen


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [b c h w], 7 taps, edges replicated."""
    taps = torch.arange(-3, 4, dtype=x.dtype)
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")
    x = F.conv2d(x, kernel.view(1, 1, 1, 7).expand(channels, 1, 1, 7), groups=channels)
    return F.conv2d(x, kernel.view(1, 1, 7, 1).expand(channels, 1, 7, 1), groups=channels)
