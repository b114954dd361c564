"""Where a gallery is: a folder of this machine, or a prefix in object storage that is used like one."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samekind.errors import SamekindError, UsageError
from samekind.images import storage, storage_client
from samekind.images.errors import ImageError, UnreadableError, VanishedError
from samekind.images.storage_client import (
    CREDENTIALS,
    ENDPOINT,
    Address,
    asking,
    endpoint,
    has_google_credentials,
    region,
)

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class Prefix:
    """A prefix in object storage, by the names that pathlib has for folders; it is asked only when it is used.

    What it raises: FileNotFoundError as a folder does, and SamekindError for everything else, with what to do.
    """

    gallery: Address
    below: str = ""

    def __str__(self) -> str:
        return f"{self.gallery.uri}/{self.below}".rstrip("/")

    def __truediv__(self, name: str) -> "Prefix":
        return Prefix(self.gallery, f"{self.below}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        """The last part of its key, or its bucket."""
        return str(self).rpartition("/")[2]

    @property
    def parent(self) -> "Prefix":
        """What it is directly below, within its gallery."""
        return Prefix(self.gallery, self.below.rpartition("/")[0])

    @property
    def address(self) -> Address:
        """As the storage has it."""
        return storage.parse(str(self))

    def exists(self) -> bool:
        """Whether there is an object, or anything below."""
        from pyarrow.fs import FileType

        with _asking(self) as system:
            return bool(system.get_file_info(self.address.path).type != FileType.NotFound)

    def is_file(self) -> bool:
        """Whether there is an object."""
        from pyarrow.fs import FileType

        with _asking(self) as system:
            return bool(system.get_file_info(self.address.path).type == FileType.File)

    def mtime_ns(self) -> int | None:
        """When an object was written, by the storage's clock; None where there is none."""
        with _asking(self) as system:
            found: int | None = system.get_file_info(self.address.path).mtime_ns
        return found

    def names(self) -> list[str]:
        """What lies directly below, sorted; nothing where there is nothing."""
        from pyarrow.fs import FileSelector

        with _asking(self) as system:
            infos = system.get_file_info(FileSelector(self.address.path, allow_not_found=True))
        return sorted(info.base_name for info in infos)

    def read_bytes(self) -> bytes:
        """All of an object."""
        with _asking(self) as system, system.open_input_stream(self.address.path, compression=None) as file:
            return bytes(file.read())

    def write_bytes(self, data: bytes) -> None:
        """Put an object, whole or not at all."""
        with _asking(self) as system, system.open_output_stream(self.address.path, compression=None) as file:
            file.write(data)

    def remove(self) -> None:
        """Delete all that is below, where there is anything."""
        if self.exists():
            with _asking(self) as system:
                system.delete_dir(self.address.path)

    def options(self) -> dict[str, str]:
        """How Lance asks it: as we do. Credentials it takes from the same places by itself.

        Raises SamekindError where Amazon does not say where the bucket is.
        """
        end, patience = endpoint(self.gallery.scheme), storage_client.PATIENCE
        told = {"client_max_retries": str(patience.tries - 1), "client_retry_timeout": f"{patience.total:.0f}"}
        if self.gallery.scheme == "gs":
            if end:  # an emulator; Lance asks for a token before it puts, whatever it is told of signatures
                return told | {"google_base_url": end, "allow_http": "true", "google_storage_token": "none"}
            return told if has_google_credentials() else told | {"google_skip_signature": "true"}
        if end is None:
            with _asking(self):
                where = region(self.gallery.bucket)
            return told | ({"aws_region": where} if where else {})
        known = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return told | {"aws_endpoint": end, "aws_region": known, "allow_http": str(end.startswith("http:")).lower()}


Place = Path | Prefix


def place_of(where: str | Path | Prefix) -> Place:
    """A folder as an absolute path, or the prefix that an s3:// or gs:// address names; raises UsageError."""
    if isinstance(where, Prefix):
        return where
    if isinstance(where, str) and storage.is_object(where):
        try:
            found = storage.parse(where)
        except ImageError as error:
            raise UsageError(f"{error}. A gallery is at s3://BUCKET/FOLDER or gs://BUCKET/FOLDER.") from error
        if not found.key:
            raise UsageError(
                f"{where} is a whole bucket; give the gallery a folder in it, such as {found.uri}/gallery."
            )
        return Prefix(found)
    return Path(os.path.abspath(Path(where).expanduser()))  # noqa: PTH100 (resolve() would follow links)


def names(place: Place) -> list[str]:
    """What lies directly below a place, sorted. Raises OSError for a folder that cannot be listed."""
    return place.names() if isinstance(place, Prefix) else sorted(entry.name for entry in place.iterdir())


def write_atomically(path: Place, data: bytes) -> None:
    """Replace the content of `path` by `data`: readers see the old or the new, also after a crash."""
    if isinstance(path, Prefix):
        path.write_bytes(data)
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    # There is no way to ask without setting; a thread that creates a file in between gets the usual 022.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextmanager
def _asking(where: Prefix) -> "Iterator[FileSystem]":
    """What the storage is asked by; what it refuses is told of the gallery."""
    try:
        with asking(where.address) as system:
            yield system
    except VanishedError as error:
        if "no bucket" in str(error):
            raise no_bucket(where) from error
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(where)) from error
    except UnreadableError as error:
        raise refused(where, str(error).partition(f". {CREDENTIALS[where.gallery.scheme]}")[0]) from error
    except ImageError as error:
        raise unreached(where, str(error).partition(f". {ENDPOINT[where.gallery.scheme]}")[0]) from error


def no_bucket(where: Prefix) -> SamekindError:
    """The refusal of a gallery in a bucket that is none."""
    return SamekindError(
        f"The gallery {where.gallery.uri} cannot be used: there is no bucket {where.gallery.bucket}. Make it first, or "
        f"correct the name{' or AWS_ENDPOINT_URL' if where.gallery.scheme == 's3' else ''}."
    )


def refused(where: Prefix, detail: str) -> SamekindError:
    """The refusal of a gallery that these credentials may not use."""
    return SamekindError(
        f"The gallery {where.gallery.uri} may not be used ({detail}). {CREDENTIALS[where.gallery.scheme]}: are they "
        "there, valid, and allowed to list and read it, and to write and delete in it for indexing?"
    )


def unreached(where: Prefix, detail: str) -> SamekindError:
    """The refusal to go on where the storage does not answer."""
    return SamekindError(
        f"The storage of the gallery {where.gallery.uri} has not answered ({detail}). "
        f"{ENDPOINT[where.gallery.scheme]} What was reported as done is in the gallery: run the same command again."
    )
