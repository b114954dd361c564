"""What a protocol is: which pictures ask, which are searched, and by which rules the answer is scored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Int

from samekind.datasets.declaration import Dataset
from samekind.datasets.split import TRAIN_SHARE, hash_split, split_sha256
from samekind.datasets.table import Table
from samekind.errors import UsageError
from samekind.evaluation.metrics import Denominator

PROFILES = ("clean", "paper")
SEEN = ("train+val", "train")  # which classes a mixed gallery takes as seen: ProS trains on both, UCDR-Adapter on one
Pairs = Sequence[tuple[str, str]]

PROTOCOLS: dict[str, str] = {
    "ucdir": "samekind.evaluation.protocols_ucdir:UCDIR",
    "ucdr": "samekind.evaluation.protocols_ucdr:UCDR",
    "uccdr": "samekind.evaluation.protocols_ucdr:UcCDR",
    "udcdr": "samekind.evaluation.protocols_ucdr:UdCDR",
}


@dataclass(frozen=True, slots=True)
class Task:
    """One list of queries against one gallery, as rows of a table; `name` tells galleries of one pair apart."""

    query: str
    gallery: str
    query_rows: Int[np.ndarray, " q"]
    gallery_rows: Int[np.ndarray, " g"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a profile scores.

    average: of P@k, over queries (macro) or over the hits of all queries together (micro). denominator: of AP@k.
    space: `own` is the retriever's. inverted: domains whose pictures are colour-inverted before they are encoded. raw:
    a zero-shot retriever's pooled vectors are compared as the backbone gives them.
    """

    average: Literal["macro", "micro"] = "macro"
    denominator: Denominator = "min_k_relevant"
    space: Literal["own", "cosine", "euclidean"] = "own"
    inverted: frozenset[str] = frozenset()
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks of a protocol beyond its defaults (None).

    pairs: (query domain, gallery domain). classes: nothing but these. seen: one of SEEN. mixed: a file that lists the
    pictures which a mixed gallery adds, one path below the data's root a line. Raises UsageError for others.
    """

    profile: str = "clean"
    pairs: Pairs | None = None
    classes: Sequence[str] | None = None
    seen: str | None = None
    mixed: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if self.profile not in PROFILES:
            raise UsageError(f"There is no profile {self.profile!r}: choose clean or paper.")
        if self.classes is not None and not self.classes:
            raise UsageError("The list of classes is empty: name some, or leave it out for all.")
        if self.seen not in (None, *SEEN):
            raise UsageError(f"The seen classes are those of {' or '.join(SEEN)}, not {self.seen!r}.")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be scored: `table` holds the pictures that the protocol is about, and rows are rows of it.

    headline: the metrics that the papers report. split: the hash and the training share of the clean split, None where
    none is made. lists: pictures that were chosen by a rule, by the name of the choice, as keys of the table.
    notes: what a reader of the figures has to know.
    """

    table: Table
    tasks: tuple[Task, ...]
    rules: Rules
    headline: tuple[str, ...]
    split: Mapping[str, str | float] | None = None
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Protocol(ABC):
    """A way to evaluate; `name` is its key in PROTOCOLS, `title` what the field calls it."""

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def plan(self, table: Table, dataset: Dataset | None, request: Request) -> Plan:
        """Decide what is scored. Raises UsageError, with the names, for data that the protocol is not about."""


def load_protocol(name: str) -> Protocol:
    """The protocol registered under a name, imported on use; raises UsageError that lists the known names."""
    if name not in PROTOCOLS:
        raise UsageError(f"There is no protocol {name!r}. Known protocols: {', '.join(PROTOCOLS)}.")
    module, _, attribute = PROTOCOLS[name].partition(":")
    found: type[Protocol] = getattr(import_module(module), attribute)
    return found()


def parse_pairs(text: str) -> Pairs:
    """Read `photo:sketch,sketch:photo`; raises UsageError that shows how it is written."""
    pairs = [tuple(part.strip() for part in pair.split(":")) for pair in text.split(",") if pair.strip()]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise UsageError(f"--pairs {text}: write QUERY:GALLERY, with commas between: photo:sketch,sketch:photo.")
    if not pairs:
        raise UsageError("--pairs names no pair: write QUERY:GALLERY, with commas between: photo:sketch,sketch:photo.")
    return [(query, gallery) for query, gallery in dict.fromkeys(pairs)]


def check_pairs(pairs: Pairs, domains: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs, once their domains are known to exist and to differ. Raises UsageError that names those there are."""
    for query, gallery in pairs:
        for name in (query, gallery):
            if name not in domains:
                raise UsageError(f"There is no domain {name!r} in the data; there are: {', '.join(domains)}.")
        if query == gallery:
            raise UsageError(f"{query}:{gallery} asks a domain for itself, where each picture would find itself.")
    return tuple(dict.fromkeys((query, gallery) for query, gallery in pairs))


def with_classes(table: Table, classes: Sequence[str]) -> Int[np.ndarray, " m"]:
    """Rows whose class is one of these, in order; raises UsageError for names that no picture has."""
    unknown = [name for name in classes if name not in table.classes]
    if unknown:
        raise UsageError(
            f"{len(unknown)} of the {len(classes)} classes asked for are not in {table.name}: {named(unknown)}. "
            f"It has: {named(table.classes)}."
        )
    wanted = [table.classes.index(name) for name in classes]
    return np.flatnonzero(np.isin(table.label, wanted))


def check_classes(table: Table, domains: Sequence[str], classes: Sequence[str] | None = None) -> None:
    """Refuse domains that do not have the same classes: a query's class must not be missing where it is sought.

    With `classes`, each domain must have each of them. Raises UsageError that names what each domain lacks.
    """
    has = {name: {table.classes[label] for label in np.unique(table.label[table.rows(name)])} for name in domains}
    every = set(classes) if classes is not None else set().union(*has.values())
    lacking = {name: sorted(every - found) for name, found in has.items() if every - found}
    if not lacking:
        return
    told = "; ".join(f"{name} lacks {named(missing)}" for name, missing in lacking.items())
    common = sorted(every.intersection(*has.values()))
    hint = f", or name what they share: --classes {','.join(common)}" if 0 < len(common) <= 20 else ""
    raise UsageError(
        f"The domains of {table.name} do not have the same classes: {told}. Rename folders that mean the same{hint}."
    )


def held_out(table: Table) -> Bool[np.ndarray, " n"]:
    """The clean profile's test part: the pictures whose hash of the path does not put them into training."""
    return ~hash_split(table.keys)


def split_facts(table: Table) -> dict[str, str | float]:
    """The split's hash and training share, for the result."""
    return {"sha256": split_sha256(table.keys), "share": TRAIN_SHARE}


def named(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between, the rest of a long list counted."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
