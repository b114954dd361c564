"""Arrays on disk for some hundred pictures each, under the hash of what they were made from, whole or not at all."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from samekind.errors import SamekindError
from samekind.retriever.kept import cache_limit, surplus
from samekind.retriever.kept_pictures import Lost

CHUNK = 256  # pictures at most on average: what a kill costs
FOLDER = "tokens"
DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype(np.float16), "F32": np.dtype(np.float32), "U8": np.dtype(np.uint8)}


def chunks(contents: Sequence[str]) -> Iterator[range]:
    """Neighbours among sorted hashes whose leading bits are the same; 128 to 256 on average, of more than 256.

    Cut by value, not by count: a picture more or less changes its own chunk alone, unless the number of pictures
    passes 256, 512, 1024 and so on, where every chunk is cut in two.
    """
    bits = ((len(contents) - 1) // CHUNK).bit_length()
    begin = 0
    for _, same in groupby(contents, lambda content: int(content[:8], 16) >> (32 - bits)):
        end = begin + sum(1 for _ in same)
        yield range(begin, end)
        begin = end


def digest(facts: Mapping[str, Any], contents: Sequence[str]) -> str:
    """The name of an array: what it was made from, and how."""
    whole = json.dumps({"schema": 1, **facts, "contents": list(contents)}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Part:
    """One array on disk: a row for each picture of a chunk that could be opened; `lost` are the others' places."""

    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int  # of the array's bytes
    lost: dict[int, Lost]

    def read(self, places: Sequence[int], rows: Sequence[Shaped[np.ndarray, " ..."]]) -> None:
        """Read some rows into arrays of their own; raises OSError when the file is gone or shorter than it was."""
        with self.file.open("rb", buffering=0) as file:
            for place, row in zip(places, rows, strict=True):
                file.seek(self.begin + place * row.nbytes)
                if file.readinto(row.data) != row.nbytes:
                    raise OSError(f"{self.file} was cut short")

    def whole(self) -> Shaped[np.ndarray, " n ..."]:
        """All rows."""
        count = int(np.prod(self.shape))
        return np.fromfile(self.file, self.dtype, count, offset=self.begin).reshape(self.shape)


class Store:
    """The arrays in the user's cache folder, and those that only this run may have, in its own.

    Several processes may write at once: equal names are equal arrays. A damaged file is one that is not there. Where
    the cache folder cannot be written, `fault` says why, and the arrays stay with the run.
    """

    def __init__(self, shared: Path, own: Path) -> None:
        """Both folders; nothing is made yet. Raises UsageError when SAMEKIND_CACHE_GIB is no number."""
        self.shared, self.own, self.limit = shared, own, cache_limit()
        self.used: set[Path] = set()
        self.fault: str | None = None

    def find(self, name: str, dtype: str, shape: tuple[int, ...], total: int) -> Part | None:
        """An array of `total` rows, less those lost, of this type and shape; a file that is anything else goes."""
        for folder in (self.own, self.shared):
            file = folder / name
            if not file.is_file():
                continue
            try:
                part = _opened(file)
                if (part.dtype, part.shape) != (DTYPES[dtype], (total - len(part.lost), *shape)):
                    raise ValueError("another shape")
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                with suppress(OSError):
                    file.unlink()
                continue
            with suppress(OSError):  # a folder that may only be read
                os.utime(file)
            self.used.add(file)
            return part
        return None

    def write(self, name: str, values: Shaped[np.ndarray, " n ..."], lost: Mapping[int, Lost]) -> Part:
        """Keep an array: for good, unless a picture was lost for a reason that may pass or the cache folder refuses.

        Raises SamekindError when the run's own folder refuses too.
        """
        if self.fault is None and not any(each.passing for each in lost.values()):
            try:
                return self._written(self.shared / name, values, lost)
            except (OSError, SafetensorError) as error:
                self.fault = f"{self.shared} cannot be written: {error}"
        try:
            return self._written(self.own / name, values, lost)
        except (OSError, SafetensorError) as error:
            raise SamekindError(
                f"{self.own} cannot be written: {error}. Make room, or keep less with a smaller cache_gib, and give "
                "the same command again."
            ) from error

    def _written(self, file: Path, values: Shaped[np.ndarray, " n ..."], lost: Mapping[int, Lost]) -> Part:
        fresh = file.with_name(f".{uuid.uuid4().hex}.part")
        told = {str(place): [each.reason, each.tail] for place, each in lost.items()}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file({"rows": np.ascontiguousarray(values)}, fresh, metadata={"lost": json.dumps(told)})
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            part = _opened(fresh)
            fresh.replace(file)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
        self.used.add(file)
        return Part(file, part.shape, part.dtype, part.begin, part.lost)

    def evict(self) -> None:
        """Delete what was not used for longest, never what this run uses, until the store is within its limit."""
        for file in surplus(_entries(self.shared), self.used, self.limit):
            with suppress(OSError):
                file.unlink()


def _opened(file: Path) -> Part:
    """Raises whatever reading a damaged file raises; safetensors sees to it that header and size agree."""
    with safe_open(file, "np") as opened:
        rows = opened.get_slice("rows")
        shape, dtype = tuple(rows.get_shape()), DTYPES[rows.get_dtype()]
        told = json.loads(opened.metadata()["lost"])
    with file.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    lost = {int(place): Lost(reason, tail) for place, (reason, tail) in told.items()}
    return Part(file, shape, dtype, 8 + header, lost)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Time of last use, bytes, and path of each file, unfinished ones too."""
    for file in folder.glob("*"):
        with suppress(OSError):  # somebody else has just deleted it
            found = file.stat()
            yield found.st_mtime, found.st_size, file
