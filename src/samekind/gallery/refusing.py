"""What the operating system, Lance and object storage raise, as errors that name the gallery and say what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from samekind.errors import SamekindError
from samekind.gallery.place import Place, Prefix, no_bucket, refused, unreached
from samekind.gallery.schema import damaged
from samekind.images.errors import printable

_REFUSED = re.compile(
    r"status(?: code)?: 40[13]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken"
    r"|lacked the necessary privileges|lacked valid authentication|PermissionDenied|Unauthenticated"
    r"|Failed to get \w+ credentials|performing token request"
)
_NO_BUCKET = re.compile(r"NoSuchBucket|The specified bucket does not exist")
_UNREACHED = re.compile(
    r"status(?: code)?: (?:5\d\d|429)|error sending request|kind: (?:Connect|Timeout)|HttpError|dispatch failure"
    r"|timed? ?out|Connection refused|connection (?:closed|reset)|after \d+ retries|Too many concurrent writers"
)

_SAID = re.compile(r"(?<=<Message>)[^<]+|Failed to get AWS credentials|Connection refused|dns error|(?<=<Code>)[^<]+")


@contextmanager
def refusals(folder: Place) -> Iterator[None]:
    """Turn what the operating system and Lance raise into a SamekindError that says what to do."""
    try:
        yield
    except SamekindError:
        raise
    except (OSError, RuntimeError) as error:
        raise storage_trouble(folder, error) or _refusal(folder, error) from error


def _refusal(folder: Place, error: Exception) -> SamekindError:
    code = error.errno if isinstance(error, OSError) else None
    if code is None and (found := re.search(r"\(os error (\d+)\)", str(error))):
        code = int(found[1])
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SamekindError(
            f"There is no space left for the gallery {folder}. Nothing is half-written: what was reported as done is "
            "in it. Free some space, then run the same command again."
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SamekindError(
            f"The gallery {folder} may not be written to or read by this user. Change its permissions, "
            "or choose another folder with --gallery."
        )
    if code not in (None, errno.ENOENT):
        return SamekindError(
            f"The gallery {folder} cannot be used: {os.strerror(code)}. Check the disk, then try again."
        )
    lines = str(error).removeprefix("lance error: ").split(", /")[0].splitlines()
    return damaged(folder, lines[0][:200] if lines else type(error).__name__)


def overtaken(folder: Place) -> SamekindError:
    """The refusal to go on writing to a gallery in object storage that another process writes to by now."""
    return SamekindError(
        f"Another process writes to the gallery {folder} by now: it took over, as nothing had been heard of this one "
        "for a while (was it stopped, or its network?). What was reported as done is in the gallery. When the other "
        "has ended, run the same command again."
    )


def storage_trouble(folder: Place, error: Exception) -> SamekindError | None:
    """What Lance says of object storage; None for everything else."""
    if not isinstance(folder, Prefix):
        return None
    if "Incompatible transaction" in str(error):  # with the restoration of `fence`
        return overtaken(folder)
    text = str(error)
    said = _SAID.search(text)
    short = printable(said[0] if said else " ".join(text.split()))[:200]
    if _NO_BUCKET.search(text):
        return no_bucket(folder)
    if _REFUSED.search(text):
        return refused(folder, short)
    return unreached(folder, short) if _UNREACHED.search(text) else None
