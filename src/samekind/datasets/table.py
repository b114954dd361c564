"""Labelled pictures as a table: a row for each file, with its domain and its class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from samekind.datasets.hashes import Told, hash_files


@dataclass(frozen=True)
class Table:
    """Labelled pictures below `root` (absolute), in the order of their keys.

    files: POSIX paths below `root`. domain, label: for each file its place in `domains` and in `classes`, which is one
    list for all domains. skipped: what lies there and is in no row, as {"uri", "reason", "detail"}, paths below `root`.
    levels: for each domain, how many parts of a path lead to and include the class folder (two unless told).
    """

    name: str
    root: Path
    files: tuple[str, ...]
    domain: Int[np.ndarray, " n"]
    domains: tuple[str, ...]
    label: Int[np.ndarray, " n"]
    classes: tuple[str, ...]
    skipped: tuple[dict[str, str], ...] = ()
    levels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, which are a bug of the caller's."""
        if not len(self.files) == len(self.domain) == len(self.label):
            raise ValueError(f"{len(self.files)} files, {len(self.domain)} domains and {len(self.label)} labels")

    def __len__(self) -> int:
        """Pictures."""
        return len(self.files)

    def rows(self, domain: str) -> Int[np.ndarray, " m"]:
        """The rows of one domain, in order; none for a name that the table does not have."""
        if domain not in self.domains:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.domain == self.domains.index(domain))

    def select(self, rows: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"] | Sequence[int]) -> "Table":
        """Some rows, in the order given; the lists of domains and classes stay as they are."""
        chosen = np.arange(len(self.files))[np.asarray(rows)] if len(rows) else np.zeros(0, np.int64)
        files = tuple(self.files[row] for row in chosen.tolist())
        return replace(self, files=files, domain=self.domain[chosen], label=self.label[chosen])

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """domain/class/rest of each file in the data set's own names, whatever the folders are called here.

        For a plain folder these are the files. What is decided by hash of a path is decided by these, so that a split
        does not hang on whether somebody's folder is called `Real World` or `real_world`.
        """
        levels = self.levels or (2,) * len(self.domains)
        columns = zip(self.files, self.domain.tolist(), self.label.tolist(), strict=True)
        return tuple(
            f"{self.domains[domain]}/{self.classes[label]}/{file.split('/', levels[domain])[-1]}"
            for file, domain, label in columns
        )

    def sha256(self, progress: Told | None = None) -> str:
        """The hash of the data: of the sorted lines `KEY HASH-OF-THE-CONTENT`, each with its line break.

        Contents are hashed in threads, and remembered in the cache folder by size and times. A file that cannot be read
        counts as `unreadable`. `progress` is told files done and files in all.
        """
        return data_sha256(self.keys, hash_files(self.root, self.files, progress))


def data_sha256(keys: Sequence[str], contents: Sequence[str]) -> str:
    """The hash of pictures by their keys and by the hashes of their contents; their order does not matter."""
    lines = sorted(f"{key} {content}\n" for key, content in zip(keys, contents, strict=True))
    return sha256("".join(lines).encode()).hexdigest()
