"""Derived files of encoding: in which folder they are kept, how much of them, and which of them go first."""

import os
from collections.abc import Container, Iterable
from pathlib import Path

from samekind.datasets import hashes
from samekind.errors import UsageError

LIMIT_GIB = 4.0  # of each store's entries together; SAMEKIND_CACHE_GIB sets another limit


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where derived files are kept: `cache`, else `$XDG_CACHE_HOME/samekind`, else `~/.cache/samekind`."""
    if cache is not None:
        return Path(cache).expanduser().absolute()
    return hashes.cache_folder()


def cache_limit() -> int:
    """Bytes that the entries of a store may take; raises UsageError when SAMEKIND_CACHE_GIB is no number."""
    told = os.environ.get("SAMEKIND_CACHE_GIB", str(LIMIT_GIB))
    try:
        gib = float(told)
        if not 0 <= gib < float("inf"):
            raise ValueError
    except ValueError as error:
        raise UsageError(f"SAMEKIND_CACHE_GIB must be a number of gibibytes such as 4, not {told!r}.") from error
    return int(gib * 2**30)


def surplus(entries: Iterable[tuple[float, int, Path]], keep: Container[object], limit: int) -> list[Path]:
    """Which entries (time of last use, bytes, path) must go for the rest to be within `limit`: longest unused first.

    Those in `keep` always stay, even where they alone are more than the limit.
    """
    known = sorted(entries)
    total, gone = sum(size for _, size, _ in known), []
    for _, size, path in known:
        if total <= limit:
            break
        if path not in keep:
            total -= size
            gone.append(path)
    return gone
