"""Where pictures are: folders, lists and manifests become references, without opening one picture."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from samekind.errors import UsageError
from samekind.images.errors import printable

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".avif", ".avifs"}
)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture that is there: absolute path or http(s) URL, domain, bytes and time of change where known."""

    uri: str
    domain: str | None = None
    size: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """A picture that cannot be used: a printable uri, a slug (see `errors.py`) and a sentence."""

    uri: str
    reason: str
    detail: str


def list_images(
    source: str | Path, *, domain: str | None = None, domain_from_folder: bool = False, allow_urls: bool = False
) -> Iterator[ImageRef | Skip]:
    """The pictures of a source in a fixed order; raises UsageError at once when there is no such source."""
    root = Path(source).absolute()
    if not root.exists():
        raise UsageError(f"there is no {root}; give a folder, a picture, a list (.txt) or a manifest")
    if not root.is_dir():
        found = root.stat()
        return iter([ImageRef(str(root), domain, found.st_size, found.st_mtime_ns)])
    return _walk(str(root), domain, domain_from_folder)


def _walk(root: str, domain: str | None, domain_from_folder: bool) -> Iterator[ImageRef | Skip]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(tuple(EXTENSIONS)):
                continue
            path = f"{folder}/{name}"
            below = path[len(root) + 1 :].split("/")
            found = os.stat(path)  # noqa: PTH116
            if not stat.S_ISREG(found.st_mode):
                yield Skip(printable(path), "not_a_file", f"{printable(path)} is not a regular file")
                continue
            label = (below[0] if len(below) > 1 else None) if domain_from_folder else domain
            yield ImageRef(path, label, found.st_size, found.st_mtime_ns)
