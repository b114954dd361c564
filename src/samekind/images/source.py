"""Where pictures are: folders, lists and manifests become references, without opening one picture."""

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from samekind.errors import UsageError
from samekind.images import manifest
from samekind.images.errors import printable
from samekind.images.refs import ImageRef, Skip, is_url

__all__ = ["EXTENSIONS", "ImageRef", "Skip", "list_images"]

EXTENSIONS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif", "avifs"}
)
# Pictures too, which would be missed if nothing was said about them.
_FOREIGN = frozenset(
    {"heic", "heif", "jxl", "jp2", "psd", "svg", "dng", "cr2", "cr3", "nef", "arw", "orf", "raf", "rw2"}
)

_Found = ImageRef | Skip


def list_images(
    source: str | Path, *, domain: str | None = None, domain_from_folder: bool = False, allow_urls: bool = False
) -> Iterator[ImageRef | Skip]:
    """The pictures of a source, always in the same order, and what had to be left out.

    A folder is walked in the order of its paths; hidden files and folders are passed over, links are followed, each
    real folder is visited once. Only names with a picture's extension count there. A list (`.txt`) or manifest
    (`.csv`, `.jsonl`, `.parquet`) keeps its own order; its relative paths start at its folder. Any other file is taken
    for a picture, as is a URL; URLs are left out unless `allow_urls`.

    The domain is that of a manifest's row, else `domain`; with `domain_from_folder`, the name of the first folder
    below the source, None for what lies outside of such a folder or comes from no folder.

    Raises UsageError at once when there is no such source, it cannot be read, or both domain arguments are given.
    """
    if domain is not None and domain_from_folder:
        raise UsageError("choose one: a domain for all pictures, or the domain from the folder")
    if is_url(str(source)):
        return iter([_url(str(source), domain, allow_urls)])
    root = _absolute(Path(source))
    if not _is_text(root):
        raise UsageError(f"the name of {printable(root)} is not UTF-8, so it cannot be stored; rename it")
    try:
        mode = os.stat(root).st_mode  # noqa: PTH116 (one call for all of the questions below)
        if stat.S_ISDIR(mode):
            return _walk(root, _children(root, None), domain, domain_from_folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"there is no {printable(root)}: give a folder, a picture, a list or a manifest") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{printable(root)} cannot be read: {error}") from error
    if stat.S_ISREG(mode) and manifest.is_list(Path(root)):
        return _primed(_listed(Path(root), domain, allow_urls))
    return iter([_file(root, domain)])


def _absolute(path: Path) -> str:
    """An absolute path without `..`; links stay, except where `..` would mean another folder behind them."""
    path = path.absolute()
    if path.name == "..":
        return os.path.realpath(path)
    if ".." in path.parts:
        path = Path(os.path.realpath(path.parent), path.name)
    return str(path)


def _primed(found: Iterator[_Found]) -> Iterator[_Found]:
    """The same, with the first item fetched now, so that what is wrong with the source is raised now."""
    return chain([item for item in [next(found, None)] if item is not None], found)


# An entry of a folder that is still to be looked at, and the domain that it would have by its folder.
_Pending = tuple["os.DirEntry[str]", str | None]


def _walk(root: str, pending: list[_Pending], domain: str | None, domain_from_folder: bool) -> Iterator[_Found]:
    """Depth first. Sorting folders as `name/` makes the whole listing sorted by path."""
    seen = {_identity(root)}
    while pending:
        entry, label = pending.pop()
        if not _is_text(entry.name):
            if _is_folder(entry) or _extension(entry.name) in EXTENSIONS:
                yield _bad_name(entry.path)
        elif _is_folder(entry):
            label = entry.name if entry.path == f"{root.rstrip('/')}/{entry.name}" else label
            try:
                identity = _identity(entry.path)
                if identity not in seen:
                    seen.add(identity)
                    pending += _children(entry.path, label)
            except OSError as error:
                reason = "vanished" if isinstance(error, FileNotFoundError) else "unreadable"
                yield _skip(entry.path, reason, f"(a folder) cannot be read: {error.strerror}")
        elif _extension(entry.name) in EXTENSIONS:
            yield _file(entry.path, label if domain_from_folder else domain, entry)
        elif _extension(entry.name) in _FOREIGN:
            why = "is of a format that is not opened here; convert it to JPEG or PNG"
            yield _skip(entry.path, "unsupported", why)


def _children(folder: str, label: str | None) -> list[_Pending]:
    """What is not hidden in a folder, last first; raises OSError."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    shown.sort(key=lambda entry: entry.name + "/" if _is_folder(entry) else entry.name, reverse=True)
    return [(entry, label) for entry in shown]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or nothing may be asked there
        return False


def _identity(folder: str) -> tuple[int, int]:
    """What a folder is whatever it is called: device and inode."""
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _extension(name: str) -> str:
    stem, _, extension = name.rpartition(".")
    return extension.lower() if stem else ""


def _file(path: str, domain: str | None, entry: "os.DirEntry[str] | None" = None) -> _Found:
    """A reference to a regular file, which it may be by a link."""
    if not _is_text(path):
        return _bad_name(path)
    try:
        found = entry.stat() if entry else os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        dangling = os.path.islink(path)  # noqa: PTH114
        return _skip(path, "vanished", "is a link to nothing" if dangling else "is not there (any more)")
    except ValueError:
        return Skip(printable(path), "bad_name", f"{printable(path)} has a zero byte, so it cannot be a file's name")
    except OSError as error:
        return _skip(path, "unreadable", f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(found.st_mode):
        is_folder = stat.S_ISDIR(found.st_mode)
        return _skip(path, "not_a_file", f"is {'a folder' if is_folder else 'a pipe, socket or device'}, not a file")
    return ImageRef(path, domain, found.st_size, found.st_mtime_ns)


def _listed(path: Path, domain: str | None, allow_urls: bool) -> Iterator[_Found]:
    """The entries of a list or manifest, each with its line where something is wrong."""
    for row in manifest.rows(path):
        if row.fault:
            yield Skip(str(path), "bad_row", f"line {row.line} of {path} {printable(row.fault)}")
            continue
        label = row.domain or domain
        if label is not None and not _is_text(label):
            found: _Found = Skip(str(path), "bad_row", f"its domain {printable(label)} is not UTF-8")
        elif is_url(row.uri):
            found = _url(row.uri, label, allow_urls)
        else:
            found = _file(_absolute(path.parent / row.uri), label)
        if isinstance(found, Skip):
            found = Skip(found.uri, found.reason, f"line {row.line} of {path}: {found.detail}")
        yield found


def _url(uri: str, domain: str | None, allow_urls: bool) -> _Found:
    """A reference to an address of a kind that may be fetched."""
    if not _is_text(uri):
        return _bad_name(uri)
    if not uri.lower().startswith(("http://", "https://")):
        return _skip(uri, "url_refused", "is neither http nor https; give a path, or such an address")
    if not allow_urls:
        return _skip(uri, "url_refused", "is a URL, and URLs are only fetched with --allow-urls")
    return ImageRef(uri, domain)


def _is_text(name: str) -> bool:
    """Whether a name is UTF-8; other bytes come from the system as lone surrogates."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _skip(uri: str, reason: str, why: str) -> Skip:
    return Skip(uri, reason, f"{printable(uri)} {why}")


def _bad_name(path: str) -> Skip:
    shown = printable(path)
    return Skip(shown, "bad_name", f"the name of {shown} is not UTF-8; rename it")
