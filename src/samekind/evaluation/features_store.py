"""Encoded vectors on disk: what was encoded once, by one retriever from one set of pictures, is never encoded again."""

import hashlib
import json
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from samekind.images.refs import Skip
from samekind.retriever.kept import LIMIT_GIB, cache_folder, cache_limit, surplus

__all__ = ["LIMIT_GIB", "Known", "VectorStore", "cache_folder", "cache_limit", "evict"]

_FOLDER = "features"
_NOTE = "entry.json"
_USED = "used"  # its time of change is when the entry was last read or written


@dataclass
class Known:
    """What an entry holds: row n is `done` when it has a vector or a reason in `skipped`."""

    vectors: Float32[np.ndarray, "n d"]
    done: Bool[np.ndarray, " n"]
    skipped: dict[int, Skip]


class VectorStore:
    """One entry: the vectors of `rows` pictures under one `key`, in parts that each appear whole or not at all.

    A killed process loses only what it had not written. Several may write at once: equal keys give equal vectors, so
    the order of the parts does not matter. A part that is damaged is dropped, and encoded again. A disk that is full
    or may not be written to is no error: `fault` then says so, and the vectors are simply not kept.
    """

    def __init__(self, cache: Path, key: Mapping[str, Any], rows: int, dim: int) -> None:
        """Name the entry; nothing is read or written yet."""
        self.root = cache / _FOLDER
        self.key = dict(key)
        self.shape = (rows, dim)
        digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()
        self.folder = self.root / digest[:32]
        self.fault: str | None = None

    def read(self) -> Known:
        """Everything that the entry has."""
        known = Known(np.zeros(self.shape, np.float32), np.zeros(self.shape[0], bool), {})
        for part in sorted(self.folder.glob("*.npz")):
            try:
                rows, vectors, skipped = _part(part, self.shape)
            except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError):
                with suppress(OSError):
                    part.unlink()
                continue
            known.vectors[rows] = vectors
            known.done[rows] = True
            known.skipped |= skipped
            known.done[list(skipped)] = True
        self._touch()
        return known

    def write(
        self, rows: Sequence[int], vectors: Float32[np.ndarray, "m d"], skipped: Mapping[int, Skip] | None = None
    ) -> None:
        """Add the vectors of some rows, and the reasons why others will never have one."""
        noted = {str(row): [skip.uri, skip.reason, skip.detail] for row, skip in (skipped or {}).items()}
        if not len(rows) and not noted:
            return
        fresh = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            self._make()
            with fresh.open("wb") as file:
                np.savez(
                    file,
                    rows=np.asarray(rows, np.int64),
                    vectors=np.asarray(vectors, np.float32).reshape(-1, self.shape[1]),
                    skipped=np.frombuffer(json.dumps(noted).encode(), np.uint8),
                )
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self.folder / f"{time.time_ns():020d}-{fresh.name[1:9]}.npz")
        except OSError as error:
            self.fault = f"{self.folder} cannot be written: {error.strerror or error}"
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self.folder / _NOTE
        if not note.exists():
            note.write_text(json.dumps({"schema": 1, **self.key}, indent=2) + "\n", encoding="utf-8")
        self._touch()

    def _touch(self) -> None:
        if self.folder.is_dir():
            with suppress(OSError):
                (self.folder / _USED).touch()


def _part(
    path: Path, shape: tuple[int, int]
) -> tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, "m d"], dict[int, Skip]]:
    """One part, checked against the entry's shape; raises whatever reading a damaged file raises."""
    with np.load(path, allow_pickle=False) as found:
        rows, vectors = found["rows"], found["vectors"]
        skipped = {int(row): Skip(*told) for row, told in json.loads(found["skipped"].tobytes()).items()}
    if vectors.shape != (len(rows), shape[1]) or rows.dtype != np.int64 or vectors.dtype != np.float32:
        raise ValueError("another shape")
    every = [*rows.tolist(), *skipped]
    if every and not 0 <= min(every) <= max(every) < shape[0]:
        raise ValueError("rows that the entry does not have")
    return rows, vectors, skipped


def evict(cache: Path, keep: Path | None = None, limit: int | None = None) -> list[Path]:
    """Delete whole entries, the longest unused first, until the rest is within the limit; returns what went.

    The entry `keep` (the one in use) always stays. Whoever still writes to an entry that goes makes it anew.
    """
    room = cache_limit() if limit is None else limit
    gone = surplus(_entries(cache / _FOLDER), {keep}, room)
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return gone


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """Time of last use, bytes, and folder of each entry."""
    for folder in root.glob("*"):
        try:
            size = sum(file.stat().st_size for file in folder.iterdir())
            marked = folder / _USED
            yield (marked if marked.exists() else folder).stat().st_mtime, size, folder
        except OSError:  # somebody else has just deleted it
            continue
