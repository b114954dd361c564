"""Drawn things that live or grow: each function makes one, different with every seed."""

import numpy as np

from samekind.datasets.toyworld.shapes import (
    COLOURS,
    Part,
    Points,
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
    turned,
)

BLACK, WHITE = COLOURS["black"], COLOURS["white"]


def _eye(x: float, y: float, r: float) -> list[Part]:
    """A white eye that looks a little to the left."""
    return [patch(ellipse(x, y, r), WHITE, 0.6), patch(ellipse(x - 0.2 * r, y, 0.55 * r), BLACK, 0.6)]


def _leaf(x: float, y: float, length: float, turn: float) -> Points:
    """A leaf with its stalk at (x, y); `turn` 0 points to the right."""
    half = poly(
        (0, 0),
        (0.3 * length, -0.24 * length),
        (0.7 * length, -0.2 * length),
        (length, 0),
        (0.65 * length, 0.2 * length),
    )
    return moved(turned(smooth(np.concatenate([half, poly((0.28 * length, 0.17 * length))])), turn), x, y)


def fish(rng: np.random.Generator) -> list[Part]:
    """A fish that swims to the left."""
    skin, deep = paint(rng, "orange", "red", "yellow", "teal", "blue", "purple"), rng.uniform(0.36, 0.5)
    fin, tail = (
        (darker(skin, 0.22) if rng.random() < 0.6 else paint(rng, "yellow", "orange", "sky")),
        rng.uniform(0.36, 0.52),
    )
    outline = [(-0.92, 0.02), (-0.62, -0.7 * deep), (-0.15, -deep), (0.3, -0.6 * deep), (0.58, -0.12)]
    lower = [(0.58, 0.12), (0.3, 0.62 * deep), (-0.15, deep), (-0.62, 0.72 * deep)]
    parts = [
        body(smooth(poly((0.46, 0), (0.72, -0.3), (0.98, -tail), (0.86, 0), (0.98, tail), (0.72, 0.3))), fin, 0.3),
        body(
            smooth(poly((-0.3, -0.85 * deep), (-0.05, -deep - 0.26), (0.36, -deep - 0.12), (0.34, -0.5 * deep))),
            fin,
            0.3,
        ),
        body(smooth(poly((-0.05, 0.8 * deep), (0.2, deep + 0.2), (0.4, deep + 0.1), (0.3, 0.5 * deep))), fin, 0.3),
        body(smooth(poly(*outline, *lower)), skin, 0.9),
    ]
    if rng.random() < 0.5:
        for x in (-0.12, 0.2):
            top = deep * (0.93 if x < 0 else 0.7)
            stripe = poly(
                (x, -top),
                (x + 0.12, -0.97 * top),
                (x + 0.15, 0),
                (x + 0.12, 0.93 * top),
                (x, 0.95 * top),
                (x + 0.03, 0),
            )
            parts.append(patch(smooth(stripe), lighter(fin, 0.6)))
    else:
        for x, y in ((0.0, -0.14), (0.0, 0.14), (0.2, 0.0), (0.36, 0.12), (0.36, -0.1)):
            parts.append(line(ellipse(x, y, 0.1, span=(-70, 70)), darker(skin, 0.3), 0.025))
    parts.append(line(smooth(poly((-0.44, -0.26), (-0.37, 0), (-0.44, 0.28)), closed=False), darker(skin, 0.45), 0.035))
    parts.append(line(smooth(poly((-0.9, 0.07), (-0.78, 0.12), (-0.7, 0.09)), closed=False), darker(skin, 0.6), 0.03))
    parts.append(body(smooth(poly((-0.28, 0.05), (-0.02, 0.0), (0.06, 0.18), (-0.1, 0.2))), fin, 0.3))
    return parts + _eye(-0.62, -0.1, 0.105)


def bird(rng: np.random.Generator) -> list[Part]:
    """A songbird that stands on its legs and looks to the left."""
    skin = paint(rng, "blue", "red", "yellow", "teal", "brown", "grey")
    belly, leg, plump = lighter(skin, 0.62), paint(rng, "orange", "brown"), rng.uniform(0.0, 0.08)
    trunk = [(-0.16, -0.38), (0.16, -0.3), (0.5, -0.02), (0.56, 0.16), (0.28, 0.42 + plump), (-0.12, 0.46 + plump)]
    foot = 0.86
    parts: list[Part] = []
    for x in (-0.06, 0.16):
        parts.append(line(poly((x, 0.36), (x - 0.03, foot)), leg, 0.045))
        parts.append(line(poly((x - 0.2, foot + 0.05), (x - 0.03, foot), (x + 0.1, foot + 0.05)), leg, 0.04))
    tip = rng.uniform(-0.2, 0.3)
    parts += [
        body(poly((0.36, -0.06), (0.96, tip - 0.06), (1.0, tip + 0.1), (0.4, 0.24)), darker(skin, 0.3), 0.3),
        body(poly((-0.66, -0.56), (-0.98, -0.42), (-0.64, -0.34)), paint(rng, "orange", "yellow", "dark"), 0.5),
        body(smooth(poly(*trunk, (-0.42, 0.24 + plump), (-0.52, -0.1), (-0.4, -0.34))), skin, 0.9),
        patch(
            smooth(poly((-0.46, -0.02), (-0.28, 0.02), (0.0, 0.3), (0.06, 0.42), (-0.14, 0.42), (-0.4, 0.22))),
            belly,
            0.3,
        ),
        body(ellipse(-0.42, -0.48, 0.3, 0.28), skin, 0.9),
    ]
    wing = smooth(poly((-0.12, -0.16), (0.16, -0.2), (0.5, 0.02), (0.74, 0.2), (0.34, 0.24), (0.02, 0.14)))
    parts.append(body(turned(wing, rng.uniform(-12, 8), -0.1, -0.1), darker(skin, 0.22), 0.5))
    if rng.random() < 0.35:
        parts.insert(
            -3, body(smooth(poly((-0.4, -0.7), (-0.3, -0.98), (-0.16, -0.9), (-0.2, -0.6))), darker(skin, 0.15), 0.4)
        )
    return parts + _eye(-0.5, -0.54, 0.075)


def cat(rng: np.random.Generator) -> list[Part]:
    """A cat that sits and looks out of the picture."""
    fur = paint(rng, "orange", "grey", "dark", "tan", "brown", "white")
    dark, inner, eye = darker(fur, 0.3), paint(rng, "pink"), paint(rng, "green", "yellow", "sky")
    ear, wide = rng.uniform(0.94, 1.0), rng.uniform(0.36, 0.46)
    tail = smooth(poly((0.3, 0.82), (0.72, 0.84), (0.86, 0.5), (0.7, 0.16), (0.8, -0.1)), closed=False)
    parts = [line(tail, fur, 0.17)]
    trunk = mirrored((0, -0.1), (0.26, 0.0), (wide, 0.44), (wide + 0.02, 0.78), (0.3, 0.94), (0, 0.95))
    parts.append(body(smooth(trunk), fur, 0.9))
    parts.append(patch(smooth(mirrored((0, 0.1), (0.16, 0.26), (0.14, 0.5), (0, 0.58))), lighter(fur, 0.5), 0.3))
    for sign in (-1, 1):
        parts.append(body(ellipse(sign * 0.15, 0.88, 0.14, 0.1), lighter(fur, 0.25), 0.8))
    for mirror in (False, True):
        outer = poly((0.14, -0.66), (0.47, -ear), (0.5, -0.42))
        small = poly((0.25, -0.68), (0.42, -ear + 0.12), (0.44, -0.52))
        parts.append(body(flipped(outer) if mirror else outer, fur, 0.5))
        parts.append(patch(flipped(small) if mirror else small, inner, 0.2))
    head = mirrored((0, -0.74), (0.34, -0.66), (0.53, -0.38), (0.42, -0.1), (0.18, 0.03), (0, 0.05))
    parts.append(body(smooth(head), fur, 0.9))
    if rng.random() < 0.6:
        parts += [line(poly((x, -0.71), (0.7 * x, -0.56)), dark, 0.045) for x in (-0.15, 0.0, 0.15)]
    for sign in (-1, 1):
        parts.append(patch(ellipse(sign * 0.21, -0.37, 0.105, 0.09), eye, 0.5))
        parts.append(patch(ellipse(sign * 0.21, -0.37, 0.035, 0.085), BLACK, 0.5))
        for dy in (-0.06, 0.03):
            parts.append(
                line(poly((sign * 0.2, -0.14 + 0.4 * dy), (sign * 0.74, -0.16 + 1.6 * dy)), _whisker(fur), 0.018)
            )
        parts.append(
            line(
                smooth(poly((0, -0.14), (sign * 0.06, -0.07), (sign * 0.15, -0.1)), closed=False),
                darker(fur, 0.65),
                0.025,
            )
        )
    parts.append(patch(poly((-0.07, -0.24), (0.07, -0.24), (0, -0.15)), darker(inner, 0.1), 0.5))
    return parts


def _whisker(fur: tuple[int, int, int]) -> tuple[int, int, int]:
    return WHITE if sum(fur) < 300 else COLOURS["dark"]


def butterfly(rng: np.random.Generator) -> list[Part]:
    """A butterfly with open wings, seen from above."""
    wing = paint(rng, "orange", "blue", "yellow", "purple", "pink", "teal", "red")
    spot, second = (
        lighter(wing, 0.6),
        (darker(wing, 0.2) if rng.random() < 0.5 else paint(rng, "orange", "sky", "pink")),
    )
    high, low = rng.uniform(0.6, 0.82), rng.uniform(0.62, 0.86)
    upper = poly(
        (0.06, -0.12), (0.3, -0.6), (0.7, -high - 0.08), (0.95, -high + 0.1), (0.88, -0.3), (0.56, -0.02), (0.06, 0.05)
    )
    lower = poly((0.06, 0.0), (0.5, 0.0), (0.76, 0.24), (0.7, low - 0.14), (0.46, low), (0.22, 0.5), (0.06, 0.2))
    parts: list[Part] = []
    marks = [ellipse(0.72, -0.58, 0.13), ellipse(0.48, -0.3, 0.12, 0.09, -30), ellipse(0.5, 0.42, 0.14, 0.16)]
    edge = rng.random() < 0.6
    for outline, tone in ((smooth(lower), second), (smooth(upper), wing)):
        for mirror in (False, True):
            parts.append(body(flipped(outline) if mirror else outline, darker(tone, 0.6) if edge else tone, 0.25))
            inside = (outline - outline.mean(0)) * 0.8 + outline.mean(0) * 0.97
            if edge:
                parts.append(patch(flipped(inside) if mirror else inside, tone, 0.15))
    for mark in marks[: int(rng.integers(1, 4))]:
        parts += [patch(mark, spot), patch(flipped(mark), spot)]
    for sign in (-1, 1):
        feeler = smooth(
            poly((0.02 * sign, -0.34), (0.12 * sign, -0.66), (0.28 * sign, -0.84), (0.34 * sign, -0.76)), closed=False
        )
        parts.append(line(feeler, COLOURS["dark"], 0.028))
    return [
        *parts,
        body(ellipse(0, 0.08, 0.08, 0.44), COLOURS["dark"], 0.9),
        body(ellipse(0, -0.36, 0.1), COLOURS["dark"], 0.9),
    ]


def tree(rng: np.random.Generator) -> list[Part]:
    """A fir in storeys, or a tree with a round crown."""
    bark, leaf = paint(rng, "brown"), paint(rng, "green", "green", "green", "green", "orange")
    thick = rng.uniform(0.1, 0.15)
    if rng.random() < 0.4:
        parts = [body(box(-thick, 0.5, thick, 0.98), bark, 0.7)]
        leaf = paint(rng, "green", "teal")
        for step, (top, foot, wide) in enumerate(((0.02, 0.68, 0.72), (-0.42, 0.26, 0.58), (-0.96, -0.2, 0.42))):
            storey = mirrored((0, top), (wide, foot), (0.5 * wide, foot + 0.05))
            parts.append(body(storey, lighter(leaf, 0.08 * step), 0.5))
        return parts
    trunk = mirrored((0, -0.1), (0.75 * thick, -0.05), (thick, 0.6), (1.9 * thick, 0.97), (0, 0.93))
    parts = [
        line(poly((0, 0.3), (0.36, -0.1)), bark, 0.09),
        line(poly((0, 0.36), (-0.34, 0.0)), bark, 0.08),
        body(trunk, bark, 0.7),
    ]
    count, wobble = int(rng.integers(8, 12)), rng.uniform(0.9, 1.0)
    angles = np.radians(np.arange(count) * 360 / count + rng.uniform(0, 30))
    crown = around([ellipse(0.52 * np.cos(a), 0.42 * np.sin(a) - 0.34, 0.27 * wobble) for a in angles], (0, -0.34))
    parts.append(body(crown, leaf, 0.8))
    for x, y in rng.uniform((-0.4, -0.7), (0.4, 0.0), (4, 2)):
        parts.append(line(ellipse(x, y, 0.13, span=(200, 340)), darker(leaf, 0.35), 0.03))
    if rng.random() < 0.3:
        fruit = paint(rng, "red", "orange")
        parts += [
            patch(ellipse(x, y, 0.065), fruit, 0.9)
            for x, y in ((-0.36, -0.4), (0.3, -0.56), (0.08, -0.12), (0.46, -0.2), (-0.1, -0.72))
        ]
    return parts


def flower(rng: np.random.Generator) -> list[Part]:
    """A flower on a stalk with leaves."""
    stalk, petal = paint(rng, "green"), paint(rng, "red", "pink", "yellow", "purple", "white", "orange", "sky")
    heart = paint(rng, "yellow", "brown") if petal[2] < 90 or petal[0] < 230 else paint(rng, "yellow", "orange")
    bend, count = rng.uniform(-0.14, 0.14), int(rng.integers(5, 9))
    centre = np.array([0.0, -0.42])
    parts = [
        body(_leaf(bend * 0.9, 0.62, rng.uniform(0.44, 0.6), rng.uniform(-50, -25)), stalk, 0.3),
        body(_leaf(bend * 0.9, 0.78, rng.uniform(0.4, 0.56), rng.uniform(205, 230)), darker(stalk, 0.15), 0.3),
        line(smooth(poly((0, -0.3), (bend, 0.3), (bend * 0.4, 0.98)), closed=False), darker(stalk, 0.1), 0.065),
    ]
    long, wide, spin = rng.uniform(0.23, 0.28), 1.02 / count, rng.uniform(0, 60)
    for n in range(count):
        angle = spin + n * 360 / count
        middle = centre + 0.32 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        parts.append(body(ellipse(middle[0], middle[1], long, min(wide, 0.2), angle), petal, 0.5))
    return [*parts, body(ellipse(centre[0], centre[1], 0.17), heart, 0.8)]


def apple(rng: np.random.Generator) -> list[Part]:
    """An apple with a stalk and a leaf."""
    skin, wide = paint(rng, "red", "red", "green", "yellow"), rng.uniform(0.72, 0.8)
    outline = mirrored(
        (0, -0.4), (0.2, -0.54), (0.5, -0.56), (wide, -0.24), (wide - 0.04, 0.3), (0.46, 0.78), (0.2, 0.86), (0, 0.81)
    )
    lean = rng.uniform(-0.05, 0.14)
    return [
        body(smooth(outline), skin, 1.0),
        patch(smooth(poly((-0.22, -0.42), (0, -0.48), (0.22, -0.42), (0, -0.33))), darker(skin, 0.4), 0.1),
        line(smooth(poly((0, -0.38), (0.02, -0.66), (lean, -0.9)), closed=False), COLOURS["brown"], 0.075),
        body(_leaf(0.03, -0.6, rng.uniform(0.46, 0.58), rng.uniform(-40, -15)), paint(rng, "green"), 0.3),
        patch(ellipse(-0.42, -0.18, 0.07, 0.17, 20), lighter(skin, 0.65), 0.3),
    ]


def mushroom(rng: np.random.Generator) -> list[Part]:
    """A toadstool with spots."""
    cap, stem = paint(rng, "red", "red", "brown", "orange", "purple"), paint(rng, "cream", "white")
    thick, edge, top = rng.uniform(0.17, 0.26), rng.uniform(0.06, 0.16), rng.uniform(-0.92, -0.74)
    foot = mirrored((0, -0.05), (thick, 0.0), (thick * 0.95, 0.5), (thick * 1.35, 0.88), (0, 0.95))
    dome = mirrored(
        (0, top), (0.4, top + 0.1), (0.76, -0.36), (0.9, edge - 0.06), (0.8, edge + 0.06), (0.4, edge + 0.02), (0, edge)
    )
    parts = [
        body(smooth(foot), stem, 0.8),
        body(smooth(mirrored((0, 0.28), (thick + 0.1, 0.32), (thick + 0.13, 0.42), (0, 0.4))), lighter(stem, 0.4), 0.4),
        body(smooth(dome), cap, 0.9),
    ]
    spots = (
        (0.0, -0.6, 0.13),
        (-0.42, -0.4, 0.12),
        (0.4, -0.36, 0.14),
        (-0.08, -0.2, 0.13),
        (-0.62, -0.1, 0.09),
        (0.66, -0.06, 0.09),
        (0.3, -0.06, 0.08),
    )
    keep = int(rng.integers(4, 8))
    return parts + [patch(ellipse(x, y, r, 0.85 * r), stem, 0.7) for x, y, r in spots[:keep]]
