"""What is known about a data set, as facts; and how a folder that holds it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from samekind.datasets.folder import read_plain
from samekind.datasets.layout import Place, absolute, key, listed, loose, places, read_places, surplus
from samekind.datasets.table import Table
from samekind.datasets.walk import Skip, skip
from samekind.errors import UsageError

MEMORY = "from memory"


def names(text: str) -> tuple[str, ...]:
    """The words of a text: how declarations write long lists of classes."""
    return tuple(text.split())


@dataclass(frozen=True)
class Archive:
    """A file to download: its name, and its bytes and SHA-256 where they are known for certain."""

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set as facts.

    domains: its own name for each domain, and the folders below the root that may hold it, the most usual first; names
    are compared by their letters and digits, so `Real World` is `real_world`. renderings: several folders of a domain
    may lie side by side, of which the first is read; otherwise two are refused. classes: one list for all domains, None
    for any. class_aliases: spellings that differ by more than case and punctuation, each with its class.
    counts: pictures of each domain, one number for each edition of the set. class_counts: of each class in each domain.
    copies: how many files repeat the content of another one in the set as published, None where some do and nobody
    counted. class_splits: lists of classes in their published order, with `split_hashes` to hold them still.
    known: for each field of facts where it is from (`counts.photo`: for one domain); what begins with "from memory", or
    is not named, was never checked.
    """

    name: str
    title: str
    citation: str
    licence: str
    source: str
    layout: str
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renderings: bool = False
    classes: tuple[str, ...] | None = None
    class_aliases: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    class_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    copies: int | None = 0
    archives: tuple[Archive, ...] = ()
    class_splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split_hashes: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def origin(self, facts: str, domain: str = "") -> str:
        """Where a field is from, perhaps for one domain: "read in ...", "measured on ...", "from memory ..."."""
        return self.known.get(f"{facts}.{domain}", self.known.get(facts, MEMORY))

    def certain(self, facts: str, domain: str = "") -> bool:
        """Whether a field was read or measured, rather than remembered."""
        return not self.origin(facts, domain).startswith(MEMORY)

    def class_of(self, folder: str) -> str | None:
        """The class that a folder's name stands for, whatever its case and punctuation; None for no class."""
        return folder if self.classes is None else self._spellings.get(key(folder))

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        aliases = {key(other): name for other, name in self.class_aliases.items()}
        return aliases | {key(name): name for name in self.classes or ()}

    def places(self, root: Path) -> dict[str, list[Place]]:
        """For each domain that is there, the folders that may hold it; raises UsageError when one cannot be listed."""
        return places(root, self.domains, self.class_of)

    def fits(self, root: Path) -> bool:
        """Whether a folder has exactly these domains, with all of the classes or with those of one split.

        Further folders do not matter as long as they have no folders, so that they can be no domains.
        """
        if self.classes is None:
            return False
        found = self.places(root)
        every = [place for several in found.values() for place in several]
        if found.keys() != self.domains.keys() or any(place.unknown or place.twice for place in every):
            return False
        if any(listed(root / other) for other in surplus(root, every)) or (
            len(every) > len(found) and not self.renderings
        ):
            return False
        present = {name for several in found.values() for name in several[0].classes.values()}
        return any(present == set(split) for split in (self.classes, *self.class_splits.values()))

    def read(self, root: str | Path, *, domains: Sequence[str] | None = None) -> Table:
        """The pictures of the whole set or of some domains, as far as they are there; none is opened.

        Raises UsageError when there is no such folder, when a domain asked for is not there, or twice, and when a class
        folder is none of the set's: the message names them.
        """
        path = absolute(root)
        if self.classes is None:
            return read_plain(path, domains)
        found = self.places(path)
        self.refuse_absent(path, found, domains)
        wanted = {name: found[name] for name in self.domains if name in found and (domains is None or name in domains)}
        self._refuse_double(wanted)
        used = [several[0] for several in wanted.values()]
        self._refuse_classes(used)
        return read_places(self.name, path, used, self.classes, self._left_out(path, found, used))

    def _left_out(self, root: Path, found: Mapping[str, list[Place]], used: Sequence[Place]) -> list[Skip]:
        """Folders that are not read, and pictures beside the class folders."""
        every = [place for several in found.values() for place in several]
        others = [
            skip(other.folder, "other_rendering", f"(a folder) is another rendering of {place.folder}, which is read")
            for place in used
            for other in found[place.domain][1:]
        ]
        strange = [
            skip(folder, "surplus", f"(a folder) is no domain of {self.title}") for folder in surplus(root, every)
        ]
        return [*strange, *others, *(each for each in loose(root, used) if each["reason"] == "misplaced")]

    def refuse_absent(self, root: Path, found: Mapping[str, list[Place]], wanted: Sequence[str] | None) -> None:
        """Raise UsageError when no domain is there, or one of `wanted` is not; it says what there should be, and is."""
        strange = [name for name in wanted or () if name not in self.domains]
        if strange:
            raise UsageError(f"{self.title} has no domain {strange[0]!r}; it has {', '.join(self.domains)}.")
        missing = [name for name in wanted or () if name not in found]
        if found and not missing:
            return
        accepted = "; ".join(f"{name} in {' or '.join(self.domains[name])}" for name in missing or self.domains)
        raise UsageError(
            f"{root} does not hold {self.title}: it should have {accepted}, each with a folder for each class, and it "
            f"has {', '.join(listed(root)) or 'no folders'}.{self._hint(root)}"
        )

    def _hint(self, root: Path) -> str:
        """Where the data set really is, if that is one folder further down."""
        inner = next((name for name in listed(root) if self._any_class(root / name)), None)
        return f" Try {root / inner}." if inner else f" The layout is {self.layout}"

    def _any_class(self, root: Path) -> bool:
        return any(place.classes for several in self.places(root).values() for place in several)

    def _refuse_double(self, found: Mapping[str, list[Place]]) -> None:
        for domain, several in found.items():
            if len(several) > 1 and not self.renderings:
                both = " and ".join(place.folder for place in several)
                raise UsageError(f"The domain {domain} of {self.title} is there twice: {both}. Remove one of them.")
        for place in (several[0] for several in found.values()):
            for name, folders in place.twice.items():
                raise UsageError(
                    f"{place.folder} has two folders for the class {name}: {' and '.join(folders)}. Put them together."
                )

    def _refuse_classes(self, used: Sequence[Place]) -> None:
        strange = {place.folder: place.unknown for place in used if place.unknown}
        if strange:
            told = "; ".join(
                f"{folder}: {', '.join(map(self._suggested, unknown))}" for folder, unknown in strange.items()
            )
            raise UsageError(
                f"These folders are no classes of {self.title}: {told}. Rename or remove them (`samekind data check "
                f"{self.name} PATH` lists everything), or read the folder as one of your own with folder:PATH."
            )

    def _suggested(self, folder: str) -> str:
        """A folder's name with the class that it is probably meant for."""
        close = get_close_matches(key(folder), list(self._spellings), 1, 0.8)
        return f"{folder} ({self._spellings[close[0]]}?)" if close else folder
