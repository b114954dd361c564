"""Every picture opened and hashed, in threads, each file read once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from samekind.datasets.hashes import UNREADABLE, Memo, stamp_of
from samekind.datasets.walk import Skip, skip
from samekind.images.decode import decode, read
from samekind.images.errors import ImageError

Telling = Callable[[int, int, int], None]  # files done, files in all, broken ones

_AT_ONCE = 256  # files between two calls of `progress`
_SIDE = 16  # pixels: JPEGs are decoded to the last byte, and reduced, which is quicker


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file's content is: its SHA-256 (`UNREADABLE` for none), and why it is no picture, None for a sound one."""

    content: str
    fault: Skip | None = None

    @property
    def hashed(self) -> bool:
        """Whether the content could be read."""
        return self.content != UNREADABLE


def examine(
    root: Path, files: Sequence[str], progress: Telling | None = None, workers: int | None = None
) -> list[Verdict]:
    """The verdict on each file below `root`, in order; hashes are remembered for `Table.sha256`."""
    memo = Memo(root)
    found: list[Verdict] = []
    broken = 0
    try:
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
            for start in range(0, len(files), _AT_ONCE):
                more = list(pool.map(partial(_examined, root, memo), files[start : start + _AT_ONCE]))
                found += more
                broken += sum(each.fault is not None for each in more)
                if progress:
                    progress(len(found), len(files), broken)
    finally:  # also when it is interrupted: the next time goes on from there
        memo.save()
    return found


def _examined(root: Path, memo: Memo, file: str) -> Verdict:
    path = f"{root}/{file}"
    content = UNREADABLE
    try:
        stamp = stamp_of(os.stat(path))  # noqa: PTH116 (a Path per picture costs more than the call)
        data = read(path)
        content = sha256(data).hexdigest()
        memo.remember(file, stamp, content)
        decode(data, target=_SIDE)
    except ImageError as error:
        return Verdict(content, skip(file, error.reason, _sentence(root, str(error))))
    except OSError as error:
        return Verdict(content, skip(file, "unreadable", f"cannot be read: {error.strerror}"))
    return Verdict(content)


def _sentence(root: Path, told: str) -> str:
    """The decoder's words without the file's place, which stands before them."""
    return told.replace(f"{root}/", "")
