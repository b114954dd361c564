"""Pictures by content and domain; one of them prepared, or why it is lost in words that hold under any name."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from samekind.images.decode import decode, read
from samekind.images.errors import ImageError, printable
from samekind.images.preprocess import Preprocess
from samekind.images.refs import Skip

# Reasons that say nothing about the content: the same bytes may be opened another time, or under another name.
PASSING = frozenset({"unreadable", "vanished", "not_a_file", "bad_name", "failed"})


@dataclass(frozen=True)
class Pictures:
    """Pictures below `root` by domain, ordered by domain and by the hash of their content, never by name.

    files: POSIX paths below `root`, for opening alone. contents: their SHA-256. domain: places in `domains`.
    """

    root: Path
    files: tuple[str, ...]
    contents: tuple[str, ...]
    domain: Int[np.ndarray, " n"]
    domains: tuple[str, ...]

    def __len__(self) -> int:
        """Pictures."""
        return len(self.files)

    def rows(self, place: int) -> Int[np.ndarray, " m"]:
        """The rows of the domain at this place."""
        return np.flatnonzero(self.domain == place)


@dataclass(frozen=True, slots=True)
class Lost:
    """A picture that cannot be opened: why as a slug, and the sentence that does, without the file's name."""

    reason: str
    tail: str

    @property
    def passing(self) -> bool:
        """Whether it may be opened another time."""
        return self.reason in PASSING

    def skip(self, file: str) -> Skip:
        """The same of the file that has this content now."""
        return Skip(file, self.reason, f"{printable(file)}{self.tail}")


def prepared(data: Pictures, row: int, preprocess: Preprocess) -> "UInt8[np.ndarray, 'h w 3'] | Lost":
    """The pixels of a picture. A file that is not what was hashed is lost: nothing is kept under a wrong hash."""
    path = str(data.root / data.files[row])
    try:
        found = read(path)
    except ImageError as error:
        return Lost(error.reason, _tail(str(error), printable(path)))
    if sha256(found).hexdigest() != data.contents[row]:
        return Lost("vanished", " has changed since this run began")
    try:
        pixels: UInt8[np.ndarray, "h w 3"] = preprocess.pixels(decode(found, target=preprocess.target).image)
    except ImageError as error:
        return Lost(error.reason, f": {error}")
    except Exception as error:  # a shape or a mode that nobody thought of
        return Lost("failed", f" cannot be prepared: {type(error).__name__}: {error}")
    return pixels


def _tail(sentence: str, name: str) -> str:
    return sentence.removeprefix(name) if sentence.startswith(name) else f": {sentence}"
