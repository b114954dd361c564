"""Where a thing stands in its picture: pose, masks and noise that every renderer needs."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw

from samekind.datasets.toyworld.shapes import Number, Part, Points


@dataclass(frozen=True, slots=True)
class Scene:
    """Parts in pixels of a square of `side`, back to front; `stands` says that the lowest point is on the ground.

    `side` is twice the picture's: outlines are drawn there and then reduced, which gives them smooth edges.
    """

    parts: list[Part]
    side: int
    stands: bool

    @property
    def size(self) -> int:
        """Height and width of the finished picture, in pixels."""
        return self.side // 2

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the whole thing, in pixels of `side`."""
        corners = np.concatenate([part.points for part in self.parts])
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        return left, top, right, bottom


def place(parts: list[Part], rng: np.random.Generator, side: int, spin: Number, stands: bool) -> Scene:
    """Turn (at most `spin` degrees), mirror, stretch, tilt and size a thing, and put it where it fits."""
    angle, flip = np.radians(rng.uniform(-spin, spin)), rng.choice([-1.0, 1.0])
    stretch = np.exp(rng.uniform(-0.14, 0.14))
    # What stands on the ground must not seem to topple.
    firm = 0.4 if stands else 1.0
    skew = firm * rng.uniform(-0.1, 0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, skew], [0, 1]]) @ np.diag([flip * stretch, 1 / stretch])
    tilt = rng.uniform(-0.13, 0.13, 2) * np.array([firm, 1.0])

    def warp(points: Points) -> Points:
        level: Points = points @ matrix.T
        seen: Points = level / (1 + level @ tilt)[:, None]
        return seen

    corners = np.concatenate([warp(part.points) for part in parts])
    low, high = corners.min(0), corners.max(0)
    scale = side * rng.uniform(0.62, 0.86) / (high - low).max()
    room = side * 0.96 - scale * (high - low)
    offset = side * 0.02 + room * (0.5 + rng.uniform(-0.5, 0.5, 2) * 0.8) - scale * low

    def move(points: Points) -> Points:
        there: Points = warp(points) * scale + offset
        return there

    moved = [
        replace(p, points=move(p.points), width=p.width * scale, holes=tuple(move(h) for h in p.holes)) for p in parts
    ]
    return Scene(moved, side, stands)


def flat(points: Points) -> list[float]:
    """The point list as Pillow takes it."""
    numbers: list[float] = points.ravel().tolist()
    return numbers


def stroke(draw: ImageDraw.ImageDraw, points: Points, width: Number, fill: int | tuple[int, int, int]) -> None:
    """A line with round joints and ends."""
    draw.line(flat(points), fill, max(1, round(width)), joint="curve")
    r = width / 2 - 0.5
    if r >= 1:
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - r, y - r, x + r, y + r), fill)


def fill(mask: Image.Image, part: Part, tone: int = 255, origin: tuple[int, int] = (0, 0)) -> None:
    """Paint the area of `part` into the one-channel `mask`, whose left upper corner is `origin`."""
    draw = ImageDraw.Draw(mask)
    if part.role == "line":
        stroke(draw, part.points - origin, part.width, tone)
    elif not part.holes:
        draw.polygon(flat(part.points - origin), tone)
    else:
        own = Image.new("L", mask.size)
        cut = ImageDraw.Draw(own)
        cut.polygon(flat(part.points - origin), 255)
        for hole in part.holes:
            cut.polygon(flat(hole - origin), 0)
        mask.paste(tone, (0, 0), own)


def silhouette(scene: Scene) -> Image.Image:
    """The mask of the whole thing, at the picture's size."""
    mask = Image.new("L", (scene.side, scene.side))
    for part in scene.parts:
        fill(mask, part)
    return mask.reduce(2)


def shifted(mask: Image.Image, right: Number, down: Number) -> Image.Image:
    """The mask moved by whole pixels; what leaves on one side does not come back on the other."""
    moved = Image.new("L", mask.size)
    moved.paste(mask, (round(right), round(down)))
    return moved


def noise(rng: np.random.Generator, side: int, cells: int, across: int | None = None) -> Float32[np.ndarray, "s s"]:
    """Smooth noise in -1..1 with `cells` bumps from top to bottom (and `across` from left to right)."""
    grid = rng.uniform(-1, 1, (cells + 1, (across or cells) + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC))


def clouds(rng: np.random.Generator, side: int, cells: int = 3, octaves: int = 4) -> Float32[np.ndarray, "s s"]:
    """Noise at several scales, each half as strong as the one before; about -1..1."""
    total = noise(rng, side, cells)
    for n in range(1, octaves):
        total = total + noise(rng, side, cells * 2**n) * np.float32(0.5**n)
    return total / np.float32(1.4)


def picture(values: Float[np.ndarray, "h w 3"]) -> Image.Image:
    """Values of 0..255 as an RGB picture."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))
