"""A cheap retriever and cheap pictures, for tests of what the gallery does with them."""

import hashlib
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from samekind.gallery.store import Gallery
from samekind.images.decode import open_image
from samekind.images.preprocess import Preprocess

if TYPE_CHECKING:
    import pytest

SIDE = 4


class PaletteRetriever:
    """Vectors are small pictures with their mean level taken out; a text is as the plain colour that it names."""

    def __init__(self, name: str = "palette") -> None:
        self.name = name
        self.sha256 = hashlib.sha256(name.encode()).hexdigest()
        self.ref: str | None = None
        self.dim = 3 * SIDE * SIDE
        self.space = "cosine"
        self.preprocess = Preprocess(
            size=SIDE, resize="squash", interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
        )
        self.encoded = 0
        self.domains: list[str | None] = []

    def prepare(self, image: Image.Image) -> np.ndarray:
        return self.preprocess.pixels(image)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        self.encoded += len(pixels)
        self.domains += [domain] * len(pixels)
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) - 127.25
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def encode_images(self, images: Sequence[str | Path | Image.Image]) -> np.ndarray:
        opened = [each if isinstance(each, Image.Image) else open_image(str(each)).image for each in images]
        encoded, domains = self.encoded, list(self.domains)
        vectors = self.encode_pixels(np.stack([self.prepare(each) for each in opened]))
        self.encoded, self.domains = encoded, domains
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_images([Image.new("RGB", (8, 8), text) for text in texts])


def paint(path: Path, seed: int) -> Path:
    """A small picture; other seeds give other contents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(levels).resize((16, 12), Image.Resampling.NEAREST).save(path)
    return path


def places(gallery: Gallery) -> dict[str, set[tuple[str, str | None]]]:
    """What the gallery has: by id, where it is and with which domain."""
    rows = gallery.snapshot().rows.to_pylist()
    return {
        row["id"]: {(row["uri"], row["domain"]), *((copy["uri"], copy["domain"]) for copy in row["copies"])}
        for row in rows
    }


class Prepared:
    """Counts prepared pictures: `most` were in memory at once."""

    def __init__(self, patch: "pytest.MonkeyPatch") -> None:
        self.most = 0
        alive: set[int] = set()
        prepare = Preprocess.pixels

        def counted(preprocess: Preprocess, image: Image.Image) -> np.ndarray:
            pixels = prepare(preprocess, image)
            alive.add(id(pixels))
            weakref.finalize(pixels, alive.discard, id(pixels))
            self.most = max(self.most, len(alive))
            return pixels

        patch.setattr(Preprocess, "pixels", counted)
