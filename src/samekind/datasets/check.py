"""Whether a data set is whole: what is missing, surplus, broken or there twice."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from samekind.datasets.check_files import Telling, Verdict, examine
from samekind.datasets.check_folders import Survey, survey
from samekind.datasets.declaration import Dataset
from samekind.datasets.layout import absolute
from samekind.datasets.table import Table, data_sha256
from samekind.datasets.walk import Skip, skip
from samekind.images.errors import printable


@dataclass(frozen=True, slots=True)
class Copies:
    """Files with the same content; `domains` and `classes` are those that they lie in."""

    sha256: str
    files: tuple[str, ...]
    domains: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Pictures of one domain: those there by their names, how many are broken, and what was declared, by its origin."""

    found: int
    broken: int
    classes: int
    expected: tuple[int, ...]
    origin: str


@dataclass(frozen=True)
class CheckReport:
    """What `check` found below `root`.

    missing, surplus, broken: {"uri", "reason", "detail"}, paths below the root. other: what is noted, and no fault:
    files that are no pictures, renderings that are not read, numbers that differ from remembered ones. duplicated: also
    those that the set has as published; `copies_allowed` is how many (None: any number). sha256: as `Table.sha256`.
    """

    name: str
    title: str
    root: Path
    counts: Mapping[str, Count]
    class_counts: Mapping[str, Mapping[str, int]]
    missing: tuple[Skip, ...]
    surplus: tuple[Skip, ...]
    broken: tuple[Skip, ...]
    duplicated: tuple[Copies, ...]
    other: tuple[Skip, ...]
    copies_allowed: int | None
    sha256: str
    seconds: float

    @property
    def pictures(self) -> int:
        """Picture files in class folders, broken ones too."""
        return sum(count.found for count in self.counts.values())

    @property
    def copies(self) -> int:
        """Files that repeat the content of another one."""
        return sum(len(each.files) - 1 for each in self.duplicated)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, surplus or broken, and no more is there twice than in the set as published."""
        excess = self.copies_allowed is not None and self.copies > self.copies_allowed
        return not (self.missing or self.surplus or self.broken or excess)

    def to_json(self) -> dict[str, Any]:
        """The report for machines; the place of the data is not in it."""
        return {
            "schema": 1,
            "name": self.name,
            "whole": self.whole,
            "pictures": self.pictures,
            "sha256": self.sha256,
            "domains": {name: asdict(each) for name, each in self.counts.items()},
            "classes": {name: dict(found) for name, found in self.class_counts.items()},
            "missing": list(self.missing),
            "surplus": list(self.surplus),
            "broken": list(self.broken),
            "copies": self.copies,
            "copies_allowed": self.copies_allowed,
            "duplicated": [asdict(each) for each in self.duplicated],
            "other": list(self.other),
            "seconds": round(self.seconds, 3),
        }


def check(
    dataset: Dataset, root: str | Path, *, progress: Telling | None = None, workers: int | None = None
) -> CheckReport:
    """Compare a folder with a declaration, and open every picture in it.

    `progress` is told files done, files in all, and broken ones; `workers` is the number of threads that open files.
    Raises UsageError when there is no such folder, or it holds no domain of the data set.
    """
    began = perf_counter()
    path = absolute(root)
    found = survey(dataset, path)
    verdicts = examine(path, found.table.files, progress, workers)
    unlisted = [each for each in found.table.skipped if each["reason"] in _BROKEN]
    beside = [each for each in found.table.skipped if each["reason"] not in {*_BROKEN, "no_pictures"}]
    broken = [*unlisted, *(each.fault for each in verdicts if each.fault)]
    counts, per_class = _counted(dataset, found, broken)
    short, over, noted = _differences(dataset, counts, per_class)
    return CheckReport(
        dataset.name,
        dataset.title,
        path,
        counts,
        per_class,
        _sorted([*found.missing, *short]),
        _sorted([*found.surplus, *over]),
        _sorted(broken),
        _duplicated(found.table, verdicts),
        _sorted([*found.other, *noted, *beside]),
        dataset.copies,
        data_sha256(found.table.keys, [each.content for each in verdicts]),
        perf_counter() - began,
    )


# Why the listing leaves out what should be a picture.
_BROKEN = frozenset({"empty", "vanished", "unreadable", "not_a_file", "bad_name"})


def _sorted(found: list[Skip]) -> tuple[Skip, ...]:
    return tuple(sorted(found, key=lambda each: (each["uri"], each["reason"])))


def _counted(dataset: Dataset, found: Survey, broken: list[Skip]) -> tuple[dict[str, Count], dict[str, dict[str, int]]]:
    """Picture files by domain, and by domain and class; empty and unreadable ones count, as they are there."""
    table = found.table
    numbers = {place.domain: dict.fromkeys(place.classes.values(), 0) for place in found.places}
    for domain, label in zip(table.domain.tolist(), table.label.tolist(), strict=True):
        numbers[table.domains[domain]][table.classes[label]] += 1
    listed = set(table.files)
    unsound: Counter[str] = Counter()
    for each in broken:
        if place := found.place_of(each["uri"]):
            unsound[place[0]] += 1
            numbers[place[0]][place[1]] += each["uri"] not in listed
    counts = {
        name: Count(
            sum(numbers.get(name, {}).values()),
            unsound[name],
            len(numbers.get(name, {})),
            dataset.counts.get(name, ()),
            dataset.origin("counts", name) if dataset.counts.get(name) else "",
        )
        for name in dict.fromkeys((*dataset.domains, *numbers))
    }
    return counts, numbers


def _differences(
    dataset: Dataset, counts: Mapping[str, Count], per_class: Mapping[str, Mapping[str, int]]
) -> tuple[list[Skip], list[Skip], list[Skip]]:
    """Numbers that are too small, too large, and those that only differ from what is remembered."""
    short: list[Skip] = []
    over: list[Skip] = []
    noted: list[Skip] = []
    for name, count in counts.items():
        if not count.expected or count.found in count.expected or not count.classes:
            continue
        sizes = " or ".join(f"{size:,}" for size in count.expected)
        if not dataset.certain("counts", name):
            noted.append(skip(name, "count", f"has {count.found:,} pictures, and should have {sizes} ({count.origin})"))
        else:
            into = over if count.found > max(count.expected) else short
            into.append(skip(name, "count", f"has {count.found:,} pictures, and should have {sizes}"))
    for name, expected in dataset.class_counts.items() if dataset.certain("class_counts") else ():
        for label, size in expected.items():
            number = per_class.get(name, {}).get(label)
            if number is not None and number != size:
                into = over if number > size else short
                into.append(skip(f"{name}/{label}", "count", f"has {number:,} pictures, and should have {size:,}"))
    return short, over, noted


def _duplicated(table: Table, verdicts: list[Verdict]) -> tuple[Copies, ...]:
    """Groups of files with the same content, the first file of a group deciding the order."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, verdict in enumerate(verdicts):
        if verdict.hashed:
            groups[verdict.content].append(row)
    return tuple(
        Copies(
            content,
            tuple(printable(table.files[row]) for row in rows),
            tuple(sorted({table.domains[table.domain[row]] for row in rows})),
            tuple(sorted({table.classes[table.label[row]] for row in rows})),
        )
        for content, rows in groups.items()
        if len(rows) > 1
    )
