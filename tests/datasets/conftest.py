"""Small trees of pictures, each with a content of its own; hashes are remembered in a folder of the test's."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test alone."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("SAMEKIND_DATA", raising=False)
    return folder / "samekind"


@pytest.fixture
def paint() -> Paint:
    """paint(root, "photo/dog/1.png", ...) writes pictures, no two of which are the same, and returns the root."""
    numbers = count()

    def write(root: Path, *files: str) -> Path:
        for file in files:
            place = root / file
            place.parent.mkdir(parents=True, exist_ok=True)
            n = next(numbers)
            pixels = np.full((2, 2, 3), (n % 256, n // 256 % 256, n // 65536), np.uint8)
            Image.fromarray(pixels).save(place)
        return root

    return write
