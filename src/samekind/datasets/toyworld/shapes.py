"""What a drawn thing is made of: parts (outlines with a colour), and the few curves that they are built from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

# An `int` where a `float` is asked for is right in Python, but checkers at run time want it said.
Number: TypeAlias = float | int
Points: TypeAlias = Float[np.ndarray, "_ 2"]  # every list has a length of its own
Colour: TypeAlias = tuple[int, int, int]
Role: TypeAlias = Literal["body", "patch", "line"]

COLOURS: dict[str, Colour] = {
    "red": (206, 47, 46),
    "orange": (236, 126, 34),
    "yellow": (245, 200, 50),
    "green": (72, 156, 66),
    "teal": (40, 150, 150),
    "blue": (48, 106, 196),
    "sky": (110, 178, 230),
    "purple": (132, 78, 170),
    "pink": (236, 130, 160),
    "brown": (134, 84, 46),
    "tan": (204, 160, 104),
    "cream": (246, 230, 196),
    "white": (244, 244, 240),
    "grey": (150, 152, 158),
    "steel": (182, 188, 196),
    "dark": (52, 50, 56),
    "black": (26, 24, 28),
    "glass": (168, 208, 230),
    "gold": (224, 176, 62),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a thing; a thing is a list of them, drawn back to front.

    `points` [n 2] lie in the square from -1 to 1, y downwards. A `body` is a closed piece that every domain outlines, a
    `patch` a closed mark on a body, a `line` an open stroke of `width`. `holes` are cut out of a body. `bulge` says how
    round it is: 0 a card, 1 a ball.
    """

    points: Points
    colour: Colour
    role: Role = "body"
    width: Number = 0.0
    bulge: Number = 0.6
    holes: tuple[Points, ...] = ()


Shape: TypeAlias = Callable[[np.random.Generator], list[Part]]


def body(points: Points, colour: Colour, bulge: Number = 0.6, holes: Sequence[Points] = ()) -> Part:
    """A closed piece with an outline."""
    return Part(points, colour, bulge=bulge, holes=tuple(holes))


def patch(points: Points, colour: Colour, bulge: Number = 0.1) -> Part:
    """A closed mark on the piece below it."""
    return Part(points, colour, "patch", bulge=bulge)


def line(points: Points, colour: Colour, width: Number = 0.03) -> Part:
    """An open stroke, `width` wide."""
    return Part(points, colour, "line", width=width, bulge=0.5)


def paint(rng: np.random.Generator, *names: str) -> Colour:
    """One of the named colours, a little off."""
    base = COLOURS[names[int(rng.integers(len(names)))]]
    red, green, blue = (
        (np.asarray(base) + rng.uniform(-14, 14) + rng.uniform(-9, 9, 3)).clip(0, 255).astype(int).tolist()
    )
    return red, green, blue


def mix(colour: Colour, other: Colour, share: Number) -> Colour:
    """`colour` with `share` (0 to 1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: Number = 0.3) -> Colour:
    """`colour` on its way to black."""
    return mix(colour, (16, 12, 24), share)


def lighter(colour: Colour, share: Number = 0.4) -> Colour:
    """`colour` on its way to white."""
    return mix(colour, (255, 252, 244), share)


def poly(*xy: tuple[Number, Number]) -> Points:
    """Corners, as they are."""
    return np.asarray(xy, dtype=np.float64)


def ellipse(
    x: Number,
    y: Number,
    rx: Number,
    ry: Number | None = None,
    turn: Number = 0.0,
    span: tuple[Number, Number] = (0, 360),
) -> Points:
    """An ellipse round (x, y), turned by `turn` degrees; `span` keeps an arc (from the right, clockwise)."""
    full = span[1] - span[0] >= 360
    angle = np.radians(np.linspace(span[0], span[1], 40, endpoint=not full))
    return moved(turned(np.stack([rx * np.cos(angle), (rx if ry is None else ry) * np.sin(angle)], 1), turn), x, y)


def box(left: Number, top: Number, right: Number, bottom: Number, corner: Number = 0.0) -> Points:
    """A rectangle with corners rounded by the radius `corner`."""
    if corner <= 0:
        return poly((left, top), (right, top), (right, bottom), (left, bottom))
    centres = (
        (right - corner, top + corner, 270),
        (right - corner, bottom - corner, 0),
        (left + corner, bottom - corner, 90),
    )
    arcs = [ellipse(x, y, corner, span=(a, a + 90))[::5] for x, y, a in (*centres, (left + corner, top + corner, 180))]
    return np.concatenate(arcs)


def moved(points: Points, right: Number, down: Number) -> Points:
    """`points` somewhere else."""
    there: Points = points + np.array([right, down])
    return there


def turned(points: Points, degrees: Number, x: Number = 0.0, y: Number = 0.0) -> Points:
    """`points` turned clockwise round (x, y)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    around_it: Points = moved(points, -x, -y) @ np.array([[c, s], [-s, c]])
    return moved(around_it, x, y)


def flipped(points: Points) -> Points:
    """The mirror image, left for right."""
    return points[::-1] * (-1, 1)


def mirrored(*half: tuple[Number, Number]) -> Points:
    """A closed outline from its right half, given from top to bottom."""
    right = poly(*half)
    left = flipped(right)
    return np.concatenate([right, left[np.abs(left[:, 0]) > 1e-9]])


def smooth(points: Points, closed: bool = True, steps: int = 8) -> Points:
    """A round curve through `points`: a uniform Catmull-Rom spline of `steps` pieces between two neighbours."""
    if closed:
        p0, p1, p2, p3 = np.roll(points, 1, 0), points, np.roll(points, -1, 0), np.roll(points, -2, 0)
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
        p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    flat: Points = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def spokes(count: int, outer: Number, inner: Number, turn: Number = 0.0) -> Points:
    """A star of `count` tips round the origin, from `inner` to `outer`."""
    angle = np.radians(turn - 90 + np.arange(2 * count) * 180 / count)
    radius = np.where(np.arange(2 * count) % 2 == 0, outer, inner)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def around(circles: Sequence[Points], centre: tuple[Number, Number], corners: int = 90) -> Points:
    """The outer outline of overlapping `circles`, as seen from `centre`."""
    points = np.concatenate([smooth(circle, steps=3) for circle in circles]) - centre
    sector = np.floor((np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5) * corners).astype(int) % corners
    far = np.hypot(points[:, 0], points[:, 1])
    outermost = [int(np.flatnonzero(sector == s)[np.argmax(far[sector == s])]) for s in np.unique(sector)]
    outline: Points = points[outermost] + centre
    return outline
