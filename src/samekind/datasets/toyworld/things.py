"""Drawn things that stay where they are put: each function makes one, different with every seed."""

from itertools import pairwise

import numpy as np

from samekind.datasets.toyworld.shapes import (
    COLOURS,
    Part,
    around,
    body,
    box,
    darker,
    ellipse,
    flipped,
    lighter,
    line,
    mirrored,
    moved,
    paint,
    patch,
    poly,
    smooth,
    spokes,
    turned,
)

DARK, GLASS, STEEL, WHITE = COLOURS["dark"], COLOURS["glass"], COLOURS["steel"], COLOURS["white"]


def house(rng: np.random.Generator) -> list[Part]:
    """A house with a roof, a door and one to three windows."""
    wall, roof = (
        paint(rng, "cream", "tan", "white", "sky", "pink", "yellow"),
        paint(rng, "red", "brown", "dark", "orange", "teal"),
    )
    wide, eaves, ridge = rng.uniform(0.62, 0.78), rng.uniform(-0.2, 0.0), rng.uniform(-0.95, -0.8)
    parts: list[Part] = []
    if rng.random() < 0.7:
        x = rng.choice([-1, 1]) * 0.42
        parts.append(body(box(x - 0.1, ridge + 0.02, x + 0.1, eaves), paint(rng, "brown", "grey"), 0.2))
    flat = rng.choice([0.0, 0.3])
    parts.append(body(box(-wide, eaves - 0.02, wide, 0.92), wall, 0.1))
    parts.append(
        body(
            mirrored((0, ridge), (flat, ridge), (wide + 0.16, eaves + 0.05))
            if flat
            else poly((0, ridge), (wide + 0.16, eaves + 0.05), (-wide - 0.16, eaves + 0.05)),
            roof,
            0.15,
        )
    )
    door, side = paint(rng, "brown", "red", "green", "blue"), rng.choice([-1, 0, 1])
    x = 0.34 * side
    parts.append(body(box(x - 0.14, 0.34, x + 0.14, 0.92), door, 0.1))
    parts.append(patch(ellipse(x + 0.08, 0.65, 0.028), COLOURS["gold"], 0.8))
    places = (
        [(-0.4, 0.28), (0.4, 0.28)]
        if side == 0
        else [(-0.42 * side, 0.3), (-0.02 * side, 0.3)][: int(rng.integers(1, 3))]
    )
    for cx, cy in places:
        parts += _window(cx, cy, 0.145)
    if rng.random() < 0.4:
        parts.append(body(ellipse(0, 0.55 * ridge + 0.45 * eaves, 0.1), GLASS, 0.2))
    return parts


def _window(x: float, y: float, r: float) -> list[Part]:
    """A square window with crossed bars."""
    bars = [line(poly((x, y - r), (x, y + r)), WHITE, 0.035), line(poly((x - r, y), (x + r, y)), WHITE, 0.035)]
    return [body(box(x - r, y - r, x + r, y + r), GLASS, 0.1), *bars]


def cup(rng: np.random.Generator) -> list[Part]:
    """A mug or a teacup with a handle to the right."""
    clay, inside = paint(rng, "white", "red", "blue", "yellow", "teal", "cream", "pink"), paint(rng, "brown")
    rim, foot, deep = rng.uniform(0.54, 0.62), rng.uniform(0.34, 0.56), rng.uniform(0.56, 0.76)
    grip = (rim + foot) / 2
    parts: list[Part] = []
    if foot < 0.44:
        parts.append(body(ellipse(0, deep + 0.02, 0.86, 0.17), lighter(clay, 0.2), 0.5))
    parts.append(
        body(ellipse(grip + 0.1, 0.02, 0.32, 0.34), darker(clay, 0.1), 0.8, [ellipse(grip + 0.09, 0.02, 0.19, 0.21)])
    )
    side = smooth(
        poly((rim, -0.5), (grip + 0.05, 0.2), (foot, deep - 0.06), (0.5 * foot, deep + 0.06), (0, deep + 0.08)),
        closed=False,
    )
    parts.append(body(np.concatenate([side, flipped(side)]), clay, 0.8))
    mark = rng.random()
    if mark < 0.35:
        edge = grip + 0.05
        parts.append(
            patch(
                poly((-edge, 0.04), (edge, 0.04), (edge - 0.02, 0.2), (-edge + 0.02, 0.2)),
                paint(rng, "red", "blue", "yellow", "green"),
            )
        )
    elif mark < 0.65:
        heart = mirrored((0, -0.02), (0.1, -0.1), (0.2, -0.02), (0.12, 0.14), (0, 0.26))
        parts.append(patch(moved(smooth(heart, steps=4), 0, 0.05), paint(rng, "red", "purple", "green")))
    parts.append(body(ellipse(0, -0.5, rim, 0.17), lighter(clay, 0.3), 0.2))
    return [*parts, patch(ellipse(0, -0.47, rim - 0.07, 0.115), inside, 0.1)]


def umbrella(rng: np.random.Generator) -> list[Part]:
    """An open umbrella with a hooked handle."""
    cloth, stick = paint(rng, "red", "blue", "purple", "green", "yellow", "pink"), paint(rng, "brown", "dark")
    second = lighter(cloth, 0.55) if rng.random() < 0.6 else darker(cloth, 0.12)
    top, rim = rng.uniform(-0.86, -0.74), rng.uniform(0.0, 0.1)
    hook = smooth(poly((0, 0.62), (0.0, 0.8), (0.09, 0.93), (0.22, 0.92), (0.28, 0.78)), closed=False)
    parts = [line(poly((0, top - 0.14), (0, 0.62)), COLOURS["grey"], 0.045), line(hook, stick, 0.085)]
    corners = (-0.94, -0.5, 0.5, 0.94) if rng.random() < 0.4 else (-0.94, -0.56, -0.2, 0.2, 0.56, 0.94)
    for n, (left, right) in enumerate(pairwise(corners)):
        t = np.linspace(0, 1, 10)[:, None]
        edge = [
            np.stack([x * np.sin(t[:, 0] * np.pi / 2), top + (rim - top) * (1 - np.cos(t[:, 0] * np.pi / 2))], 1)
            for x in (left, right)
        ]
        sag = np.stack([left + (right - left) * t[:, 0], rim - 0.42 * (right - left) * t[:, 0] * (1 - t[:, 0])], 1)
        parts.append(body(np.concatenate([edge[0], sag[1:-1], edge[1][::-1]]), cloth if n % 2 == 0 else second, 0.4))
    return parts


def key(rng: np.random.Generator) -> list[Part]:
    """A key with its teeth to the right."""
    metal, ring = paint(rng, "gold", "steel", "gold", "tan"), rng.uniform(0.3, 0.36)
    tip = rng.uniform(0.84, 0.96)
    shaft = [(-0.3, -0.075), (tip, -0.075), (tip, 0.075)]
    teeth: list[tuple[float, float]] = []
    for x in sorted((tip - 0.06, tip - 0.24, *([tip - 0.42] if rng.random() < 0.5 else [])), reverse=True):
        drop = rng.uniform(0.2, 0.36)
        teeth += [(x, 0.075), (x, drop), (x - 0.1, drop), (x - 0.1, 0.075)]
    form = rng.random()
    if form < 0.6:
        bow, hole = ellipse(-0.6, 0, ring), [ellipse(-0.6 - 0.04, 0, ring - 0.14)]
    elif form < 0.8:
        bow, hole = box(-0.95, -0.34, -0.28, 0.34, 0.14), [ellipse(-0.7, 0, 0.15)]
    else:
        petals = [ellipse(-0.6 + 0.22 * np.cos(a), 0.22 * np.sin(a), 0.2) for a in np.radians((180, 270, 90))]
        bow, hole = (
            around(petals, (-0.6, 0.0)),
            [ellipse(-0.62 + 0.22 * np.cos(a), 0.22 * np.sin(a), 0.09) for a in np.radians((180, 270, 90))],
        )
    return [
        body(poly(*shaft, *teeth, (-0.3, 0.075)), metal, 0.5),
        body(bow, metal, 0.5, hole),
        body(box(-0.27, -0.12, -0.18, 0.12, 0.03), darker(metal, 0.12), 0.5),
    ]


def chair(rng: np.random.Generator) -> list[Part]:
    """A chair seen from the front, a little from the side."""
    wood, seat_at = paint(rng, "brown", "tan", "red", "dark", "white", "teal"), rng.uniform(0.1, 0.2)
    pad, shift, leg = (
        (paint(rng, "red", "blue", "green", "cream") if rng.random() < 0.5 else lighter(wood, 0.15)),
        rng.uniform(0.16, 0.26),
        0.065,
    )
    left, right, back = -0.52, 0.4, -rng.uniform(0.84, 0.96)
    parts: list[Part] = []
    for x in (left + shift, right + shift):
        parts.append(body(box(x - leg + 0.06, seat_at - 0.1, x + leg + 0.02, 0.72), darker(wood, 0.35), 0.3))
        parts.append(body(box(x - leg + 0.05, back, x + leg + 0.03, seat_at), wood, 0.4))
    inner = (left + shift + leg + 0.03, right + shift - leg + 0.05)
    if rng.random() < 0.5:
        for y in np.linspace(back + 0.06, -0.2, int(rng.integers(2, 4))):
            parts.append(body(box(inner[0] - 0.03, y, inner[1] + 0.03, y + 0.15), wood, 0.3))
    else:
        parts += [
            body(box(x - 0.035, back + 0.1, x + 0.035, seat_at), wood, 0.3)
            for x in np.linspace(inner[0] + 0.12, inner[1] - 0.12, 3)
        ]
        parts.append(body(box(inner[0] - 0.12, back, inner[1] + 0.12, back + 0.18, 0.05), wood, 0.3))
    for x in (left, right):
        parts.append(
            body(
                poly((x - leg, seat_at + 0.2), (x + leg, seat_at + 0.2), (x + 0.7 * leg, 0.96), (x - 0.7 * leg, 0.96)),
                wood,
                0.4,
            )
        )
    top = [
        (left + shift - 0.05, seat_at - 0.06),
        (right + shift + 0.1, seat_at - 0.06),
        (right + 0.1, seat_at + 0.18),
        (left - 0.1, seat_at + 0.18),
    ]
    front = box(left - 0.1, seat_at + 0.18, right + 0.1, seat_at + 0.28)
    return [*parts, body(poly(*top), pad, 0.2), body(front, darker(pad, 0.2), 0.2)]


def clock(rng: np.random.Generator) -> list[Part]:
    """A round clock; some ring in the morning."""
    case, face = paint(rng, "red", "blue", "gold", "dark", "teal", "brown"), paint(rng, "white", "cream")
    alarm, r = rng.random() < 0.55, 0.74
    parts: list[Part] = []
    if alarm:
        for sign in (-1, 1):
            parts.append(line(poly((sign * 0.4, 0.5), (sign * 0.62, 0.95)), darker(case, 0.2), 0.12))
            bell = moved(turned(ellipse(0, 0, 0.3, 0.25, span=(180, 360)), sign * 38), sign * 0.46, -0.6)
            parts.append(body(bell, lighter(case, 0.25), 0.8))
        parts.append(line(poly((0, -0.6), (0, -0.84)), darker(case, 0.3), 0.06))
        parts.append(body(box(-0.1, -0.94, 0.1, -0.84, 0.03), darker(case, 0.2), 0.5))
        r = 0.66
    parts += [body(ellipse(0, 0.05, r), case, 0.5), body(ellipse(0, 0.05, 0.82 * r), face, 0.1)]
    for n in range(12):
        a, start = np.radians(30 * n), (0.62 if n % 3 == 0 else 0.68)
        tick = poly(
            (start * r * np.cos(a), start * r * np.sin(a) + 0.05), (0.75 * r * np.cos(a), 0.75 * r * np.sin(a) + 0.05)
        )
        parts.append(line(tick, DARK, 0.05 if n % 3 == 0 else 0.025))
    hour, minute = rng.uniform(0, 360), 30 * rng.integers(0, 12)
    for degrees, length, width in ((hour, 0.36 * r, 0.075), (minute, 0.58 * r, 0.05)):
        a = np.radians(degrees)
        parts.append(line(poly((0, 0.05), (length * np.cos(a), length * np.sin(a) + 0.05)), DARK, width))
    return [*parts, patch(ellipse(0, 0.05, 0.06), COLOURS["red"], 0.5)]


def guitar(rng: np.random.Generator) -> list[Part]:
    """A guitar that stands upright."""
    wood, neck = paint(rng, "orange", "tan", "brown", "red", "teal"), paint(rng, "brown", "dark")
    waist, hip = rng.uniform(0.26, 0.32), rng.uniform(0.46, 0.54)
    outline = mirrored(
        (0, -0.14),
        (0.2, -0.16),
        (0.37, -0.02),
        (0.34, 0.16),
        (waist, 0.3),
        (hip - 0.05, 0.46),
        (hip, 0.68),
        (0.36, 0.9),
        (0, 0.97),
    )
    parts = [
        body(smooth(outline), wood, 0.5),
        patch(smooth(outline * (0.9, 0.92) + (0, 0.034)), lighter(wood, 0.22), 0.1),
    ]
    parts += [body(ellipse(0, 0.3, 0.15), darker(neck, 0.6), 0.1), body(box(-0.2, 0.66, 0.2, 0.74, 0.02), neck, 0.4)]
    parts.append(body(poly((-0.065, -0.74), (0.065, -0.74), (0.08, 0.2), (-0.08, 0.2)), neck, 0.4))
    parts += [line(poly((-0.07, y), (0.07, y)), STEEL, 0.016) for y in np.linspace(-0.6, 0.0, 5)]
    for y in (-0.78, -0.87):
        parts += [body(ellipse(sign * 0.16, y, 0.05, 0.035), STEEL, 0.7) for sign in (-1, 1)]
    parts.append(body(poly((-0.07, -0.72), (-0.12, -0.97), (0.12, -0.97), (0.07, -0.72)), darker(wood, 0.25), 0.3))
    return parts + [line(poly((x, -0.9), (1.3 * x, 0.7)), lighter(STEEL, 0.5), 0.014) for x in (-0.036, 0.0, 0.036)]


def star(rng: np.random.Generator) -> list[Part]:
    """A five-pointed star, plain or faceted."""
    coat = paint(rng, "yellow", "gold", "red", "orange", "sky", "pink")
    outline = spokes(5, 0.95, rng.uniform(0.38, 0.52))
    form = rng.random()
    if form < 0.35:
        facets = []
        for n in range(10):
            corner = poly((0, 0), (outline[n][0], outline[n][1]), (outline[(n + 1) % 10][0], outline[(n + 1) % 10][1]))
            facets.append(patch(corner, lighter(coat, 0.25) if n % 2 else darker(coat, 0.2), 0.05))
        return [body(outline, coat, 0.3), *facets]
    if form < 0.7:
        return [body(outline, coat, 0.7), patch(outline * 0.62, lighter(coat, 0.35), 0.3)]
    return [body(outline, coat, 0.8)]
