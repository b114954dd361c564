"""Where pictures are: folders, lists and manifests become references, without opening one picture."""

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from samekind.errors import UsageError
from samekind.images import manifest, storage
from samekind.images.errors import BadNameError, ImageError, VanishedError, printable
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

_ROWS = 1024  # of a list that are looked at together, as objects are asked for side by side


def list_images(
    source: str | Path, *, domain: str | None = None, domain_from_folder: bool = False, allow_urls: bool = False
) -> Iterator[ImageRef | Skip]:
    """The pictures of a source, always in the same order, and what had to be left out.

    A folder is walked in the order of its paths; hidden files and folders are passed over, links are followed, each
    real folder is visited once. Only names with a picture's extension count there. A list (`.txt`) or manifest
    (`.csv`, `.jsonl`, `.parquet`) keeps its own order; its relative paths start at its folder. Any other file is taken
    for a picture, as is a URL; URLs are left out unless `allow_urls`.

    Folders, lists and pictures may be in object storage (s3://, gs://) as well. A list in there starts its relative
    paths at its own folder, too, and names no files of this machine. Objects that a list names are left out unless
    `allow_urls` or they are in the bucket that the list is in: they would be asked for with the user's credentials,
    by the will of whoever wrote the list.

    The domain is that of a manifest's row, else `domain`; with `domain_from_folder`, the name of the first folder
    below the source, None for what lies outside of such a folder or comes from no folder.

    Raises UsageError at once when there is no such source, it cannot be read, or both domain arguments are given;
    ImageError when object storage does not answer or refuses.
    """
    if domain is not None and domain_from_folder:
        raise UsageError("choose one: a domain for all pictures, or the domain from the folder")
    if storage.is_object(str(source)):
        return _stored(str(source), domain, domain_from_folder, allow_urls)
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
            yield _foreign(entry.path)


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


def _stored(source: str, domain: str | None, domain_from_folder: bool, allow_urls: bool) -> Iterator[_Found]:
    """A folder, list or picture in object storage."""
    if not _is_text(source):
        raise UsageError(f"{printable(source)} is not UTF-8, so there is no such object")
    try:
        uri = storage.parse(source).uri
        found = None if source.endswith("/") else storage.find(uri)
        if found is None:
            return _objects(uri, storage.below(uri), domain, domain_from_folder)
    except (BadNameError, VanishedError) as error:
        raise UsageError(f"{error}: give a folder, a picture, a list or a manifest") from error
    if manifest.is_list(uri):
        return _primed(_listed(uri, domain, allow_urls))
    return iter([ImageRef(found.uri, domain, found.size, found.mtime_ns)])


def _objects(root: str, found: list[storage.Stored], domain: str | None, domain_from_folder: bool) -> Iterator[_Found]:
    """What `_walk` would find if the objects were files."""
    for uri, size, mtime_ns in found:
        *folders, name = uri.removeprefix(f"{root}/").split("/")
        if any(part.startswith(".") for part in (*folders, name)):
            continue
        if _extension(name) in EXTENSIONS:
            if "" in folders:
                yield _skip(uri, "bad_name", "has an empty part in its key, and cannot be asked for; rename it")
            else:
                label = next(iter(folders), None) if domain_from_folder else domain
                yield ImageRef(uri, label, size, mtime_ns)
        elif _extension(name) in _FOREIGN:
            yield _foreign(uri)


def _listed(path: manifest.File, domain: str | None, allow_urls: bool) -> Iterator[_Found]:
    """The entries of a list or manifest, each with its line where something is wrong."""
    rows = manifest.rows(path)
    while some := list(islice(rows, _ROWS)):
        entries = [_entry(row, path, domain, allow_urls) for row in some]
        looked = iter(storage.find_all([entry.uri for entry in entries if _is_object(entry)]))
        for row, entry in zip(some, entries, strict=True):
            found = _looked_up(entry, next(looked)) if _is_object(entry) else entry
            if isinstance(found, Skip):
                between = " " if row.fault else ": "
                found = replace(found, detail=f"line {row.line} of {path}{between}{found.detail}")
            yield found


def _entry(row: manifest.Row, path: manifest.File, domain: str | None, allow_urls: bool) -> _Found:
    """What a row names; an object is not looked at yet."""
    label = row.domain or domain
    if row.fault:
        return Skip(str(path), "bad_row", printable(row.fault))
    if label is not None and not _is_text(label):
        return Skip(str(path), "bad_row", f"its domain {printable(label)} is not UTF-8")
    if storage.is_object(row.uri):
        return _object(row.uri, label, path, allow_urls)
    if is_url(row.uri):
        return _url(row.uri, label, allow_urls)
    if isinstance(path, Path):
        return _file(_absolute(path.parent / row.uri), label)
    if row.uri.startswith("/"):
        return _skip(row.uri, "bad_row", "is a path of this machine, which a list in object storage may not name")
    scheme, bucket, key = storage.parse(path)
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(key), row.uri))
    return _object(f"{scheme}://{bucket}/{inside}", label, path, allow_urls)


def _object(uri: str, domain: str | None, path: manifest.File, allow_urls: bool) -> _Found:
    """A reference to an object that a list may name."""
    if not _is_text(uri):
        return _bad_name(uri)
    try:
        where = storage.parse(uri)
        if not allow_urls and (isinstance(path, Path) or storage.parse(path)[:2] != where[:2]):
            why = "is in a bucket other than the list, and is only asked for with --allow-urls"
            return _skip(uri, "url_refused", why)
    except ImageError as error:
        return Skip(printable(uri), error.reason, str(error))
    return ImageRef(where.uri, domain)


def _is_object(entry: _Found) -> bool:
    return isinstance(entry, ImageRef) and storage.is_object(entry.uri)


def _looked_up(entry: _Found, found: storage.Stored | ImageError) -> _Found:
    """A reference with its stamp, or why there is none."""
    if isinstance(found, ImageError):
        return Skip(entry.uri, found.reason, str(found))
    return ImageRef(found.uri, entry.domain, found.size, found.mtime_ns) if isinstance(entry, ImageRef) else entry


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


def _foreign(uri: str) -> Skip:
    return _skip(uri, "unsupported", "is of a format that is not opened here; convert it to JPEG or PNG")


def _bad_name(path: str) -> Skip:
    shown = printable(path)
    return Skip(shown, "bad_name", f"the name of {shown} is not UTF-8; rename it")
