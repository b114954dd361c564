"""What lies below a folder: pictures, and what was left out, with the reason."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from samekind.images.errors import printable
from samekind.images.source import EXTENSIONS

Skip = dict[str, str]  # uri (below the root), reason (a slug), detail (a sentence)


@dataclass
class Found:
    """Paths below the data's root of the pictures in one class folder or domain, and what cannot be used there."""

    files: list[str] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)


def skip(uri: str, reason: str, why: str) -> Skip:
    """One thing that was left out; `why` completes the sentence that begins with its path."""
    shown = printable(uri)
    return {"uri": shown, "reason": reason, "detail": f"{shown} {why}"}


def folders(path: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones do not count. Raises OSError."""
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))


def pictures(root: Path, folder: str) -> Found:
    """All pictures at any depth below `root`/`folder`, and what else is there; nothing is opened.

    Hidden files and folders are passed over, links are followed, each real folder is visited once. Zero-byte files and
    names without a picture's extension are skipped with a reason.
    """
    found = Found()
    _walk(root, folder, found, set())
    return found


def beside(root: Path, folder: str) -> Iterator[Skip]:
    """Files that lie directly in `root`/`folder`, where only folders belong; raises OSError."""
    place = f"{folder}/" if folder else ""
    with os.scandir(root / folder) as entries:
        loose = sorted(entry.name for entry in entries if not entry.name.startswith(".") and not _is_folder(entry))
    for name in loose:
        if _extension(name) in EXTENSIONS:
            yield skip(place + name, "misplaced", "lies in no class folder, so it has no class")
        else:
            yield skip(place + name, "not_a_picture", "is no picture by its name")


def _walk(root: Path, folder: str, found: Found, seen: set[tuple[int, int]]) -> None:
    try:
        identity = os.stat(root / folder)  # noqa: PTH116
        if (identity.st_dev, identity.st_ino) in seen:
            found.skipped.append(skip(folder, "linked_again", "(a folder) was read already by another name"))
            return
        seen.add((identity.st_dev, identity.st_ino))
        with os.scandir(root / folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        found.skipped.append(skip(folder, "unreadable", f"(a folder) cannot be read: {error.strerror}"))
        return
    for entry in sorted(shown, key=lambda entry: entry.name):
        place = f"{folder}/{entry.name}"
        if not _is_text(entry.name):
            found.skipped.append(skip(place, "bad_name", "has a name that is not UTF-8; rename it"))
        elif _is_folder(entry):
            _walk(root, place, found, seen)
        elif (fault := _fault(entry)) is not None:
            found.skipped.append(skip(place, *fault))
        else:
            found.files.append(place)


def _fault(entry: "os.DirEntry[str]") -> tuple[str, str] | None:
    """Why a file is no picture, as a slug and the end of a sentence; None for one that looks like a picture."""
    if _extension(entry.name) not in EXTENSIONS:
        return "not_a_picture", "is no picture by its name"
    try:
        found = entry.stat()
    except FileNotFoundError:
        return "vanished", "is a link to nothing"
    except OSError as error:
        return "unreadable", f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "not_a_file", "is a pipe, socket or device, not a file"
    return None if found.st_size else ("empty", "is empty (0 bytes)")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _extension(name: str) -> str:
    stem, _, extension = name.rpartition(".")
    return extension.lower() if stem else ""


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
