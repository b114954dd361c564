"""Keeps a benchmark's pictures out of training: what looks like one of them is dropped, with all taken beside it."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from samekind.errors import UsageError
from samekind.images.refs import ImageRef
from samekind.images.source import list_images
from samekind.pretrain.captions import Captioned, Told, read_square
from samekind.retriever.encode import ordered_map

# Correlation of 16 x 16 thumbnails. Chosen here by looking at the pairs: from .95 on, the photos of PACS and of
# Caltech-101 that share a number, a person and a room are found; below it unlike things on white begin (docs/log.md).
THRESHOLD = 0.95
SIDE = 16


def signature(picture: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, " n"]:
    """Colours of 16 x 16 cells, mean removed, unit length: their dot product is a correlation."""
    cells = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    flat = cells.ravel() - cells.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def lookalikes(
    rows: Sequence[Captioned],
    pictures: UInt8[np.ndarray, "n s s 3"],
    folders: Sequence[Path],
    cache: Path,
    told: Told = lambda *_: None,
) -> Bool[np.ndarray, " n"]:
    """Marks the rows to drop: pictures that look like one below `folders`.

    Where two or more pictures of one domain and caption do, the whole group goes: they were taken in one session, and
    what a thumbnail misses is among them. The answer is kept in the folder `cache` for the same pictures. `told`
    hears how many pictures below the folders are opened, and of how many.
    """
    there = [ref for folder in folders for ref in pictures_below(folder)]
    facts = [[row.file for row in rows], [[ref.uri, ref.size, ref.mtime_ns] for ref in there]]
    kept = cache / f"lookalikes-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.npy"
    if kept.is_file():
        return np.asarray(np.load(kept), bool)
    mine = np.stack([signature(picture) for picture in pictures])
    near = np.zeros(len(rows), bool)
    theirs = []
    squares = ordered_map(read_square, [Path(ref.uri) for ref in there], workers=2, look_ahead=64)
    for n, square in enumerate(squares, 1):
        if isinstance(square, np.ndarray):
            theirs.append(signature(square))
        told(n, len(there))
    for i in range(0, len(theirs), 1024):
        near |= (mine @ np.stack(theirs[i : i + 1024]).T).max(1) >= THRESHOLD
    groups = Counter((row.domain, row.caption) for row, is_near in zip(rows, near, strict=True) if is_near)
    drop = np.array(
        [is_near or groups[row.domain, row.caption] >= 2 for row, is_near in zip(rows, near, strict=True)], bool
    )
    np.save(kept, drop)
    return drop


def pictures_below(folder: Path) -> list[ImageRef]:
    """Raises UsageError for a folder without pictures: nothing would be kept out."""
    found = [ref for ref in list_images(folder) if isinstance(ref, ImageRef)]
    if not found:
        raise UsageError(f"{folder}: no pictures to keep out of training were found there")
    return found
