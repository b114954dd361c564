"""The `sketch` domain: pencil lines on paper, drawn more than once and never quite straight; nothing is filled."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw

from samekind.datasets.toyworld.scene import Scene, clouds, fill, noise, picture
from samekind.datasets.toyworld.shapes import Part, Points

Plane: TypeAlias = Float32[np.ndarray, "h w"]


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A pencil drawing of the scene."""
    hand = _Hand(scene.side, rng)
    for part in scene.parts:
        hand.trace(part)
    return hand.finish()


class _Hand:
    """Somebody with a pencil: how firm, how patient, how shaky."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.side, self.rng = side, rng
        self.ink = Image.new("L", (side, side))
        self.width = side / 320 * rng.uniform(2.2, 4.6)
        self.passes = int(rng.integers(1, 4))
        self.shake = side * rng.uniform(0.002, 0.006)
        self.firm = rng.uniform(0.72, 1.0)

    def trace(self, part: Part) -> None:
        """The outline of one part; what lies behind it is rubbed out first."""
        if part.role == "line":
            self._line(part)
            return
        fill(self.ink, part, 0)
        thin = 0.75 if part.role == "patch" else 1.0
        for outline in (part.points, *part.holes):
            self._strokes(np.concatenate([outline, outline[:1]]), thin)

    def _line(self, part: Part) -> None:
        """A thin line is one stroke, a thick one has two edges."""
        if part.width < 0.03 * self.side:
            self._strokes(part.points, 0.8)
            return
        fill(self.ink, part, 0)
        slope = np.gradient(part.points, axis=0)
        normal = np.stack([-slope[:, 1], slope[:, 0]], 1) / (np.hypot(slope[:, 0], slope[:, 1])[:, None] + 1e-9)
        for sign in (-0.5, 0.5):
            self._strokes(part.points + sign * part.width * normal, 1.0)

    def _strokes(self, points: Points, thin: float) -> None:
        """One line of the drawing, gone over several times."""
        path, length = _even(points, self.side / 80)
        passes = 1 if length < 0.08 * self.side else self.passes
        for n in range(passes):
            ends = (0, len(path)) if n == 0 else np.sort(self.rng.integers(0, len(path), 2)).tolist()
            if ends[1] - ends[0] < 2:
                continue
            piece = path[ends[0] : ends[1]]
            drift = min(self.shake, 0.02 * length) * (1 + 0.7 * n)
            self._stroke(piece + drift * _wobble(self.rng, len(piece)), thin, self.firm * (1 if n == 0 else 0.8))

    def _stroke(self, piece: Float[np.ndarray, "n 2"], thin: float, firm: float) -> None:
        """One movement of the pencil, with a pressure that comes and goes."""
        draw = ImageDraw.Draw(self.ink)
        count = max(1, len(piece) // 6)
        pressure = firm * (0.86 + 0.14 * self.rng.uniform(-1, 1, count))
        cuts = np.linspace(0, len(piece) - 1, count + 1).astype(int)
        for start, stop, press in zip(cuts, cuts[1:], pressure, strict=False):
            points = piece[start : stop + 1].ravel().tolist()
            draw.line(points, int(255 * min(1.0, press)), max(2, round(self.width * thin * press)), joint="curve")

    def finish(self) -> Image.Image:
        """Graphite catches on the paper's grain."""
        size, rng = self.side // 2, self.rng
        paper = np.float32(rng.uniform(236, 252)) + np.asarray([3, 0, -rng.uniform(0, 12)], np.float32)
        tooth: Plane = rng.random((size, size), np.float32)
        rough = (
            clouds(rng, size, 2, 3) * np.float32(0.025)
            + (tooth - np.float32(0.5)) * np.float32(0.05)
            + noise(rng, size, 1) * np.float32(0.03)
        )
        sheet = (1 + rough)[..., None] * paper
        ink: Plane = (
            np.asarray(self.ink.reduce(2), np.float32)
            / np.float32(255)
            * (np.float32(0.62) + np.float32(0.5) * tooth).clip(0, 1)
        )
        lead = (rng.uniform(20, 62) + rng.uniform(-6, 6, 3)).astype(np.float32)
        return picture(sheet + (lead - sheet) * ink[..., None])


def _even(points: Points, step: float) -> tuple[Points, float]:
    """The same path with points `step` apart; and its length."""
    gaps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(gaps)])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / step)))
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], 1), float(along[-1])


def _wobble(rng: np.random.Generator, count: int) -> Float[np.ndarray, "n 2"]:
    """A slow random drift of about unit size."""
    knots = rng.normal(0, 1, (max(2, count // 9) + 1, 2))
    at, base = np.linspace(0, len(knots) - 1, count), np.arange(len(knots))
    return np.stack([np.interp(at, base, knots[:, 0]), np.interp(at, base, knots[:, 1])], 1)
