"""The soak's pictures, many and cheap, that come and go, and a retriever that encodes them at no cost."""

import hashlib
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from samekind.images.decode import open_image
from samekind.images.preprocess import Preprocess

SIDE = 8  # of what a vector is made of
PIXELS = 32  # of the files
SHARD = 1000  # pictures in a folder,
REPAINTED = 50  # of which the first by name may be painted over


class Palette:
    """A retriever whose vectors are small pictures, at length one."""

    name, ref, space, dim = "palette", None, "cosine", 3 * SIDE * SIDE
    sha256 = hashlib.sha256(b"palette").hexdigest()
    preprocess = Preprocess(SIDE, "squash", "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Pixels."""
        return self.preprocess.pixels(image)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        """Vectors of pixels."""
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) - np.float32(127.25)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def encode_images(self, images: Sequence[str | Path | Image.Image]) -> np.ndarray:
        """Vectors of files."""
        return self.encode_pixels(np.stack([self.prepare(open_image(str(one)).image) for one in images]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Directions that mean nothing."""
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        drawn = np.stack([np.random.default_rng(seed).normal(size=self.dim) for seed in seeds])
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


class World:
    """The pictures: folders of a thousand, the oldest of which leave first."""

    def __init__(self, folder: Path, bases: Path) -> None:
        self.folder = folder
        drawn = [Image.open(file).convert("RGB").resize((PIXELS, PIXELS)) for file in sorted(bases.rglob("*.png"))]
        self._bases = np.stack([np.asarray(picture, np.float32) for picture in drawn])
        self._shards: deque[Path] = deque()
        self._drawn = 0
        self._rng = np.random.default_rng(0)

    def paint(self, paths: Sequence[Path]) -> None:
        """Pictures that there have not been before."""
        rng, count = self._rng, len(paths)
        drawn = self._bases[rng.integers(0, len(self._bases), count)] * rng.uniform(0.5, 1.0, (count, 1, 1, 3))
        drawn += rng.integers(0, 8, (count, PIXELS, 1, 3))
        for path, pixels in zip(paths, drawn.astype(np.uint8), strict=True):
            Image.fromarray(pixels).save(path)
        self._drawn += count

    def grow(self, count: int) -> None:
        """So many pictures more."""
        for _ in range(count // SHARD):
            shard = self.folder / f"d{self._drawn // SHARD % 4}" / f"{self._drawn:08}"
            shard.mkdir(parents=True)
            self.paint([shard / f"{number:04}.bmp" for number in range(SHARD)])
            self._shards.append(shard)

    def shrink(self, count: int) -> None:
        """The oldest leave."""
        for _ in range(count // SHARD):
            shutil.rmtree(self._shards.popleft())

    def stir(self, count: int) -> None:
        """Some are painted over, as many renamed, as many copied."""
        shards = self._rng.choice(len(self._shards), 3 * count)
        for number, shard in enumerate(shards):
            there = files(self._shards[shard])[number % REPAINTED]
            if number % 3 == 0:
                self.paint([there])
            elif number % 3 == 1:
                there.rename(there.with_name(f"r{self._drawn}-{number}.bmp"))
            else:
                shutil.copy(there, there.with_name(f"z{self._drawn}-{number}.bmp"))


def files(folder: Path) -> list[Path]:
    """The pictures of a folder."""
    return sorted(folder.rglob("*.bmp"))
