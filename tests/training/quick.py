"""Drawn pictures of two domains, and settings with which a run takes a second."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 230)}

# A run that takes a second: set on top of what is under test.
QUICK = (
    "prompts.epochs=3",
    "prompts.warmup=1",
    "prompts.words=2",
    "prompts.repair_after=1",
    "prompts.batch=8",
    "synergy.epochs=3",
    "synergy.steps=1",
    "synergy.batch=8",
    "model.width=16",
    "model.heads=2",
)


def draw(root: Path, domains: tuple[str, ...] = ("photo", "sketch"), each: int = 5, size: int = 40) -> Path:
    """root/domain/colour/N.png, noisy; every further domain darker than the one before."""
    rng = np.random.default_rng(0)
    for number, domain in enumerate(domains):
        for name, colour in COLOURS.items():
            folder = root / domain / name
            folder.mkdir(parents=True)
            for count in range(each):
                noise = rng.integers(-40, 40, (size, size, 3))
                pixels = np.clip(np.array(colour) / (1 + number) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{count}.png")
    return root
