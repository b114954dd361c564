"""The `cartoon` domain: flat bright colours, one hard shadow tone, thick dark outlines, a simple backdrop."""

import colorsys

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from samekind.datasets.toyworld.scene import Scene, fill, flat, shifted, stroke
from samekind.datasets.toyworld.shapes import Colour, Part, darker, ellipse, lighter

BACKDROPS = (
    (255, 236, 179),
    (190, 230, 250),
    (205, 240, 200),
    (250, 210, 220),
    (225, 215, 250),
    (255, 255, 255),
    (252, 222, 190),
    (180, 225, 220),
)


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A cartoon of the scene."""
    canvas = _backdrop(scene, rng)
    pen, ink = (
        scene.side * rng.uniform(0.014, 0.026),
        (int(rng.integers(10, 40)), int(rng.integers(8, 28)), int(rng.integers(20, 50))),
    )
    shift = (round(scene.side * rng.choice([-0.03, 0.03])), round(-0.022 * scene.side)) if rng.random() < 0.75 else None
    for part in scene.parts:
        _draw(canvas, part, pen, ink, shift)
    return canvas.reduce(2)


def vivid(colour: Colour) -> Colour:
    """The colour as it comes from a felt pen."""
    hue, light, full = colorsys.rgb_to_hls(*(c / 255 for c in colour))
    if full < 0.15:
        return colour
    red, green, blue = colorsys.hls_to_rgb(hue, light + 0.06 * (1 - light), min(1.0, full * 1.35 + 0.05))
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw(canvas: Image.Image, part: Part, pen: float, ink: Colour, shift: tuple[int, int] | None) -> None:
    """One part: its outline, its colour, and the side that is turned from the light."""
    draw, colour = ImageDraw.Draw(canvas), vivid(part.colour)
    if part.role == "line":
        if part.width > 0.022 * canvas.width:
            stroke(draw, part.points, part.width + 1.4 * pen, ink)
        stroke(draw, part.points, max(part.width, 0.6 * pen), colour)
        return
    mask = Image.new("L", canvas.size)
    fill(mask, part)
    canvas.paste(colour, (0, 0), mask)
    if shift and part.role == "body" and part.bulge >= 0.25:
        away = ImageChops.subtract(mask, shifted(mask, *shift))
        canvas.paste(darker(colour, 0.24), (0, 0), away)
    if part.role == "body":
        for outline in (part.points, *part.holes):
            stroke(draw, np.concatenate([outline, outline[:2]]), pen, ink)


def _backdrop(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A plain sheet, stripes, dots, rays, a disc, or a ground to stand on."""
    side, tone = scene.side, BACKDROPS[int(rng.integers(len(BACKDROPS)))]
    other = lighter(tone, 0.5) if rng.random() < 0.5 else darker(tone, 0.1)
    canvas = Image.new("RGB", (side, side), tone)
    draw, form, count = ImageDraw.Draw(canvas), rng.random(), int(rng.integers(5, 9))
    if scene.stands and form < 0.5:
        hill, foot = BACKDROPS[int(rng.integers(len(BACKDROPS)))], scene.box[3] - 0.04 * side
        draw.rectangle((0, foot, side, side), darker(hill, 0.22))
    elif form < 0.2:
        for n in range(-count, count, 2):
            x = n * side / count
            draw.polygon([(x, 0), (x + side / count, 0), (x + side / count + side, side), (x + side, side)], other)
    elif form < 0.4:
        for n in range(count * count):
            x, y = (n % count + 0.5 * (n // count % 2) + 0.25) * side / count, (n // count + 0.5) * side / count
            draw.ellipse((x - 0.025 * side, y - 0.025 * side, x + 0.025 * side, y + 0.025 * side), other)
    elif form < 0.6:
        for a in np.radians(np.arange(0, 360, 30)):
            rays = [(side / 2 + side * np.cos(a + d), side / 2 + side * np.sin(a + d)) for d in (0.0, 0.26)]
            draw.polygon([(side / 2, side / 2), *rays], other)
    elif form < 0.8:
        draw.polygon(flat(ellipse(side / 2, side / 2, 0.44 * side)), other)
    return canvas
