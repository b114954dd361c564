"""The `photo` domain: lit from one side, on a textured ground, with a cast shadow, seen by a small camera."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageFilter

from samekind.datasets.toyworld.scene import Scene, clouds, fill, noise, picture, shifted, silhouette
from samekind.datasets.toyworld.shapes import Part

Layer: TypeAlias = Float32[np.ndarray, "h w 3"]
Plane: TypeAlias = Float32[np.ndarray, "h w"]
GROUNDS = (
    (176, 138, 96),
    (120, 88, 60),
    (150, 150, 146),
    (206, 196, 176),
    (112, 134, 84),
    (96, 104, 118),
    (196, 176, 140),
    (140, 92, 84),
)
SKIES = ((186, 208, 230), (214, 212, 204), (160, 176, 186), (226, 214, 190), (148, 168, 150), (196, 188, 206))


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A small photograph of the scene."""
    angle = np.radians(rng.uniform(200, 340))
    sun = np.array([np.cos(angle), np.sin(angle)])
    canvas, horizon = _standing(scene, rng) if scene.stands else (_table(scene.size, rng), 0.0)
    shadow = _fallen(scene, sun, horizon) if scene.stands else _dropped(scene, sun)
    canvas *= (1 - np.float32(rng.uniform(0.5, 0.68)) * shadow)[..., None]
    for n, part in enumerate(scene.parts):
        light(canvas, part, sun, rng, shade=n > 0)
    return _camera(canvas, rng)


def _table(size: int, rng: np.random.Generator) -> Layer:
    """A table or a floor from above: plain, grained like wood, or planked."""
    tone = np.asarray(GROUNDS[int(rng.integers(len(GROUNDS)))], np.float32) * np.float32(rng.uniform(0.85, 1.15))
    form = rng.random()
    if form < 0.45:
        rough = clouds(rng, size, 3) * np.float32(0.07) + noise(rng, size, size // 2) * np.float32(0.05)
    else:
        rough = noise(rng, size, 4, 2) * np.float32(0.05) + noise(rng, size, size // 2, 3) * np.float32(0.16)
        if form > 0.7:
            rough[:: size // int(rng.integers(3, 6))] -= np.float32(0.3)
        rough = rough if rng.random() < 0.5 else rough.T
    fall = np.linspace(-1, 1, size, dtype=np.float32)
    slope = fall[None] * np.float32(rng.uniform(-0.14, 0.14)) + fall[:, None] * np.float32(rng.uniform(-0.14, 0.14))
    return (1 + rough + slope)[..., None] * tone


def _standing(scene: Scene, rng: np.random.Generator) -> tuple[Layer, float]:
    """A ground that runs to a horizon with something soft behind it; and the horizon's height in pixels."""
    size, bottom = scene.size, scene.box[3] / 2
    horizon = min(bottom - 0.06 * size, size * rng.uniform(0.5, 0.74))
    sky = np.asarray(SKIES[int(rng.integers(len(SKIES)))], np.float32)
    ground = np.asarray(GROUNDS[int(rng.integers(len(GROUNDS)))], np.float32)
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    haze = clouds(rng, size, 2, 3) * np.float32(rng.uniform(0.03, 0.12))
    above = (np.float32(0.86) + np.float32(0.18) * rows + haze)[..., None] * sky
    depth = ((rows * size - np.float32(horizon)) / np.float32(max(size - horizon, 1))).clip(0, 1)
    grain = noise(rng, size, size // 2, size // 3) * (np.float32(0.03) + np.float32(0.1) * depth) + clouds(
        rng, size, 6, 3
    ) * np.float32(0.06)
    below = (np.float32(0.82) + np.float32(0.22) * depth + grain)[..., None] * ground
    hills = noise(rng, size, 1, 5) * np.float32(rng.choice([0.0, 1.5]))
    edge = ((rows * size - np.float32(horizon)) / np.float32(0.02 * size) + hills + np.float32(0.5)).clip(0, 1)[
        ..., None
    ]
    return above + (below - above) * edge, horizon


def _soft(mask: Image.Image, radius: float) -> Plane:
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)


def _dropped(scene: Scene, sun: np.ndarray) -> Plane:
    """The shadow of a thing that lies flat: its own shape, a little further from the sun, and a dark seam."""
    mask, far = silhouette(scene), -0.055 * scene.size * sun
    cast, seam = _soft(shifted(mask, far[0], far[1]), 0.022 * scene.size), _soft(mask, 0.012 * scene.size)
    shadow: Plane = np.maximum(cast, np.float32(0.7) * seam)
    return shadow


def _fallen(scene: Scene, sun: np.ndarray, horizon: float) -> Plane:
    """The shadow of a thing that stands: its shape laid on the ground away from the sun, and a dark seam under it."""
    size, (left, _, right, foot) = scene.size, np.asarray(scene.box) / 2
    mask = silhouette(scene)
    squash, lean = 0.3, -1.1 * sun[0]
    # The pixel (x, y) of the shadow shows the point of the thing that is (foot - y) / squash above the ground.
    laid = mask.transform(
        mask.size,
        Image.Transform.AFFINE,
        (1, lean / squash, -lean / squash * foot, 0, 1 / squash, foot - foot / squash),
    )
    seam, inset = Image.new("L", mask.size), 0.08 * (right - left)
    seam.paste(255, (round(left + inset), round(foot - 0.012 * size), round(right - inset), round(foot + 0.022 * size)))
    shadow: Plane = np.float32(0.8) * np.maximum(_soft(laid, 0.014 * size), _soft(seam, 0.016 * size))
    shadow[: max(0, int(horizon))] *= np.float32(0.15)
    return shadow


def light(canvas: Layer, part: Part, sun: np.ndarray, rng: np.random.Generator, *, shade: bool = True) -> None:
    """Paint one part onto `canvas` as a solid body: its blurred mask is its height, the slope of that its brightness.

    With `shade` it also darkens what lies under it. The part is in pixels of twice the canvas, as a scene has it.
    """
    size = canvas.shape[0]
    low, high = (part.points.min(0) - part.width) / 2, (part.points.max(0) + part.width) / 2
    x0, y0 = np.maximum(np.floor(low - 0.03 * size - 2), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(high + 0.03 * size + 2), size).astype(int).tolist()
    mask = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)))
    fill(mask, part, origin=(2 * x0, 2 * y0))
    mask = mask.reduce(2)
    area, cover = canvas[y0:y1, x0:x1], np.asarray(mask, np.float32)[..., None] / np.float32(255)
    if shade and part.role != "patch":
        right, down = -0.008 * size * sun
        area *= 1 - np.float32(0.3) * _soft(shifted(mask, right, down), 0.011 * size)[..., None]
    extent = max(float((high - low).min()), part.width / 2)
    if extent < 0.04 * size:
        area += (np.asarray(part.colour, np.float32) - area) * cover
        return
    bright, gloss = _relief(mask, sun, extent, part.bulge)
    if part.role == "body":
        rows, columns = mask.height, mask.width
        bright += noise(rng, max(rows, columns), max(3, max(rows, columns) // 4))[:rows, :columns] * np.float32(0.03)
    area += (np.asarray(part.colour, np.float32) * bright[..., None] + gloss[..., None] - area) * cover


def _relief(mask: Image.Image, sun: np.ndarray, extent: float, bulge: float) -> tuple[Plane, Plane]:
    """How bright a bulging body of this mask is (about 1), and the shine on it (0..255)."""
    height = _soft(mask, 0.05 * extent + 0.5) + np.float32(1.6) * _soft(mask, 0.16 * extent + 0.5)
    down, right = np.gradient(height)
    towards, gain = sun.astype(np.float32), np.float32(0.3 * extent * bulge)
    slope = np.tanh((right * -towards[0] + down * -towards[1]) * gain)
    columns = np.linspace(-0.5, 0.5, mask.width, dtype=np.float32) * towards[0]
    rows = np.linspace(-0.5, 0.5, mask.height, dtype=np.float32) * towards[1]
    bright = (
        np.float32(0.93) + (columns[None] + rows[:, None]) * np.float32(0.26 * (0.4 + bulge)) - np.float32(0.42) * slope
    )
    return bright, (-slope - np.float32(0.55)).clip(0) * np.float32(150 * bulge)


def _camera(canvas: Layer, rng: np.random.Generator) -> Image.Image:
    """Exposure, white balance, vignette, a soft lens and a noisy sensor."""
    size = canvas.shape[0]
    balance = np.float32(rng.uniform(0.92, 1.1)) * (1 + rng.uniform(-0.05, 0.05, 3)).astype(np.float32)
    away = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    vignette = 1 - np.float32(rng.uniform(0.05, 0.16)) * (away[None] + away[:, None])
    lens = picture(canvas * vignette[..., None] * balance).filter(
        ImageFilter.GaussianBlur(size / 160 * rng.uniform(0.2, 0.55))
    )
    grain = rng.standard_normal((size, size, 1), np.float32) * np.float32(rng.uniform(1.0, 4.0))
    return picture(np.asarray(lens, np.float32) + grain)
