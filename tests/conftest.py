"""Fixtures that every room's tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real pictures and weights beside the checkout; tests skip where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real pictures in ../shared/data, which this machine does not have")
    return SHARED
