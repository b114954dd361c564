"""Pictures of two domains whose kinds of things are known: three colours, darker in the second domain."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for quick.py

from quick import draw


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("training") / "world")
