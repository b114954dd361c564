"""The captions table of pre-training and its pictures, decoded once into one array on disk."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from samekind.errors import UsageError
from samekind.images.decode import ImageError, decode, read
from samekind.retriever.encode import ordered_map

Told = Callable[[int, int], None]
SIDE = 160  # pixels; training crops are smaller


@dataclass(frozen=True, slots=True)
class Captioned:
    """One row: a picture's path below the table's folder, its domain (may be empty) and its caption."""

    file: str
    domain: str
    caption: str


def read_captions(path: Path) -> list[Captioned]:
    """Read `file,caption[,domain]` from a CSV with a header.

    Raises:
        UsageError: the table is missing, has other columns, or has no rows.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such captions table; give a CSV with the columns file, caption and maybe domain")
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        columns = reader.fieldnames or []
        if not {"file", "caption"} <= set(columns):
            raise UsageError(f"{path}: columns file and caption are needed, found: {', '.join(columns) or 'none'}")
        rows = [
            Captioned(row["file"], row.get("domain") or "", " ".join(row["caption"].split()).lower())
            for row in reader
            if row["file"] and row["caption"]
        ]
    if not rows:
        raise UsageError(f"{path}: the table has no rows with a file and a caption")
    return rows


def load_pictures(
    root: Path, rows: list[Captioned], cache: Path, told: Told = lambda *_: None
) -> tuple[list[Captioned], UInt8[np.ndarray, "n s s 3"], list[dict[str, str]]]:
    """Decode every picture to 160 x 160 (squashed) into `cache`; a second call reads the array that is there.

    `told` hears how many are done, and of how many.

    Returns:
        the rows whose pictures could be read, their pictures (memory-mapped), and what was skipped with its reason.
    """
    key = hashlib.sha256(json.dumps([asdict(row) for row in rows]).encode()).hexdigest()
    facts_file, array_file = cache / "pictures.json", cache / "pictures.npy"
    if facts_file.is_file():
        facts = json.loads(facts_file.read_text())
        if facts["key"] == key:
            kept = [rows[i] for i in facts["kept"]]
            return kept, np.load(array_file, mmap_mode="r"), facts["skipped"]
    cache.mkdir(parents=True, exist_ok=True)
    array = np.lib.format.open_memmap(array_file, "w+", np.uint8, (len(rows), SIDE, SIDE, 3))
    indices: list[int] = []
    skipped: list[dict[str, str]] = []
    for i, found in enumerate(ordered_map(lambda row: read_square(root / row.file), rows, workers=2, look_ahead=64)):
        if isinstance(found, ImageError):
            skipped.append({"uri": rows[i].file, "reason": found.reason, "detail": str(found)})
        else:
            array[len(indices)] = found
            indices.append(i)
        told(i + 1, len(rows))
    array.flush()
    if not indices:
        raise UsageError(f"{root}: none of the {len(rows)} pictures of the table could be read; see the paths in it")
    facts_file.write_text(json.dumps({"key": key, "kept": indices, "skipped": skipped}))
    return [rows[i] for i in indices], np.load(array_file, mmap_mode="r")[: len(indices)], skipped


def read_square(path: Path) -> UInt8[np.ndarray, "s s 3"] | ImageError:
    """One picture, squashed to the cache's size; what is wrong with it is returned, not raised."""
    try:
        image = decode(read(str(path)), target=SIDE).image
    except ImageError as error:
        return error
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def balanced_weights(rows: list[Captioned], shares: dict[str, float]) -> np.ndarray:
    """Sampling weight of each row: domains by `shares` (others 1), captions by the root of their count, sums to one.

    The root keeps a caption with 800 pictures from drowning one with a single picture, and the reverse.
    """
    pairs = Counter((row.domain, row.caption) for row in rows)
    weights = np.array([pairs[row.domain, row.caption] ** -0.5 for row in rows])
    domains = np.array([row.domain for row in rows])
    for domain in set(domains.tolist()):
        inside = domains == domain
        weights[inside] *= shares.get(domain, 1.0) / weights[inside].sum()
    return np.asarray(weights / weights.sum())
