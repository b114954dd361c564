"""Galleries for tests of the service, of the cheap retriever that the gallery's own tests have."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gallery"))  # tests are imported by path, and would not find
sys.path.insert(0, str(Path(__file__).parent))  # palette.py, and hostile.py

from palette import PaletteRetriever, paint

from samekind.gallery.store import Gallery


@pytest.fixture
def retriever() -> PaletteRetriever:
    return PaletteRetriever()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures, four of each of the domains photo, sketch and toy."""
    folder = tmp_path / "photos"
    for seed in range(12):
        paint(folder / ("photo", "sketch", "toy")[seed % 3] / f"{seed}.png", seed)
    return folder


@pytest.fixture
def gallery(tmp_path: Path, photos: Path, retriever: PaletteRetriever) -> Gallery:
    """The twelve pictures, indexed."""
    made = Gallery.open(tmp_path / "gallery", retriever, create=True)
    made.add(photos, domain_from_folder=True)
    return made
