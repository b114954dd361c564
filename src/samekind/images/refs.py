"""What a listing yields: references to pictures, and the ones that had to be left out."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture that is there, by absolute path, address in object storage, or http(s) URL.

    A link to a file keeps its own name in `uri`. `size` (bytes) and `mtime_ns` are the file's, None for a URL.
    """

    uri: str
    domain: str | None = None
    size: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    r"""A picture that cannot be used: where, why as a slug, and why as a sentence.

    Slugs are those of `errors.py`, "bad_row" for a line of a manifest that names no picture, and "crashed" for one that
    ended whatever process opened it. Bytes of a name that are no UTF-8 are written `\xff` in `uri`.
    """

    uri: str
    reason: str
    detail: str


def is_url(uri: str) -> bool:
    """Whether `uri` is an address with a scheme, rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", uri) is not None
