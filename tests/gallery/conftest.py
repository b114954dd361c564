"""Galleries for tests, of the cheap retriever and pictures in `palette.py`."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, and would not find palette.py

from faults import Indexers, change, pictures
from palette import PaletteRetriever, paint

from samekind.gallery import ingest
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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Pictures that have changed since a gallery was made of them, that gallery, and one that has what is now."""
    monkeypatch.setattr(ingest, "BATCH", 4)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 4)
    folder, gallery = pictures(tmp_path / "pictures", 20), tmp_path / "gallery"
    Gallery.open(gallery, PaletteRetriever(), create=True).add(folder, domain_from_folder=True)
    change(folder, 20)
    shutil.copytree(gallery, tmp_path / "undisturbed")
    Gallery.open(tmp_path / "undisturbed", PaletteRetriever()).add(folder, domain_from_folder=True)
    return folder, gallery, tmp_path / "undisturbed"
