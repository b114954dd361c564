"""Galleries for tests, of the cheap retriever and pictures in `palette.py`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, and would not find palette.py

from faults import Indexers
from palette import PaletteRetriever, paint

from samekind.gallery.store import Gallery


@pytest.fixture
def retriever() -> PaletteRetriever:
    return PaletteRetriever()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures, two of them below a folder."""
    folder = tmp_path / "photos"
    for seed in range(4):
        paint(folder / f"{seed}.png", seed)
    for seed in (4, 5):
        paint(folder / "deep" / f"{seed}.png", seed)
    return folder


@pytest.fixture
def gallery(tmp_path: Path, photos: Path, retriever: PaletteRetriever) -> Gallery:
    """The six pictures, indexed."""
    made = Gallery.open(tmp_path / "gallery", retriever, create=True)
    made.add(photos, domain="photo")
    return made


@pytest.fixture
def indexers() -> Iterator[Indexers]:
    """The one process that all indexers come from."""
    found = Indexers()
    yield found
    found.close()
