"""What a gallery knows of its pictures one by one, and which of them it may not show."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from samekind.gallery.vectors import Snapshot
from samekind.images.refs import is_url


@dataclass(frozen=True, slots=True)
class Picture:
    """What a gallery knows of a picture: its places (uris, sorted, with their domains), measures, and vector.

    width, height: upright, in pixels; size: bytes of its file; vector: the retriever's.
    """

    places: list[tuple[str, str | None]]
    width: int
    height: int
    size: int
    vector: Float32[np.ndarray, " d"]


@dataclass(frozen=True, slots=True)
class Outside:
    """Pictures that are at no place that may be shown: how many, and the folder that all their files are below."""

    count: int = 0
    folder: str | None = None


def picture_of(snapshot: Snapshot, name: str) -> Picture | None:
    """The picture with this id, None where there is none."""
    row = snapshot.row_of(name)
    if row is None:
        return None
    return Picture(snapshot.places(row), *snapshot.measures(row), snapshot.vectors_of([row])[0])


def outside_of(snapshot: Snapshot, roots: Sequence[str], *, urls: bool) -> Outside:
    """The pictures with no place below these folders, and none at an address if `urls` may be shown."""
    hidden = [
        uri
        for row, uri in enumerate(snapshot.rows.column("uri").to_pylist())
        # The first of its places, which most have alone, then all of them.
        if not _shown(uri, roots, urls) and not any(_shown(place, roots, urls) for place, _ in snapshot.places(row))
    ]
    folders = {os.path.dirname(uri) for uri in hidden if not is_url(uri)}  # noqa: PTH120 (a Path for each is slow)
    return Outside(len(hidden), os.path.commonpath(folders) if folders else None)


def all_outside(parts: Sequence[Outside]) -> Outside:
    """Those of several parts of a gallery."""
    folders = [part.folder for part in parts if part.folder is not None]
    return Outside(sum(part.count for part in parts), os.path.commonpath(folders) if folders else None)


def _shown(uri: str, roots: Sequence[str], urls: bool) -> bool:
    return urls if is_url(uri) else any(uri.startswith(f"{root.rstrip('/')}/") for root in roots)
