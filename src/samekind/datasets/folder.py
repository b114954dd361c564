"""Labelled pictures in folders: root/domain/class/picture, the layout that `--data` takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samekind.datasets.layout import Place, absolute, key, listed, loose, read_places
from samekind.datasets.table import Table
from samekind.datasets.walk import folders, skip
from samekind.errors import UsageError


@dataclass(frozen=True, slots=True)
class Folder:
    """The domains below `root` (absolute), in order, and the classes of each."""

    root: Path
    classes: dict[str, tuple[str, ...]]

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the first level of folders."""
        return tuple(self.classes)

    @property
    def every_class(self) -> tuple[str, ...]:
        """One list of classes for all domains, sorted."""
        return tuple(sorted({name for names in self.classes.values() for name in names}))

    def place(self, uri: str) -> tuple[str, str] | None:
        """Domain and class of a picture by its path; None for one that is elsewhere, or beside the class folders."""
        try:
            parts = Path(uri).relative_to(self.root).parts
        except ValueError:
            return None
        return (parts[0], parts[1]) if len(parts) > 2 else None


def read_folder(root: str | Path) -> Folder:
    """Look at the first two levels of folders; hidden ones do not count, and no picture is opened.

    Raises UsageError where there are not two domains with a class in common.
    """
    path = absolute(root)
    try:
        classes = {domain: tuple(folders(path / domain)) for domain in folders(path)}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be listed: {error.strerror}.") from error
    classes = {domain: names for domain, names in classes.items() if names}
    shared = [name for names in classes.values() for name in names]
    if len(shared) == len(set(shared)):
        found = ", ".join(classes) or "no domain with class folders"
        raise UsageError(
            f"{root} must hold domain/class/picture, as in photo/dog/1.jpg and sketch/dog/2.png, with a class that two "
            f"domains have in common; it has: {found}."
        )
    return Folder(path, classes)


def read_plain(root: Path, domains: Sequence[str] | None = None) -> Table:
    """The pictures of root/domain/class, with the names that the folders have; the table is called like the folder.

    Raises UsageError when a domain asked for is not there, when there are no class folders, and when domains spell a
    class differently (`Dog` and `dog`): the message names them.
    """
    every, bare = plain_places(root)
    used = [place for place in every if domains is None or place.domain in domains]
    missing = [name for name in domains or () if name not in {place.domain for place in used}]
    if missing:
        raise UsageError(f"{root} has no domain {missing[0]!r}; it has {', '.join(place.domain for place in every)}.")
    for first, there, other, elsewhere in misspelled(used):
        raise UsageError(
            f"A class is spelled differently: {first} in {', '.join(sorted(there))}, and {other} in "
            f"{', '.join(sorted(elsewhere))}. Rename the folders to one name."
        )
    left = [skip(place.folder, "surplus", "(a folder) has no class folders") for place in bare]
    left += [each for each in loose(root, [*used, *bare]) if each["reason"] == "misplaced"]
    names = sorted({name for place in used for name in place.classes})
    return read_places(root.name, root, used, names, left)


def plain_places(root: Path) -> tuple[list[Place], list[Place]]:
    """The folders that have class folders, and those that have none; raises UsageError where all have none."""
    every = [Place(name, name, {each: each for each in listed(root / name)}) for name in listed(root)]
    used = [place for place in every if place.classes]
    if not used:
        raise UsageError(
            f"{root} must hold domain/class/picture, as in photo/dog/1.jpg and sketch/dog/2.png; its folders are: "
            f"{', '.join(place.folder for place in every) or 'none'}, without folders in them."
        )
    return used, [place for place in every if not place.classes]


def misspelled(used: Sequence[Place]) -> list[tuple[str, set[str], str, set[str]]]:
    """Names that differ by case or punctuation alone, each with its domains: probably one class.

    Where some domain has both of them they are two classes.
    """
    spelled: dict[str, dict[str, set[str]]] = {}
    for place in used:
        for name in place.classes:
            spelled.setdefault(key(name), {}).setdefault(name, set()).add(place.domain)
    found = []
    for variants in spelled.values():
        (first, there), *others = variants.items()
        found += [(first, there, other, elsewhere) for other, elsewhere in others if not there & elsewhere]
    return found
