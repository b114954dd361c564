"""Why a picture could not be used: one named error per reason, each with a slug that reports carry."""

import os
import re
from typing import ClassVar

from samekind.errors import SamekindError


class ImageError(SamekindError):
    """A picture cannot be used; `reason` is a slug for machines, the message a sentence for people."""

    reason: ClassVar[str] = "corrupt"


class EmptyError(ImageError):
    """There are no bytes at all."""

    reason = "empty"


class TruncatedError(ImageError):
    """The data ends before the picture does."""

    reason = "truncated"


class UnsupportedError(ImageError):
    """The content is no picture, or of a format or kind that is not opened."""

    reason = "unsupported"


class CorruptError(ImageError):
    """The content claims to be a picture and cannot be decoded."""

    reason = "corrupt"


class TooManyPixelsError(ImageError):
    """The header announces more pixels than the limit; nothing was decoded."""

    reason = "too_many_pixels"


class TooManyBytesError(ImageError):
    """The file or download is larger than the limit; nothing was decoded."""

    reason = "too_many_bytes"


class VanishedError(ImageError):
    """The file is not there (any more)."""

    reason = "vanished"


class UnreadableError(ImageError):
    """The operating system refuses to read it, or reading failed."""

    reason = "unreadable"


class BadNameError(ImageError):
    """The name is no text: not UTF-8, too long, or with a zero byte."""

    reason = "bad_name"


class NotAFileError(ImageError):
    """A folder, pipe, socket or device where a file should be."""

    reason = "not_a_file"


class UrlRefusedError(ImageError):
    """The address is one that is never fetched, or URLs were not allowed."""

    reason = "url_refused"


class UrlFailedError(ImageError):
    """The address was tried and gave no picture."""

    reason = "url_failed"


SLUGS = frozenset(error.reason for error in ImageError.__subclasses__())


# What would move the cursor, change colours or turn the direction of the text on somebody's terminal.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(path: str) -> str:
    r"""`path` as text that can be printed and stored: bytes that are no UTF-8, and controls, come out as `\xff`."""
    try:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that no file system has made
        text = path.encode("utf-8", "backslashreplace").decode()
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
