"""The `painting` domain: the lit scene in a few hues, put down again in dabs of a brush on canvas."""

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw, ImageFilter

from samekind.datasets.toyworld.photo import light
from samekind.datasets.toyworld.scene import Scene, clouds, noise, picture, silhouette

# A dab's outline, half as wide as long: blunt at both ends.
DAB = np.array([[-1.0, -0.25], [-0.8, -0.5], [0.7, -0.5], [1.0, -0.15], [0.9, 0.35], [0.6, 0.5], [-0.85, 0.42]])
TONES = ((96, 132, 150), (206, 168, 96), (120, 150, 96), (186, 120, 96), (128, 112, 150), (214, 200, 160), (84, 100, 128), (172, 152, 130))


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A painting of the scene, as large as its canvas."""
    under = _underpainting(scene, rng)
    thing = np.asarray(silhouette(scene).filter(ImageFilter.MaxFilter(9)), np.float32) / np.float32(255)
    flow = clouds(rng, scene.side, 2, 2) * 1.6 + np.float32(rng.uniform(0, np.pi))
    canvas = under.filter(ImageFilter.GaussianBlur(0.03 * scene.side))
    along = _contours(under)
    for size, spread in ((0.1, 1.0), (0.05, 0.55), (0.026, 0.3)):
        _dabs(canvas, under, thing if size < 0.1 else None, flow if size == 0.1 else along, size * scene.side, spread, rng)
    return _varnish(canvas, rng)


def _underpainting(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Two tones for the room, and the thing lit from one side; colours lean towards one of the two."""
    first, second = (np.asarray(TONES[n], np.float32) for n in rng.permutation(len(TONES))[:2])
    side = scene.side
    rows = np.linspace(-1, 1, side, dtype=np.float32)[:, None]
    foot = (scene.box[3] / side * 2 - 1 - 0.3) if scene.stands else rng.uniform(-0.3, 0.6)
    share = (((rows - foot) * 2.0) + clouds(rng, side, 2, 3) * 1.1 + 0.5).clip(0, 1)[..., None]
    canvas = ((first * (1 - share) + second * share) * (1 + 0.12 * clouds(rng, side, 4, 2))[..., None]).astype(np.float32)
    angle = np.radians(rng.uniform(200, 340))
    sun = np.array([np.cos(angle), np.sin(angle)])
    shadow = np.asarray(silhouette(scene).filter(ImageFilter.GaussianBlur(0.035 * side)), np.float32) / np.float32(255)
    canvas *= (1 - 0.4 * shadow)[..., None]
    for part in scene.parts:
        light(canvas, part, sun, rng)
    glaze = (first + second) / 2 * np.float32(rng.uniform(0.9, 1.2))
    return picture(canvas * 0.88 + glaze * 0.12)


def _contours(under: Image.Image) -> Float32[np.ndarray, "s s"]:
    """The direction (radians) along which the brightness does not change, so that dabs follow the form."""
    grey = np.asarray(under.convert("L").filter(ImageFilter.GaussianBlur(under.width / 60)), np.float32)
    down, across = np.gradient(grey)
    return np.arctan2(across, -down).astype(np.float32)


def _dabs(
    canvas: Image.Image, under: Image.Image, where: Float32[np.ndarray, "s s"] | None, flow: Float32[np.ndarray, "s s"], size: float, spread: float, rng: np.random.Generator
) -> None:
    """One layer of dabs of `size` pixels, `where` the thing is (or everywhere), in the colours of `under`."""
    side, step = canvas.width, size * 0.55
    grid = np.stack(np.meshgrid(np.arange(step / 2, side, step), np.arange(step / 2, side, step)), -1).reshape(-1, 2)
    at = (grid + rng.uniform(-0.5, 0.5, grid.shape) * step).clip(0, side - 1)
    column, row = at.astype(int).T
    if where is not None:
        keep = (where[row, column] > 0.5) | (rng.uniform(0, 1, len(at)) < 0.12 * spread)
        at, column, row = at[keep], column[keep], row[keep]
    order = rng.permutation(len(at))
    at, column, row = at[order], column[order], row[order]
    turn = flow[row, column] + rng.normal(0, 0.25, len(at))
    long = size * rng.uniform(0.5, 0.85, len(at))
    shape: Float[np.ndarray, "n k 2"] = DAB[None] * np.stack([long, long * rng.uniform(0.6, 0.9, len(at))], 1)[:, None]
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    corners = np.stack([shape[..., 0] * c - shape[..., 1] * s, shape[..., 0] * s + shape[..., 1] * c], -1) + at[:, None]
    colour = np.asarray(under, np.float32)[row, column]
    colour = colour + rng.normal(0, 15 * spread + 4, (len(at), 1)) + rng.normal(0, 8 * spread + 2, (len(at), 3))
    draw = ImageDraw.Draw(canvas)
    for points, tone in zip(corners.reshape(len(at), -1).tolist(), colour.clip(0, 255).astype(int).tolist(), strict=True):
        draw.polygon(points, tuple(tone))


def _varnish(canvas: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Raised paint catches the light, and the weave of the canvas shows."""
    side, values = canvas.width, np.asarray(canvas, np.float32)
    thick = values.mean(2) + 10 * noise(rng, side, side // 3, side // 3)
    raised = np.zeros((side, side), np.float32)
    raised[1:, 1:] = thick[1:, 1:] - thick[:-1, :-1]
    thread = np.sin(np.arange(side, dtype=np.float32) * np.float32(2 * np.pi * 80 / side))
    weave = 4.0 * (thread[None] * thread[:, None])
    return picture(values + (0.3 * raised.clip(-40, 40) + weave)[..., None])
