"""The `photo` domain: lit from one side, on a textured ground, with a cast shadow, seen by a small camera."""

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageChops, ImageFilter

from samekind.datasets.toyworld.scene import Scene, clouds, fill, noise, picture, silhouette
from samekind.datasets.toyworld.shapes import Part

Layer = Float32[np.ndarray, "s s 3"]
GROUNDS = ((176, 138, 96), (120, 88, 60), (150, 150, 146), (206, 196, 176), (112, 134, 84), (96, 104, 118), (196, 176, 140), (140, 92, 84))
SKIES = ((186, 208, 230), (214, 212, 204), (160, 176, 186), (226, 214, 190), (148, 168, 150), (196, 188, 206))


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A small photograph of the scene, as large as its canvas."""
    angle = np.radians(rng.uniform(200, 340))
    sun = np.array([np.cos(angle), np.sin(angle)])
    canvas, horizon = _standing(scene, rng) if scene.stands else (_table(scene.side, rng), 0.0)
    shadow = _fallen(scene, sun, horizon) if scene.stands else _dropped(scene, sun)
    canvas *= (1 - np.float32(rng.uniform(0.5, 0.68)) * shadow)[..., None]
    for n, part in enumerate(scene.parts):
        light(canvas, part, sun, rng, shade=n > 0)
    return _camera(canvas, rng)


def _table(side: int, rng: np.random.Generator) -> Layer:
    """A table or a floor from above: plain, grained like wood, or planked."""
    tone = np.asarray(GROUNDS[int(rng.integers(len(GROUNDS)))], np.float32) * np.float32(rng.uniform(0.85, 1.15))
    form = rng.random()
    if form < 0.45:
        rough = clouds(rng, side, 3) * 0.07 + noise(rng, side, side // 3) * 0.05
    else:
        rough = noise(rng, side, 4, 2) * 0.05 + noise(rng, side, side // 4, 3) * 0.1 + noise(rng, side, 14, 2) * 0.06
        if form > 0.7:
            rough[:: side // int(rng.integers(3, 6))] -= 0.4
            rough[1 :: side // 4] -= 0.0
        rough = rough if rng.random() < 0.5 else rough.T
    fall = np.linspace(-1, 1, side, dtype=np.float32)
    slope = fall[None] * np.float32(rng.uniform(-0.14, 0.14)) + fall[:, None] * np.float32(rng.uniform(-0.14, 0.14))
    return ((1 + rough + slope)[..., None] * tone).astype(np.float32)


def _standing(scene: Scene, rng: np.random.Generator) -> tuple[Layer, float]:
    """A ground that runs to a horizon with something soft behind it; and the horizon's height in pixels."""
    side, bottom = scene.side, scene.box[3]
    horizon = min(bottom - 0.06 * side, side * rng.uniform(0.5, 0.74))
    sky = np.asarray(SKIES[int(rng.integers(len(SKIES)))], np.float32)
    ground = np.asarray(GROUNDS[int(rng.integers(len(GROUNDS)))], np.float32)
    rows = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    above = (0.86 + 0.18 * rows + clouds(rng, side, 2, 3) * np.float32(rng.uniform(0.03, 0.12)))[..., None] * sky
    depth = ((rows * side - horizon) / max(side - horizon, 1)).clip(0, 1)
    grain = noise(rng, side, side // 3, side // 4) * (0.03 + 0.1 * depth) + clouds(rng, side, 6, 3) * 0.06
    below = (0.82 + 0.22 * depth + grain)[..., None] * ground
    edge = ((rows * side - horizon) / (0.02 * side) + noise(rng, side, 1, 5) * np.float32(rng.choice([0.0, 1.5])) + 0.5).clip(0, 1)[..., None]
    return (above * (1 - edge) + below * edge).astype(np.float32), horizon


def _soft(mask: Image.Image, radius: float) -> Float32[np.ndarray, "s s"]:
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)


def _dropped(scene: Scene, sun: np.ndarray) -> Float32[np.ndarray, "s s"]:
    """The shadow of a thing that lies flat: its own shape, a little further from the sun, and a dark seam."""
    mask, far = silhouette(scene), -0.055 * scene.side * sun
    moved = ImageChops.offset(mask, round(far[0]), round(far[1]))
    return np.maximum(_soft(moved, 0.022 * scene.side), 0.7 * _soft(mask, 0.012 * scene.side))


def _fallen(scene: Scene, sun: np.ndarray, horizon: float) -> Float32[np.ndarray, "s s"]:
    """The shadow of a thing that stands: its shape laid on the ground away from the sun, and a dark seam under it."""
    side, (left, _, right, foot) = scene.side, scene.box
    mask = silhouette(scene)
    flat, lean = 0.3, -1.1 * sun[0]
    # The output pixel (x, y) shows the thing's point that is (foot - y) / flat above the ground.
    laid = mask.transform(mask.size, Image.Transform.AFFINE, (1, lean / flat * 1.0, -lean / flat * foot, 0, 1 / flat, foot - foot / flat))
    seam = Image.new("L", mask.size)
    seam.paste(255, (round(left + 0.08 * (right - left)), round(foot - 0.012 * side), round(right - 0.08 * (right - left)), round(foot + 0.022 * side)))
    shadow = np.maximum(0.8 * _soft(laid, 0.014 * side), 0.8 * _soft(seam, 0.016 * side))
    shadow[: max(0, int(horizon))] *= np.float32(0.15)
    return shadow


def light(canvas: Layer, part: Part, sun: np.ndarray, rng: np.random.Generator, *, shade: bool = True) -> None:
    """Paint one part onto `canvas` as a solid body: its blurred mask is its height, whose slope against the sun is its brightness."""
    side = canvas.shape[0]
    low, high = part.points.min(0) - part.width, part.points.max(0) + part.width
    extent = max(float((high - low).min()), part.width, 4.0)
    pad = 0.03 * side + 4
    x0, y0 = np.maximum(np.floor(low - pad), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(high + pad), side).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        return
    mask = Image.new("L", (side, side))
    fill(mask, part)
    mask = mask.crop((x0, y0, x1, y1))
    cover = np.asarray(mask, np.float32) / np.float32(255)
    area = canvas[y0:y1, x0:x1]
    if shade and part.role != "patch":
        area *= (1 - 0.3 * _soft(ImageChops.offset(mask, *np.round(-0.008 * side * sun).astype(int).tolist()), 0.011 * side))[..., None]
    height = _soft(mask, 0.05 * extent + 1) + 1.6 * _soft(mask, 0.16 * extent + 1)
    slope_y, slope_x = np.gradient(height)
    slope = (slope_x * np.float32(-sun[0]) + slope_y * np.float32(-sun[1])) * np.float32(0.3 * extent * part.bulge)
    rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    across = ((columns - low[0]) / (high[0] - low[0] + 1) - 0.5) * np.float32(sun[0]) + ((rows - low[1]) / (high[1] - low[1] + 1) - 0.5) * np.float32(sun[1])
    bright = 0.93 + 0.26 * across * np.float32(0.4 + part.bulge) - 0.42 * np.tanh(slope)
    if part.role == "body":
        bright += noise(rng, max(cover.shape), max(4, max(cover.shape) // 5))[: cover.shape[0], : cover.shape[1]] * np.float32(0.035)
    gloss = (np.clip(-np.tanh(slope) - 0.55, 0, 1) * np.float32(150 * part.bulge))[..., None]
    colour = np.asarray(part.colour, np.float32) * bright[..., None] + gloss
    area += (colour - area) * cover[..., None]


def _camera(canvas: Layer, rng: np.random.Generator) -> Image.Image:
    """Exposure, white balance, vignette, a soft lens and a noisy sensor."""
    side = canvas.shape[0]
    balance = np.float32(rng.uniform(0.92, 1.1)) * (1 + rng.uniform(-0.05, 0.05, 3)).astype(np.float32)
    away = np.linspace(-1, 1, side, dtype=np.float32) ** 2
    vignette = 1 - np.float32(rng.uniform(0.05, 0.16)) * (away[None] + away[:, None])
    lens = picture(canvas * vignette[..., None] * balance).filter(ImageFilter.GaussianBlur(side / 320 * rng.uniform(0.6, 1.3)))
    grain = rng.normal(0, rng.uniform(2.0, 7.0), (side, side, 1)).astype(np.float32)
    return picture(np.asarray(lens, np.float32) + grain)
