"""A small gallery for the verbs: drawn pictures of two domains, encoded by the tiny checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 230)}


@pytest.fixture(scope="session")
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """world/<photo|sketch>/<colour>.png, and one file that is no picture."""
    world = tmp_path_factory.mktemp("pictures") / "world"
    rng = np.random.default_rng(0)
    for domain, noise in (("photo", 8), ("sketch", 60)):
        (world / domain).mkdir(parents=True)
        for name, colour in COLOURS.items():
            pixels = np.clip(np.array(colour) + rng.integers(-noise, noise, (40, 48, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(world / domain / f"{name}.png")
    (world / "photo" / "broken.jpg").write_bytes(b"no picture")
    return world


@pytest.fixture(scope="session")
def gallery(pictures: Path, tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, with their domains."""
    from samekind.gallery.store import Gallery
    from samekind.retriever.store import load

    folder = tmp_path_factory.mktemp("galleries") / "g"
    Gallery.open(folder, load(tiny_clip), create=True).add(pictures, domain_from_folder=True)
    return folder
