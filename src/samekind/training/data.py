"""The pictures of a training run: everything below each domain's folder, whatever the folders in there are called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from samekind.datasets import dataset, located, recognised
from samekind.datasets.hashes import UNREADABLE, hash_files
from samekind.datasets.layout import absolute, listed
from samekind.datasets.split import hash_split
from samekind.datasets.table import data_sha256
from samekind.datasets.walk import pictures
from samekind.errors import UsageError
from samekind.images.errors import printable
from samekind.images.refs import Skip
from samekind.retriever.kept_pictures import Pictures

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Unlabelled(Pictures):
    """What training sees, and what had to be left out."""

    skipped: tuple[Skip, ...] = ()

    def select(self, rows: Int[np.ndarray, " m"], skipped: Sequence[Skip] = ()) -> "Unlabelled":
        """Some rows in their order; `skipped` says why others are gone."""
        files, contents = (tuple(each[row] for row in rows.tolist()) for each in (self.files, self.contents))
        return replace(
            self, files=files, contents=contents, domain=self.domain[rows], skipped=(*self.skipped, *skipped)
        )

    @property
    def sha256(self) -> str:
        """The hash of the data: of the sorted lines `DOMAIN CONTENT-HASH`. Folders inside a domain play no part."""
        return data_sha256([self.domains[place] for place in self.domain.tolist()], self.contents)


def find_pictures(
    data: str | Path, domains: Sequence[str] | None = None, *, clean: bool = False, progress: Told | None = None
) -> Unlabelled:
    """All pictures of some domains, or of every folder in `data`; with `clean`, those of the split's training part.

    `data` is a folder, or a declared data set as NAME or NAME:PATH. The folder of a domain is walked at any depth and
    the folders in it mean nothing; only with `clean` the paths do, as the opaque strings that the split is drawn by.
    Raises UsageError for fewer than two domains, a domain that is not there, and one without pictures.
    """
    root = absolute(located(data)[1])
    names = _domains(root, domains)
    walked = [pictures(root, name) for name in names]
    files = [file for found in walked for file in found.files]
    domain = np.repeat(np.arange(len(names)), [len(found.files) for found in walked])
    skipped = [Skip(each["uri"], each["reason"], each["detail"]) for found in walked for each in found.skipped]
    if clean:
        kept = _training_part(data, root, files)
        files, domain = [file for file, keep in zip(files, kept, strict=True) if keep], domain[kept]
    contents = hash_files(root, files, progress)
    readable = [row for row, content in enumerate(contents) if content != UNREADABLE]
    skipped += [
        Skip(files[row], "unreadable", f"{printable(files[row])} cannot be read")
        for row, content in enumerate(contents)
        if content == UNREADABLE
    ]
    order = sorted(readable, key=lambda row: (domain[row], contents[row]))
    bare = [name for place, name in enumerate(names) if not (domain[readable] == place).any()]
    if bare:
        which = " of the split's training part" if clean else ""
        raise UsageError(f"There are no pictures{which} below {printable(str(root / bare[0]))}.")
    return Unlabelled(
        root,
        tuple(files[row] for row in order),
        tuple(contents[row] for row in order),
        domain[order],
        tuple(names),
        tuple(skipped),
    )


def _domains(root: Path, domains: Sequence[str] | None) -> list[str]:
    """The names of the domains' folders, checked."""
    there = listed(root)
    names = list(domains) if domains is not None else there
    for name in names:
        if name not in there and not (root / name).is_dir():
            raise UsageError(
                f"{root} has no domain {name!r}; it has {', '.join(map(printable, there)) or 'no folder'}."
            )
    if len(names) < 2 or len(set(names)) < len(names):
        found = ", ".join(map(printable, names)) or "none"
        raise UsageError(
            f"Adapting across domains needs two or more different ones, and here they are: {found}. Put the pictures "
            f"of each domain into a folder of its own below {root}, as in photo/ and sketch/."
        )
    return names


def _training_part(data: str | Path, root: Path, files: Sequence[str]) -> Bool[np.ndarray, " n"]:
    """Which pictures the clean profile leaves for training: by the keys that evaluation draws its split by."""
    name = located(data)[0] or recognised(root)
    keys = {}
    if name not in (None, "folder"):
        table = dataset(str(name)).read(root)
        keys = dict(zip(table.files, table.keys, strict=True))
    return hash_split([keys.get(file, file) for file in files])
