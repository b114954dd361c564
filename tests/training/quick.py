"""Drawn pictures of two domains, and settings with which a run takes a second."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import samekind

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


def trained(
    method: str, settings: Sequence[str], world: Path, out: Path, tiny_clip: Path, *more: str, **options: Any
) -> dict[str, torch.Tensor]:
    """Train and return what was saved."""
    options = {"classes_count": 3, "backbone": tiny_clip, "device": "cpu", **options}
    samekind.train(method, world, out=out, settings=(*settings, *more), **options)
    return load_file(out / "weights.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
