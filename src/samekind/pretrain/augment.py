"""Changes of style and shape, on whole batches: what a picture may lose while its caption stays true."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from samekind.pretrain.styles import Dice, Mask, Pixels, edges, ink, luma, paint, smooth, texture

OWN, DRAWING, PAINTING, MIXED = range(4)  # what a picture's style is after the change


class Changed(NamedTuple):
    """Changed pictures in [0, 1], and what their style is now: their domain's own, or one that they were given."""

    pixels: Float[Tensor, "b 3 s s"]
    style: Int[Tensor, " b"]


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
    ink: float = 0.12
    texture: float = 0.15
    stroke: float = 0.5
    ground: float = 0.35
    invert: float = 0.06
    blur: float = 0.15

    def __call__(self, pixels: Pixels, drawn: Mask, size: int, generator: torch.Generator) -> Changed:
        """Pictures in [0, 1] of any size -> changed pictures of `size`, each by its own dice."""
        dice = Dice(len(pixels), generator)
        x = sample(pixels, self.grid(len(pixels), size, dice))
        x = choose(dice.below(self.stroke) & drawn, strokes, x, dice)
        # One style at most: the parts of the interval [0, 1) that belong to each do not overlap.
        roll = dice.uniform(0.0, 1.0)
        drawing = roll < self.edges
        painting = ~drawing & (roll < self.edges + self.paint) & ~drawn
        inked = ~drawing & ~painting & (roll < self.edges + self.paint + self.ink) & ~drawn
        x = choose(drawing, edges, x, dice)
        x = choose(painting, paint, x, dice)
        x = choose(inked, ink, x, dice)
        x = choose(dice.below(self.texture) & ~drawing, texture, x, dice)
        x = choose(dice.below(self.ground) & drawn, ground, x, dice)
        x = choose(dice.below(self.invert) & drawn, invert, x, dice)
        x = choose(dice.below(self.blur), blur, x, dice)
        x = colour(x, self.jitter, dice)
        x = choose(dice.below(self.grey), grey, x, dice).clamp(0, 1)
        style = torch.full((len(x),), OWN)
        for mark, given in ((drawing, DRAWING), (painting, PAINTING), (inked, MIXED)):
            style[mark] = given
        return Changed(x, style)

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
