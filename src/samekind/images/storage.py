"""Pictures in object storage, s3:// and gs://: listed and read with the user's own rights, bounded in size and time."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from samekind.images.errors import (
    BadNameError,
    EmptyError,
    ImageError,
    TooManyBytesError,
    UrlFailedError,
    VanishedError,
    printable,
)
from samekind.images.storage_client import Address, asking

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyarrow.lib import NativeFile

_URI = re.compile(r"(s3|gs)://([^/]*)/*(.*)", re.IGNORECASE | re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_LOOKS = 32  # at objects, side by side: each takes a request, most of which is waiting


class Stored(NamedTuple):
    """An object: its uri, its bytes, and when it was written."""

    uri: str
    size: int
    mtime_ns: int | None


def is_object(uri: str) -> bool:
    """Whether `uri` is an address in object storage."""
    return _URI.match(uri) is not None


def parse(uri: str) -> Address:
    """Bucket and key of an object or a folder; raises BadNameError."""
    if not (found := _URI.fullmatch(uri)):
        raise BadNameError(f"{printable(uri)} is neither s3://BUCKET/KEY nor gs://BUCKET/KEY")
    scheme, bucket, key = found[1].lower(), found[2], found[3].rstrip("/")
    if "@" in bucket:
        shown = f"{scheme}://{printable(bucket.rpartition('@')[2])}"
        raise BadNameError(f"an address in {shown} carries a user name; leave it out: credentials come from elsewhere")
    if not _BUCKET.fullmatch(bucket):
        raise BadNameError(f"{printable(uri)} has {printable(bucket)!r} where a bucket's name should be")
    # A client would drop such parts on the way, and ask for another object.
    if key and not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise BadNameError(f"{printable(uri)} has an empty part, '.' or '..' in its key, and cannot be asked for")
    return Address(scheme, bucket, key)


def find(uri: str) -> Stored | None:
    """The object, or None for a folder: a prefix that something is below. Raises ImageError, vanished for neither."""
    from pyarrow.fs import FileType

    where = parse(uri)
    with asking(where) as system:
        info = system.get_file_info(where.path)
        if info.type == FileType.NotFound:
            raise FileNotFoundError
    return None if info.type == FileType.Directory else Stored(where.uri, info.size, info.mtime_ns)


def find_all(uris: Iterable[str]) -> list[Stored | ImageError]:
    """What each object is or why it cannot be used, asked for side by side; a folder is none."""

    def look(uri: str) -> Stored | ImageError:
        try:
            return find(uri) or VanishedError(f"{printable(uri)} is a folder, not a picture")
        except ImageError as error:
            return error

    with ThreadPoolExecutor(_LOOKS, "samekind-storage") as pool:
        return list(pool.map(look, uris))


def below(uri: str) -> list[Stored]:
    """All objects of a folder in the order of their uris, whatever they are; raises ImageError."""
    from pyarrow.fs import FileSelector, FileType

    where = parse(uri)
    with asking(where) as system:
        infos = system.get_file_info(FileSelector(where.path, recursive=True))
    start = f"{where.scheme}://"
    return sorted(Stored(start + info.path, info.size, info.mtime_ns) for info in infos if info.type == FileType.File)


def read(uri: str, max_bytes: int) -> bytes:
    """All of an object, at least one byte and at most `max_bytes`; raises ImageError."""
    where = parse(uri)
    shown = printable(where.uri)
    with asking(where) as system:
        file, size = _opened(system, where)
        with file:
            if size > max_bytes:
                raise TooManyBytesError(f"{shown} has {size:,} bytes, and the limit is {max_bytes:,}")
            data = bytes(file.read(size))
    if len(data) < size:
        raise UrlFailedError(f"{shown} ended after {len(data):,} of {size:,} bytes; it may have changed meanwhile")
    if not data:
        raise EmptyError(f"{shown} is empty (0 bytes)")
    return data


def _opened(system: "FileSystem", where: Address) -> tuple["NativeFile", int]:
    """The bytes to come, and their number; raises OSError."""
    if where.scheme == "s3":
        file = system.open_input_file(where.path)
        return file, file.size()
    # A file of gs:// that can be sought in is asked for its size while pyarrow lets no other thread of Python run.
    if (size := system.get_file_info(where.path).size) is None:
        raise FileNotFoundError
    return system.open_input_stream(where.path, compression=None), size
