"""SHA-256 of many files in threads, remembered on disk for as long as a file does not change."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from uuid import uuid4

Told = Callable[[int, int], None]  # files done, files in all
Stamp = tuple[int, int, int]  # size in bytes, time of modification and of change in nanoseconds

UNREADABLE = "unreadable"  # in the place of a hash
_FORMAT = "samekind hashes 1"
_AT_ONCE = 2048  # files handed to the threads together
_WHOLE_BYTES = 2**26  # a larger file is read in pieces
_RACE_NS = 2_000_000_000  # a file younger than this might change again without another time


def cache_folder() -> Path:
    """Where derived files are kept: `$XDG_CACHE_HOME/samekind`, else `~/.cache/samekind`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "samekind"


def hash_files(root: Path, files: Sequence[str], progress: Told | None = None) -> list[str]:
    """The SHA-256 of each file below `root`, in hexadecimal; `UNREADABLE` for one that cannot be read.

    What an unchanged file (size, times) had before is taken from the cache folder. That the cache cannot be read or
    written costs only time.
    """
    memo = Memo(root)
    found: list[str] = []
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for start in range(0, len(files), _AT_ONCE):
                found += pool.map(memo.of, files[start : start + _AT_ONCE])
                if progress:
                    progress(len(found), len(files))
    finally:  # also when it is interrupted: the next time goes on from there
        memo.save()
    return found


class Memo:
    """The remembered hashes of the files below one folder; safe to ask from several threads."""

    def __init__(self, root: Path) -> None:
        """Read what is remembered; a damaged memory is an empty one."""
        self.root = root
        name = sha256(os.fsencode(root.absolute())).hexdigest()[:32]
        self.file = cache_folder() / "hashes" / f"{name}.txt"
        self.known: dict[str, tuple[Stamp, str]] = {}
        with suppress(OSError, ValueError):
            self.known = _read(self.file)
        self.fresh: dict[str, tuple[Stamp, str]] = {}

    def of(self, file: str) -> str:
        """The hash of one file, remembered or new."""
        path = f"{self.root}/{file}"
        try:
            stamp = stamp_of(os.stat(path))  # noqa: PTH116 (a Path per picture costs more than the call)
            before = self.known.get(file)
            if before is not None and before[0] == stamp:
                return before[1]
            with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
                whole = stamp[0] <= _WHOLE_BYTES
                found = (sha256(stream.read()) if whole else file_digest(stream, "sha256")).hexdigest()
        except OSError:
            return UNREADABLE
        self.remember(file, stamp, found)
        return found

    def remember(self, file: str, stamp: Stamp, found: str) -> None:
        """Note the hash of a file that had `stamp` before it was read."""
        if time.time_ns() - max(stamp[1:]) > _RACE_NS and "\n" not in file:
            self.fresh[file] = stamp, found

    def save(self) -> None:
        """Write what is new, together with what another process wrote meanwhile."""
        if not self.fresh:
            return
        with suppress(OSError, ValueError):
            self.known |= _read(self.file)
        self.known |= self.fresh
        part = self.file.with_name(f".{uuid4().hex}.part")
        lines = (f"{found} {' '.join(map(str, stamp))} {file}\n" for file, (stamp, found) in self.known.items())
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(f"{_FORMAT}\n{''.join(lines)}", encoding="utf-8", newline="\n")
            part.replace(self.file)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def stamp_of(found: os.stat_result) -> Stamp:
    """What changes whenever a file's content does."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(file: Path) -> dict[str, tuple[Stamp, str]]:
    """Raises OSError where there is no such file, ValueError where it is damaged."""
    first, *lines = file.read_bytes().decode().split("\n")
    if first != _FORMAT or lines.pop() != "":
        raise ValueError(f"{file} is damaged")
    known = {}
    for line in lines:
        found, size, modified, changed, name = line.split(" ", 4)
        known[name] = (int(size), int(modified), int(changed)), found
    return known
