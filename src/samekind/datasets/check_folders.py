"""The folders of a data set against its declaration: domains and classes that lack, or that nobody knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samekind.datasets.declaration import Dataset
from samekind.datasets.folder import misspelled, plain_places
from samekind.datasets.layout import Place, loose, surplus, tabulate
from samekind.datasets.table import Table
from samekind.datasets.walk import Skip, pictures, skip


@dataclass
class Survey:
    """The folders that are read, the pictures in them, and what is wrong with the folders."""

    places: list[Place]
    table: Table
    missing: list[Skip] = field(default_factory=list)
    surplus: list[Skip] = field(default_factory=list)
    other: list[Skip] = field(default_factory=list)

    def place_of(self, uri: str) -> tuple[str, str] | None:
        """Domain and class of a path below the root by its folders; None for one that lies elsewhere."""
        for place in self.places:
            if uri.startswith(f"{place.folder}/"):
                folder, slash, _ = uri[len(place.folder) + 1 :].partition("/")
                label = place.classes.get(folder)
                return (place.domain, label) if slash and label else None
        return None


def survey(dataset: Dataset, root: Path) -> Survey:
    """Find the domains and classes, and list the pictures; raises UsageError where no domain is found."""
    if dataset.classes is None:
        return _plain(root)
    found = dataset.places(root)
    dataset.refuse_absent(root, found, None)
    used = [found[name][0] for name in dataset.domains if name in found]
    told = Survey(used, tabulate(dataset.name, root, used, dataset.classes, ()))
    told.missing += [
        skip(name, "no_domain", f"(a domain) is not there: no folder {' or '.join(dataset.domains[name])}")
        for name in dataset.domains
        if name not in found
    ]
    for place in used:
        _classes(told, place, [name for name in dataset.classes if name not in place.classes.values()], root)
        _others(told, found[place.domain], dataset, root)
    every = [place for several in found.values() for place in several]
    _strange(told, root, surplus(root, every), f"(a folder) is no domain of {dataset.title}")
    _beside(told, root, used)
    return told


def _plain(root: Path) -> Survey:
    """A folder of the user's own: its domains should have the same classes, under the same names."""
    used, bare = plain_places(root)
    names = sorted({name for place in used for name in place.classes})
    told = Survey(used, tabulate(root.name, root, used, names, ()))
    variants = misspelled(used)
    told.surplus += [
        skip(f"{domain}/{other}", "spelling", f"is spelled {first} in {', '.join(sorted(there))}; use one name")
        for first, there, other, elsewhere in variants
        for domain in sorted(elsewhere)
    ]
    spelled = {name for first, _, other, _ in variants for name in (first, other)}
    for place in used:
        _classes(told, place, [name for name in names if name not in place.classes and name not in spelled], root)
    _strange(told, root, [place.folder for place in bare], "(a folder) has no class folders")
    _beside(told, root, [*used, *bare])
    return told


def _classes(told: Survey, place: Place, missing: Sequence[str], root: Path) -> None:
    """Classes that a domain lacks, has twice, or has and nobody knows."""
    told.missing += [
        skip(f"{place.folder}/{name}", "no_class", "(a class) is not there, or not under this name") for name in missing
    ]
    present = {f"{told.table.domains[d]}/{told.table.classes[c]}" for d, c in _pairs(told.table)}
    told.missing += [
        skip(f"{place.folder}/{folder}", "no_pictures", "(a class) has no pictures that can be used")
        for folder, name in place.classes.items()
        if f"{place.domain}/{name}" not in present
    ]
    told.surplus += [
        skip(f"{place.folder}/{folder}", "class_twice", f"is the class {name}, as {folders[0]} is; put them together")
        for name, folders in place.twice.items()
        for folder in folders[1:]
    ]
    _strange(told, root, [f"{place.folder}/{folder}" for folder in place.unknown], "(a folder) is no class of the set")


def _pairs(table: Table) -> set[tuple[int, int]]:
    return set(zip(table.domain.tolist(), table.label.tolist(), strict=True))


def _others(told: Survey, several: Sequence[Place], dataset: Dataset, root: Path) -> None:
    """Further folders of one domain: renderings are noted, anything else is one too many."""
    for other in several[1:]:
        if dataset.renderings:
            why = f"(a folder) is another rendering of {several[0].folder}, which is read"
            told.other.append(skip(other.folder, "other_rendering", why))
        else:
            why = f"(a folder) is the domain {other.domain}, as {several[0].folder} is; remove one of them"
            told.surplus.append(skip(other.folder, "domain_twice", why))


def _strange(told: Survey, root: Path, folders: Sequence[str], why: str) -> None:
    """Folders that nobody knows: surplus when they have pictures, noted when they have none."""
    for folder in folders:
        number = len(pictures(root, folder).files)
        if number:
            told.surplus.append(skip(folder, "unknown_folder", f"{why}; it has {number:,} pictures"))
        else:
            told.other.append(skip(folder, "unknown_folder", f"{why}; it has no pictures"))


def _beside(told: Survey, root: Path, used: Sequence[Place]) -> None:
    """Files beside the folders: pictures are surplus, others noted."""
    kinds: Mapping[bool, list[Skip]] = {True: told.surplus, False: told.other}
    for each in loose(root, used):
        kinds[each["reason"] == "misplaced"].append(each)
