"""A retriever for which some pictures are dangerous, where it runs on a cluster; and indexing with it until killed."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.gallery.store import Gallery
from samekind.images.preprocess import Preprocess

POISON, SLOW = (13, 7), (11, 5)  # sizes of pictures


@dataclass(frozen=True)
class Perils(Preprocess):
    """Ends its process over some pictures; the first to prepare others never comes back."""

    folder: str = ""

    def pixels(self, image: Image.Image) -> np.ndarray:
        if image.size == POISON:
            os._exit(77)
        if image.size == SLOW and first(Path(self.folder, "slow")):
            time.sleep(3600)
        return super().pixels(image)


def first(file: Path) -> bool:
    """Whether nobody was here before."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class Perilous(PaletteRetriever):
    """What it encodes is as without perils."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.preprocess = Perils(**self.preprocess.to_dict(), folder=str(folder))


def paint_sized(path: Path, seed: int, size: tuple[int, int]) -> Path:
    """A picture of another size."""
    Image.open(paint(path, seed)).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def facts(gallery: Gallery) -> dict[tuple[object, ...], np.ndarray]:
    """The vector of every place that the gallery has, by id, uri, domain, size of the file, and of the picture."""
    snapshot = gallery.snapshot()
    found = {}
    for row, vector in zip(snapshot.rows.to_pylist(), snapshot.vectors, strict=True):
        for place in (row, *row["copies"]):
            key = (place["uri"], place["domain"], place["size"], row["id"], row["width"], row["height"])
            assert key not in found, "a place is there twice"
            found[key] = vector
    return found


if __name__ == "__main__":
    from samekind.gallery import ingest, report
    from samekind.reading.cluster import work as cluster_work

    ingest.COMMIT_ROWS, report.TICK, cluster_work.CHUNK = 8, 0.0, 4
    folder, pictures, address = sys.argv[1:]

    def tell(progress: report.Progress) -> None:
        os.write(1, f"{progress.done}\n".encode())
        time.sleep(0.05)

    Gallery.open(folder, PaletteRetriever(), create=True).add(
        pictures, domain_from_folder=True, ray=address, progress=tell
    )
