"""Which folder holds which domain and class, whatever its spelling; and how folders become a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samekind.datasets.table import Table
from samekind.datasets.walk import Skip, beside, folders, pictures, skip
from samekind.errors import UsageError
from samekind.images.errors import printable


def key(name: str) -> str:
    """A name by its letters and digits alone: `Real World`, `real_world` and `RealWorld` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name


@dataclass(frozen=True)
class Place:
    """The folder of one domain, below the root: which of its folders is which class, and those that are none."""

    domain: str
    folder: str
    classes: Mapping[str, str]
    unknown: tuple[str, ...] = ()

    @property
    def twice(self) -> dict[str, list[str]]:
        """Classes that more than one folder stands for."""
        named: dict[str, list[str]] = {}
        for folder, name in self.classes.items():
            named.setdefault(name, []).append(folder)
        return {name: several for name, several in named.items() if len(several) > 1}


def absolute(root: str | Path) -> Path:
    """The folder without detours; raises UsageError when there is none."""
    path = Path(root).expanduser().absolute()
    path = path.resolve() if ".." in path.parts else path
    if not path.is_dir():
        raise UsageError(f"There is no folder {printable(str(root))}.")
    return path


def places(
    root: Path, domains: Mapping[str, Sequence[str]], class_of: Callable[[str], str | None]
) -> dict[str, list[Place]]:
    """For each domain the folders that may hold it, the most usual first; domains without one are left out.

    A folder counts when one of its folders is a class. Where none does, the first that has folders at all is named, so
    that what is wrong with it can be told. Raises UsageError for a folder that cannot be listed.
    """
    found: dict[str, list[Place]] = {}
    for domain, accepted in domains.items():
        matches = list(dict.fromkeys(match for path in accepted for match in _matches(root, path)))
        seen = [_place(root, domain, match, class_of) for match in matches]
        good = [place for place in seen if place.classes] or [place for place in seen if place.unknown][:1]
        if good:
            found[domain] = good
    return found


def _matches(root: Path, path: str) -> list[str]:
    """Folders below the root whose path has the same letters and digits."""
    heads = [""]
    for part in path.split("/"):
        heads = [
            f"{head}/{name}" if head else name
            for head in heads
            for name in listed(root / head)
            if key(name) == key(part)
        ]
    return heads


def _place(root: Path, domain: str, folder: str, class_of: Callable[[str], str | None]) -> Place:
    names = {name: class_of(name) for name in listed(root / folder)}
    classes = {name: label for name, label in names.items() if label is not None}
    return Place(domain, folder, classes, tuple(name for name, label in names.items() if label is None))


def listed(path: Path) -> list[str]:
    """The folders in a folder; raises UsageError when they cannot be listed."""
    try:
        return folders(path)
    except OSError as error:
        raise UsageError(f"{printable(str(path))} cannot be listed: {error.strerror}.") from error


def surplus(root: Path, used: Iterable[Place]) -> list[str]:
    """Folders on the way to the used ones that lead to none of them, as paths below the root."""
    paths = [place.folder for place in used]
    heads = {""} | {"/".join(path.split("/")[:n]) for path in paths for n in range(1, path.count("/") + 1)}
    found = [f"{head}/{name}" if head else name for head in sorted(heads) for name in listed(root / head)]
    return [folder for folder in found if folder not in heads and folder not in paths]


def loose(root: Path, used: Iterable[Place]) -> list[Skip]:
    """Files beside the folders of domains and classes; raises UsageError for a folder that cannot be listed."""
    try:
        return [each for folder in ["", *(place.folder for place in used)] for each in beside(root, folder)]
    except OSError as error:
        raise UsageError(f"{printable(str(error.filename))} cannot be listed: {error.strerror}.") from error


def read_places(name: str, root: Path, used: Sequence[Place], order: Sequence[str], skipped: Iterable[Skip]) -> Table:
    """As `tabulate`; raises UsageError where there is no picture at all, or none in one of the domains."""
    table = tabulate(name, root, used, order, skipped)
    if not len(table):
        raise UsageError(f"There are no pictures in the class folders of {printable(str(root))}.")
    bare = [place.folder for place in used if place.domain not in table.domains]
    if bare:
        raise UsageError(
            f"There are no pictures in the class folders of {', '.join(map(printable, bare))}: remove what is no "
            "domain of these data, or fill it."
        )
    return table


def tabulate(name: str, root: Path, used: Sequence[Place], order: Sequence[str], skipped: Iterable[Skip]) -> Table:
    """The pictures of all class folders as a table; classes stand in the order of `order`.

    Domains and classes without a picture are in no list of the table, but their folders are in `skipped`.
    """
    rows: list[tuple[str, str, str, str]] = []  # key, file, domain, class
    left = list(skipped)
    for place in used:
        for folder, label in place.classes.items():
            where = f"{place.folder}/{folder}"
            found = pictures(root, where)
            left += found.skipped
            if not found.files:
                left.append(skip(where, "no_pictures", "(a folder) has no pictures that can be used"))
            head = f"{place.domain}/{label}"
            rows += [(head + file[len(where) :], file, place.domain, label) for file in found.files]
    rows.sort()
    present = {(row[2], row[3]) for row in rows}
    classes = tuple(label for label in order if label in {label for _, label in present})
    filled = [place for place in used if place.domain in {domain for domain, _ in present}]
    domains = tuple(place.domain for place in filled)
    return Table(
        name,
        root,
        tuple(row[1] for row in rows),
        _numbers([row[2] for row in rows], domains),
        domains,
        _numbers([row[3] for row in rows], classes),
        classes,
        tuple(left),
        tuple(place.folder.count("/") + 2 for place in filled),
    )


def _numbers(values: Sequence[str], names: Sequence[str]) -> np.ndarray:
    places = {name: n for n, name in enumerate(names)}
    return np.fromiter((places[value] for value in values), np.int64, len(values))
