"""The part of a retriever that is asked for vectors: what reads and keeps pictures needs no more of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from samekind.images.preprocess import Preprocess


@runtime_checkable
class PictureEncoder(Protocol):
    """What a reader needs of a retriever: how pictures are prepared, and what becomes of them."""

    @property
    def preprocess(self) -> Preprocess:
        """How pictures are prepared."""

    def encode_pixels(
        self, pixels: UInt8[np.ndarray, "b h w 3"], domain: str | None = None
    ) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures of one domain (None: unknown), prepared by `preprocess.pixels`."""


@runtime_checkable
class RetrieverLike(PictureEncoder, Protocol):
    """What a gallery needs of a retriever; `samekind.retriever.store.Retriever` has it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def sha256(self) -> str:
        """Changes when a vector would change."""

    @property
    def ref(self) -> str | None:
        """What `samekind.retriever.load` finds it by."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def space(self) -> str:
        """Which distance compares the vectors: a key of `gallery.spaces.SPACES`."""

    def encode_images(self, images: Sequence[str | Path | Image.Image]) -> Float32[np.ndarray, "b d"]:
        """Vectors of picture files and PIL images."""

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "b d"]:
        """Vectors of texts."""
