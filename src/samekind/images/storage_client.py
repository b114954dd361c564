"""How object storage is asked: with whose rights, at which endpoint, for how long, and what its errors mean."""

import atexit
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from samekind.images.errors import ImageError, UnreadableError, UrlFailedError, VanishedError, printable

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|TOKEN|CLIENT_ID|EXPIRED|CREDENTIALS|UNAUTHENTICATED|PERMISSION_DENIED"
    r"|OAuth2|HTTP (?:status|response code) 40[13]",
)
_UNREACHED = re.compile(
    r"NETWORK_CONNECTION|CURL error|UNAVAILABLE|TIMEOUT|SLOW_DOWN|THROTTLING|INTERNAL_FAILURE|INTERNAL_ERROR"
    r"|HTTP (?:status|response code) 5\d\d",
)
_GOOGLE_METADATA = "metadata.google.internal"  # a name that is known on Google's machines alone


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a connection and for the next bytes, tries of a request, seconds for all of them (gs:// alone).

    After `failures` requests in a row that the storage did not answer, none is made for `pause` seconds: each would
    take all of its tries, and a run may have a million pictures to ask for.
    """

    connect: float = 5.0
    read: float = 10.0
    tries: int = 4
    total: float = 30.0
    failures: int = 5
    pause: float = 30.0


PATIENCE = Patience()


class Address(NamedTuple):
    """Bucket and key. A uri has both as they are, as the tools of these services write them: nothing is unescaped."""

    scheme: str
    bucket: str
    key: str

    @property
    def path(self) -> str:
        """As pyarrow has it."""
        return f"{self.bucket}/{self.key}".rstrip("/")

    @property
    def uri(self) -> str:
        """The one way to write it, without a slash at its end."""
        return f"{self.scheme}://{self.path}"


@contextmanager
def asking(where: Address) -> Iterator["FileSystem"]:
    """What a bucket is asked by; its client's errors become ours."""
    from pyarrow.lib import ArrowException

    shown = printable(where.uri)
    outage.check(where, shown)
    try:
        yield client(where.scheme, where.bucket, endpoint(where.scheme), PATIENCE)
        outage.over(where)
    except FileNotFoundError as error:
        outage.over(where)
        raise VanishedError(f"{shown} is not there (any more)") from error
    except ImageError:
        raise
    except (OSError, ArrowException) as error:
        named = _named(where, shown, str(error))
        if isinstance(named, UrlFailedError):
            outage.failed(where)
        raise named from error


def _named(where: Address, shown: str, text: str) -> ImageError:
    """What the client says, which is long, as an error that says what to do."""
    found = re.search(r"AWS Error (.*)|last message of (.*?) error_info", text, re.DOTALL)
    detail = printable((found[1] or found[2]) if found else text)[:300]
    if text.startswith("No such file or directory"):  # what gs:// says of a folder with nothing in it
        return VanishedError(f"there is nothing at {shown}")
    if "NO_SUCH_BUCKET" in text:
        return VanishedError(f"there is no bucket {where.bucket} ({where.scheme}://)")
    if _REFUSED.search(text):
        return UnreadableError(
            f"{shown} may not be read ({detail}). {CREDENTIALS[where.scheme]}: are they there, valid, and "
            "allowed to list and read it?"
        )
    if _UNREACHED.search(text):
        return UrlFailedError(f"{shown} was not answered for ({detail}). {ENDPOINT[where.scheme]}")
    return UnreadableError(f"{shown} cannot be read: {detail}")


CREDENTIALS = {
    "s3": "Credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN, if they are "
    "temporary), or from ~/.aws by AWS_PROFILE",
    "gs": "Credentials are taken from the file that GOOGLE_APPLICATION_CREDENTIALS names, or from `gcloud auth "
    "application-default login`",
}
ENDPOINT = {
    "s3": "Is the network up? Storage that is not Amazon's is named by AWS_ENDPOINT_URL, such as http://localhost:9000.",
    "gs": "Is the network up?",
}


class Outage:
    """Which storages have not answered lately; for threads."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], int] = {}
        self._until: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Ask again whatever was."""
        with self._lock:
            self._failures.clear()
            self._until.clear()

    def check(self, where: Address, shown: str) -> None:
        """Raises UrlFailedError while there is no use in asking."""
        with self._lock:
            until = self._until.get(where[:2], 0.0)
        if time.monotonic() < until:
            raise UrlFailedError(f"{shown} was not asked for: the storage has not answered {PATIENCE.failures} times")

    def failed(self, where: Address) -> None:
        """One more request in a row has failed."""
        with self._lock:
            self._failures[where[:2]] = self._failures.get(where[:2], 0) + 1
            if self._failures[where[:2]] >= PATIENCE.failures:
                self._until[where[:2]] = time.monotonic() + PATIENCE.pause

    def over(self, where: Address) -> None:
        """It has answered."""
        with self._lock:
            self._failures.pop(where[:2], None)
            self._until.pop(where[:2], None)


outage = Outage()


def endpoint(scheme: str) -> str | None:
    """Where the storage is, if not at Amazon's or Google's. pyarrow itself does not look at these for a file system."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if scheme == "s3" else ("STORAGE_EMULATOR_HOST",)
    return next((value for name in names if (value := os.environ.get(name))), None)


@lru_cache(maxsize=64)
def client(scheme: str, bucket: str, end: str | None, patience: Patience) -> "FileSystem":
    """The client for a bucket, which keeps its connections; raises OSError."""
    import pyarrow.fs

    # One that outlives the client library's own end, which is at exit too, can hold the process forever (pyarrow 24).
    atexit.register(client.cache_clear)
    if scheme == "s3":
        return pyarrow.fs.S3FileSystem(
            endpoint_override=end,
            region=None if end else region(bucket),
            connect_timeout=patience.connect,
            request_timeout=patience.read,
            allow_delayed_open=True,  # what is small is put by one request
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=patience.tries),
        )
    protocol, _, host = (end or "").rpartition("://")
    return pyarrow.fs.GcsFileSystem(
        anonymous=bool(end) or not has_google_credentials(),
        scheme=(protocol or "http") if end else None,
        endpoint_override=host or None,
        retry_time_limit=timedelta(seconds=patience.total),
    )


@lru_cache(maxsize=64)
def region(bucket: str) -> str | None:
    """Where Amazon has a bucket; what the environment says if that cannot be found out. Raises OSError."""
    from pyarrow.fs import resolve_s3_region

    try:
        return str(resolve_s3_region(bucket))
    except FileNotFoundError:
        raise
    except OSError:
        if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
            return region
        raise


def has_google_credentials() -> bool:
    """Whether there are any; without, the client would ask for some in vain, and public buckets need none."""
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return True
    if Path("~/.config/gcloud/application_default_credentials.json").expanduser().exists():
        return True
    try:
        socket.getaddrinfo(_GOOGLE_METADATA, 80)
    except OSError:
        return False
    return True
