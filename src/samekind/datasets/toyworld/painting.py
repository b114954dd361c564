"""The `painting` domain: the lit scene in a few hues, put down again in dabs of a brush on canvas."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw, ImageFilter

from samekind.datasets.toyworld.photo import light
from samekind.datasets.toyworld.scene import Scene, clouds, fill, noise, picture, silhouette
from samekind.datasets.toyworld.shapes import Colour

Plane: TypeAlias = Float32[np.ndarray, "h w"]

# A dab's outline, half as wide as long: blunt at both ends.
DAB = np.array([[-1.0, -0.25], [-0.8, -0.5], [0.7, -0.5], [1.0, -0.15], [0.9, 0.35], [-0.85, 0.42]])
TONES: tuple[Colour, ...] = (
    *((96, 132, 150), (206, 168, 96), (120, 150, 96), (186, 120, 96), (128, 112, 150)),
    *((214, 200, 160), (84, 100, 128), (172, 152, 130), (222, 214, 204), (70, 84, 76)),
)


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A painting of the scene."""
    thing = np.asarray(silhouette(scene).filter(ImageFilter.MaxFilter(5)), np.float32) / np.float32(255)
    under = _underpainting(scene, rng)
    canvas = under.filter(ImageFilter.GaussianBlur(0.03 * scene.size)).resize((scene.side, scene.side))
    flow, along = clouds(rng, scene.size, 2, 2) * np.float32(1.6) + np.float32(rng.uniform(0, np.pi)), _contours(under)
    _dabs(canvas, under, np.ones_like(thing), flow, 0.1, 1.0, rng)
    _dabs(canvas, under, thing, along, 0.055, 0.5, rng)
    _dabs(canvas, under, thing, along, 0.03, 0.25, rng)
    done = canvas.reduce(2)
    done.paste(under, (0, 0), _details(scene))
    return _varnish(done, rng)


def _tones(scene: Scene, rng: np.random.Generator) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "3"]]:
    """Two tones for the room that the thing's own colours stand out from."""
    bodies = [part.colour for part in scene.parts if part.role != "patch"]
    away = [
        min(float(np.linalg.norm(np.subtract(tone, colour) * (0.8, 1.2, 0.6))) for colour in bodies) for tone in TONES
    ]
    best = np.argsort(-(np.asarray(away) + rng.uniform(0, 25, len(TONES))))
    first, second = (np.asarray(TONES[int(n)], np.float32) for n in best[rng.permutation(4)[:2]])
    return first, second


def _underpainting(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Two tones for the room, and the thing lit from one side; all colours lean towards the two."""
    first, second = _tones(scene, rng)
    size = scene.size
    rows = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    foot = np.float32(scene.box[3] / size - 1.3 if scene.stands else rng.uniform(-0.3, 0.6))
    share = ((rows - foot) * 2 + clouds(rng, size, 2, 3) * np.float32(1.1) + np.float32(0.5)).clip(0, 1)[..., None]
    canvas = (first + (second - first) * share) * (1 + np.float32(0.12) * clouds(rng, size, 4, 2))[..., None]
    angle = np.radians(rng.uniform(200, 340))
    sun = np.array([np.cos(angle), np.sin(angle)])
    shadow = np.asarray(silhouette(scene).filter(ImageFilter.GaussianBlur(0.035 * size)), np.float32) / np.float32(255)
    canvas *= 1 - np.float32(0.4) * shadow[..., None]
    for part in scene.parts:
        light(canvas, part, sun, rng)
    glaze = (first + second) * np.float32(0.06 * rng.uniform(0.9, 1.2))
    return picture(canvas * np.float32(0.88) + glaze)


def _contours(under: Image.Image) -> Plane:
    """The direction (radians) along which the brightness does not change, so that dabs follow the form."""
    grey = np.asarray(under.convert("L").filter(ImageFilter.GaussianBlur(under.width / 60)), np.float32)
    down, right = np.gradient(grey)
    direction: Plane = np.arctan2(right, -down)
    return direction


def _details(scene: Scene) -> Image.Image:
    """The mask of what only the thinnest brush can paint: lines, eyes, legs."""
    mask = Image.new("L", (scene.side, scene.side))
    for part in scene.parts:
        thin = part.role == "line" or float(np.ptp(part.points, 0).min()) < 0.12 * scene.side
        fill(mask, part, 200 if thin else 0)
    return mask.reduce(2)


def _dabs(
    canvas: Image.Image,
    under: Image.Image,
    where: Plane,
    flow: Plane,
    size: float,
    spread: float,
    rng: np.random.Generator,
) -> None:
    """One layer of dabs in the colours of `under`, about `size` of the picture long, turned by `flow`.

    Nearly all of them lie `where` the mask is set. `spread` says how freely the colours are mixed.
    """
    side, length = under.width, size * canvas.width
    step = 0.3 * length
    grid = np.stack(np.meshgrid(np.arange(step / 2, side, step), np.arange(step / 2, side, step)), -1).reshape(-1, 2)
    at = (grid + rng.uniform(-0.5, 0.5, grid.shape) * step).clip(0, side - 1)
    at = at[(where[at[:, 1].astype(int), at[:, 0].astype(int)] > 0.5) | (rng.random(len(at)) < 0.06)]
    at = at[rng.permutation(len(at))]
    column, row = at.astype(int).T
    turn = flow[row, column] + rng.normal(0, 0.25, len(at))
    long = length * rng.uniform(0.5, 0.85, len(at))
    shape: Float[np.ndarray, "n k 2"] = DAB[None] * np.stack([long, long * rng.uniform(0.6, 0.9, len(at))], 1)[:, None]
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    corners = (
        np.stack([shape[..., 0] * c - shape[..., 1] * s, shape[..., 0] * s + shape[..., 1] * c], -1) + at[:, None] * 2
    )
    colour = np.asarray(under, np.float32)[row, column]
    colour = colour + rng.normal(0, 15 * spread + 4, (len(at), 1)) + rng.normal(0, 8 * spread + 2, (len(at), 3))
    draw = ImageDraw.Draw(canvas)
    for points, tone in zip(
        corners.reshape(len(at), -1).tolist(), colour.clip(0, 255).astype(int).tolist(), strict=True
    ):
        draw.polygon(points, tuple(tone))


def _varnish(canvas: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Raised paint catches the light, and the weave of the canvas shows."""
    size, values = canvas.width, np.asarray(canvas, np.float32)
    thick = values.mean(2) + np.float32(8) * noise(rng, size, size // 2)
    raised = np.zeros((size, size), np.float32)
    raised[1:, 1:] = (thick[1:, 1:] - thick[:-1, :-1]).clip(-30, 30)
    thread = np.sin(np.arange(size, dtype=np.float32) * np.float32(np.pi / 2))
    weave = np.float32(4) * thread[None] * thread[:, None]
    return picture(values + (np.float32(0.25) * raised + weave)[..., None])
