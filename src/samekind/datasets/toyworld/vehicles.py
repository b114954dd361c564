"""Drawn things that go somewhere: each function makes one, different with every seed."""

import numpy as np

from samekind.datasets.toyworld.shapes import (
    COLOURS,
    Part,
    body,
    box,
    darker,
    ellipse,
    flipped,
    lighter,
    line,
    mirrored,
    paint,
    patch,
    poly,
    smooth,
)

DARK, GLASS, STEEL = COLOURS["dark"], COLOURS["glass"], COLOURS["steel"]


def car(rng: np.random.Generator) -> list[Part]:
    """A car seen from the side, on its way to the left."""
    coat, tyre = paint(rng, "red", "blue", "yellow", "green", "white", "teal", "orange"), COLOURS["black"]
    roof, back = rng.uniform(-0.5, -0.36), rng.uniform(0.44, 0.78)
    cabin = poly((-0.56, 0.04), (-0.3, roof), (back - 0.16, roof), (back, 0.04))
    hood = [
        (-0.94, 0.16),
        (-0.86, 0.04),
        (-0.54, -0.02),
        (0.6, -0.02),
        (0.9, 0.02),
        (0.96, 0.16),
        (0.96, 0.4),
        (0.9, 0.46),
        (-0.9, 0.46),
        (-0.97, 0.38),
    ]
    parts = [body(cabin, coat, 0.4), body(poly(*hood), coat, 0.5)]
    middle = 0.5 * (back - 0.46)
    parts.append(
        body(poly((-0.46, 0.02), (-0.26, roof + 0.09), (middle - 0.03, roof + 0.09), (middle - 0.03, 0.02)), GLASS, 0.1)
    )
    rear = poly((middle + 0.04, 0.02), (middle + 0.04, roof + 0.09), (back - 0.2, roof + 0.09), (back - 0.09, 0.02))
    parts.append(body(rear, GLASS, 0.1))
    parts.append(line(poly((middle, 0.03), (middle, 0.42)), darker(coat, 0.4), 0.025))
    parts.append(line(poly((middle + 0.08, 0.13), (middle + 0.2, 0.13)), darker(coat, 0.6), 0.04))
    parts.append(patch(ellipse(-0.88, 0.2, 0.07, 0.08), COLOURS["yellow"], 0.6))
    parts.append(patch(box(0.88, 0.1, 0.96, 0.26, 0.02), COLOURS["red"], 0.3))
    size = rng.uniform(0.2, 0.25)
    for x in (-0.54, 0.54):
        parts += [
            body(ellipse(x, 0.46, size), tyre, 0.5),
            body(ellipse(x, 0.46, 0.55 * size), STEEL, 0.5),
            patch(ellipse(x, 0.46, 0.16 * size), DARK),
        ]
    return parts


def boat(rng: np.random.Generator) -> list[Part]:
    """A boat under sail."""
    hull, sail = (
        paint(rng, "brown", "red", "blue", "teal", "white"),
        paint(rng, "white", "cream", "yellow", "red", "sky"),
    )
    top, wide = rng.uniform(-0.95, -0.85), rng.uniform(0.74, 0.9)
    wood = COLOURS["brown"]
    parts = [
        line(poly((0, 0.5), (0, top)), wood, 0.055),
        body(
            smooth(poly((0.06, top + 0.12), (0.36, -0.3), (wide - 0.14, 0.3), (0.4, 0.36), (0.06, 0.33)), steps=3),
            sail,
            0.35,
        ),
        body(
            poly((-0.06, top + 0.22), (-0.06, 0.33), (-wide + 0.22, 0.33)),
            lighter(sail, 0.25) if rng.random() < 0.5 else paint(rng, "white", "orange"),
            0.35,
        ),
        body(
            np.concatenate(
                [
                    poly((-wide - 0.06, 0.44), (wide + 0.06, 0.44)),
                    smooth(
                        poly((wide - 0.1, 0.7), (wide - 0.32, 0.86), (-wide + 0.3, 0.86), (-wide + 0.1, 0.68)),
                        closed=False,
                    ),
                ]
            ),
            hull,
            0.6,
        ),
        line(poly((-wide + 0.08, 0.6), (wide - 0.08, 0.6)), lighter(hull, 0.6), 0.045),
    ]
    if rng.random() < 0.7:
        parts.append(
            body(poly((0, top - 0.03), (0.26, top + 0.05), (0, top + 0.13)), paint(rng, "red", "blue", "orange"), 0.1)
        )
    if rng.random() < 0.4:
        parts += [patch(ellipse(x, 0.7, 0.055), GLASS, 0.4) for x in (-0.3, 0.0, 0.3)]
    return parts


def airplane(rng: np.random.Generator) -> list[Part]:
    """A jet airplane seen from above, its nose up."""
    coat, trim = paint(rng, "white", "sky", "steel", "yellow", "red"), paint(rng, "red", "blue", "orange", "teal")
    sweep, span, tail = rng.uniform(0.26, 0.44), rng.uniform(0.86, 0.98), rng.uniform(0.3, 0.4)
    wing = poly((0.08, -0.22), (span, -0.12 + sweep), (span, 0.0 + sweep), (0.08, 0.22))
    fin = poly((0.04, 0.62), (tail, 0.8), (tail, 0.9), (0.04, 0.84))
    parts: list[Part] = []
    for outline, tone in ((wing, darker(coat, 0.12)), (fin, trim)):
        parts += [body(outline, tone, 0.25), body(flipped(outline), tone, 0.25)]
    for sign in (-1, 1):
        x = sign * 0.4
        parts.append(body(box(x - 0.06, -0.16, x + 0.06, 0.12, 0.05), trim, 0.8))
    hull = mirrored((0, -0.97), (0.09, -0.88), (0.13, -0.66), (0.13, 0.4), (0.05, 0.92), (0, 0.95))
    parts.append(body(smooth(hull), coat, 0.9))
    parts.append(patch(smooth(mirrored((0, -0.84), (0.07, -0.78), (0.085, -0.68), (0, -0.71)), steps=4), DARK, 0.3))
    for y in np.linspace(-0.52, 0.4, 7):
        parts += [patch(ellipse(sign * 0.085, y, 0.024, 0.034), darker(GLASS, 0.4), 0.1) for sign in (-1, 1)]
    return [*parts, line(poly((0, 0.5), (0, 0.93)), trim, 0.05)]


def bicycle(rng: np.random.Generator) -> list[Part]:
    """A bicycle seen from the side, on its way to the left."""
    frame, r = paint(rng, "red", "blue", "green", "orange", "purple", "teal"), rng.uniform(0.36, 0.41)
    rear, front, ground = (0.54, 0.3), (-0.56, 0.3), 0.3
    parts: list[Part] = []
    for x, y in (rear, front):
        for a in np.radians(np.arange(0, 180, 45) + rng.uniform(0, 45)):
            across = 0.92 * r * np.array([np.cos(a), np.sin(a)])
            parts.append(line(poly((x - across[0], y - across[1]), (x + across[0], y + across[1])), STEEL, 0.016))
        parts.append(body(ellipse(x, y, r), DARK, 0.3, [ellipse(x, y, r - 0.07)]))
    crank, saddle, head = (0.02, ground + 0.03), (0.16, -0.28), (-0.4, -0.26)
    for start, stop in ((rear, crank), (rear, saddle), (saddle, crank), (crank, head), (saddle, head), (front, head)):
        parts.append(line(poly(start, stop), frame, 0.065))
    parts += [
        line(poly(saddle, (0.19, -0.42)), STEEL, 0.05),
        body(smooth(poly((0.02, -0.47), (0.3, -0.51), (0.34, -0.4), (0.12, -0.41))), DARK, 0.6),
        line(poly(head, (-0.43, -0.48)), STEEL, 0.05),
        line(smooth(poly((-0.58, -0.36), (-0.66, -0.5), (-0.43, -0.5), (-0.26, -0.54)), closed=False), DARK, 0.06),
        body(ellipse(crank[0], crank[1], 0.09), STEEL, 0.4),
        line(poly((crank[0] - 0.12, crank[1] + 0.14), crank, (crank[0] + 0.12, crank[1] - 0.14)), DARK, 0.045),
    ]
    return parts
