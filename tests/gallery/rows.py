"""Galleries of given vectors, without pictures: large enough for an index, and made in no time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from palette import PaletteRetriever

from samekind.gallery.ann.build import Keeper
from samekind.gallery.ann.record import Ann
from samekind.gallery.schema import Meta, table_schema, write_meta
from samekind.gallery.spaces import SPACES
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

DOMAINS = ("photo", "sketch", "cartoon")


class Words(PaletteRetriever):
    """A retriever that is asked with texts alone: each is a direction of its own."""

    def __init__(self, dim: int, space: str = "cosine") -> None:
        super().__init__("words")
        self.sha256, self.dim, self.space = "0" * 64, dim, space

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        drawn = np.random.default_rng(len(texts)).normal(size=(len(texts), self.dim))
        return unit(drawn) * np.float32(1 if self.space == "cosine" else 0.5)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around a hundred directions, as pictures of kinds of things are."""
    centres = np.random.default_rng(99).normal(size=(100, dim))
    rng = np.random.default_rng(seed)
    return unit(centres[rng.integers(0, 100, count)] + 0.5 * rng.normal(size=(count, dim)))


def columns(numbers: range, vectors: np.ndarray) -> pa.Table:
    """Rows of these numbers as the indexer would write them."""
    facts = {
        "id": [f"{number:024x}" for number in numbers],
        "seq": list(numbers),
        "uri": [f"/pictures/{number}.jpg" for number in numbers],
        "domain": [DOMAINS[number % 3] for number in numbers],
        "content_hash": [f"{number:064x}" for number in numbers],
        "size": [100 + number for number in numbers],
        "mtime_ns": [0] * len(numbers),
        "width": [number % 1000 for number in numbers],
        "height": [500] * len(numbers),
        "copies": [[]] * len(numbers),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
    }
    return pa.table(facts, schema=table_schema(vectors.shape[1]))


def made(folder: Path, vectors: np.ndarray, space: str = "cosine") -> Gallery:
    """A gallery of a retriever's vectors."""
    folder.mkdir(parents=True)
    known = {"name": "words", "sha256": "0" * 64, "ref": None, "uuid": "u" * 32, "created": ""}
    meta = Meta(dim=vectors.shape[1], space=space, **known)
    PictureTable.create(folder, meta.width)
    write_meta(folder, meta)
    appended(folder, vectors, space)
    return Gallery(folder, meta, Words(meta.dim, space))


def appended(folder: Path, vectors: np.ndarray, space: str = "cosine") -> range:
    """Add rows behind those that are there; their numbers."""
    table = PictureTable.open(folder)
    numbers = range(table.rows, table.rows + len(vectors))
    table.append(columns(numbers, SPACES[space].rows(vectors)))
    return numbers


def kept(gallery: Gallery, wanted: bool | None = None) -> Ann | None:
    """What indexing does about the index when pictures are in."""
    keeper = Keeper(gallery.path, gallery.meta, gallery._newest, lambda: gallery.retriever)
    found = keeper.keep(wanted)
    gallery.refresh()
    return found
