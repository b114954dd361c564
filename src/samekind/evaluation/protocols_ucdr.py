"""UCDR and its two halves: queries of an unseen domain, of unseen classes, or of both, against real photos."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from samekind.datasets.declaration import Dataset
from samekind.datasets.table import Table
from samekind.errors import UsageError
from samekind.evaluation.protocols import (
    Pairs,
    Plan,
    Protocol,
    Request,
    Rules,
    Task,
    check_classes,
    check_pairs,
    held_out,
    named,
    split_facts,
    with_classes,
)

HELD_OUT_DOMAINS = ("sketch", "quickdraw", "painting", "infograph", "clipart")
GALLERY = "real"
MIXED_KEPT = 0.92  # of each seen class stays in training; what is over goes to the mixed gallery
FIRST = 45  # seen classes that U(d)CDR asks for

# Of each class and domain in the public code's U(d)CDR, by the query domain.
_DRAWN, _DRAWN_QUICKDRAW = 0.25, 0.1

_PAPER = (
    "AP@k divides by the relevant pictures found within the first k (the ProS family's), so that it is no lower bound "
    "on what was missed.",
    "Sketch and quickdraw pictures are colour-inverted, as the public code does.",
    "Zero-shot retrievers are compared by the backbone's vectors as they come, not normalised, as in the public code.",
    "The public code chooses its epoch by the figures on the test queries. A retriever is evaluated here as it was "
    "saved.",
)


def by_hash(keys: Sequence[str], rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    """The rows in the order of the SHA-256 of their paths, largest first: a draw that no file system can change."""
    order = sorted(rows.tolist(), key=lambda row: sha256(keys[row].encode()).digest(), reverse=True)
    return np.array(order, np.int64)


def drawn(
    table: Table, rows: Int[np.ndarray, " m"], count: Callable[[int], int], among: Int[np.ndarray, " l"] | None = None
) -> Int[np.ndarray, " s"]:
    """Of each class of `rows` the first `count(pictures of the class)` by hash, in the table's order.

    With `among`, none is drawn that is not there too; the count is still that of the whole class.
    """
    chosen: list[int] = []
    allowed = rows if among is None else np.intersect1d(rows, among)
    for label in np.unique(table.label[rows]):
        members = rows[table.label[rows] == label]
        free = allowed[table.label[allowed] == label]
        chosen += by_hash(table.keys, free)[: count(len(members))].tolist()
    return np.array(sorted(chosen), np.int64)


class UCDR(Protocol):
    """Unseen domain and unseen classes: DomainNet's 45 test classes, each domain but real asks real in turn.

    The *unseen* gallery has all real pictures of these classes; the *mixed* one adds those real pictures of the seen
    classes that are kept out of training (8 % of each class, chosen by the hash of the path). Sources of paper:
    mvp18/UCDR and fangkaipeng/ProS, src/data/DomainNet/domainnet.py, src/utils/mAP.py, src/data/dataloaders.py.
    """

    name: ClassVar[str] = "ucdr"
    title: ClassVar[str] = "universal cross-domain retrieval"

    def plan(self, table: Table, dataset: Dataset | None, request: Request) -> Plan:
        """Two tasks for each domain that asks; raises UsageError for other data than DomainNet."""
        splits = _splits(self.name, table, dataset, ("train", "val", "test"))
        test = _restricted(splits["test"], request.classes)
        pairs = _pairs(request.pairs, table)
        domains = list(dict.fromkeys(name for pair in pairs for name in pair))
        check_classes(_only(table, test), domains, test)
        seen = (*splits["train"], *(splits["val"] if (request.seen or "train+val") == "train+val" else ()))
        extra, source = self._mixed(table, seen, request)
        wanted = np.union1d(with_classes(table, test), extra)
        position = np.full(len(table.files), -1)
        position[wanted] = np.arange(len(wanted))
        whole, table, added = table, table.select(wanted), position[extra]
        tests = with_classes(table, test)
        part = {name: np.intersect1d(table.rows(name), tests) for name in domains}
        tasks = [Task(query, gallery, part[query], part[gallery], "unseen") for query, gallery in pairs]
        if len(added):
            tasks += [
                Task(query, gallery, part[query], np.union1d(part[gallery], added), "mixed") for query, gallery in pairs
            ]
        clean = request.profile == "clean"
        return Plan(
            table,
            tuple(tasks),
            _rules(request, table),
            ("mAP@200", "P@200"),
            split_facts(whole) if clean else None,
            {"mixed": tuple(whole.keys[row] for row in extra)} if len(extra) else {},
            (*(() if clean else _PAPER), _told(len(added), len(seen), source)),
        )

    def _mixed(self, table: Table, seen: Sequence[str], request: Request) -> tuple[Int[np.ndarray, " m"], str]:
        """The pictures that the mixed gallery adds, and where the choice is from."""
        here = [name for name in seen if name in table.classes]
        rows = np.intersect1d(table.rows(GALLERY), with_classes(table, here)) if here else np.zeros(0, np.int64)
        if request.mixed is not None:
            return _listed(request.mixed, table, rows), "a stored list"
        among = np.flatnonzero(held_out(table)) if request.profile == "clean" else None
        return drawn(table, rows, lambda n: n - int(MIXED_KEPT * n), among), "the hash of the path"


class UcCDR(Protocol):
    """Unseen classes of a seen domain: sketches ask photos, of Sketchy's 21 or TU-Berlin's 30 test classes."""

    name: ClassVar[str] = "uccdr"
    title: ClassVar[str] = "U(c)CDR, unseen classes"

    def plan(self, table: Table, dataset: Dataset | None, request: Request) -> Plan:
        """One task; raises UsageError for data without declared test classes, or without sketches and photos."""
        test = _restricted(_splits(self.name, table, dataset, ("test",))["test"], request.classes)
        (query, gallery), *more = check_pairs(request.pairs or [("sketch", "photo")], table.domains)
        if more:
            raise UsageError("uccdr has one pair, sketch:photo.")
        table = _only(table, test)
        check_classes(table, (query, gallery), test)
        sketchy = dataset is not None and dataset.name == "sketchy"
        return Plan(
            table,
            (Task(query, gallery, table.rows(query), table.rows(gallery)),),
            _rules(request, table, inverts=sketchy),
            ("mAP@200", "P@200") if sketchy else ("mAP@all", "P@100"),
            notes=() if request.profile == "clean" else (_PAPER[0], *((_PAPER[1],) if sketchy else ()), *_PAPER[2:]),
        )


class UdCDR(Protocol):
    """An unseen domain of seen classes: DomainNet's first 45 training classes, each domain but real asks real in turn.

    paper: of each class a quarter of the pictures (a tenth where quickdraw asks) on both sides, chosen by the hash of
    the path where the public code draws from the file system's order. clean: the held-out fifth of both sides.
    """

    name: ClassVar[str] = "udcdr"
    title: ClassVar[str] = "U(d)CDR, unseen domain"

    def plan(self, table: Table, dataset: Dataset | None, request: Request) -> Plan:
        """One task for each domain that asks; raises UsageError for other data than DomainNet."""
        splits = _splits(self.name, table, dataset, ("train",))
        classes = _restricted(splits["train"][:FIRST], request.classes)
        pairs = _pairs(request.pairs, table)
        table = _only(table, classes)
        check_classes(table, list(dict.fromkeys(name for pair in pairs for name in pair)), classes)
        clean = request.profile == "clean"
        test = held_out(table)

        def part(name: str, query: str) -> Int[np.ndarray, " m"]:
            rows = table.rows(name)
            if clean:
                return np.asarray(rows[test[rows]])
            share = _DRAWN_QUICKDRAW if query == "quickdraw" else _DRAWN
            return drawn(table, rows, lambda n: int(share * n))

        return Plan(
            table,
            tuple(Task(query, gallery, part(query, query), part(gallery, query)) for query, gallery in pairs),
            _rules(request, table),
            ("mAP@200", "P@200"),
            split_facts(table) if clean else None,
            notes=() if clean else _PAPER,
        )


def _splits(
    protocol: str, table: Table, dataset: Dataset | None, names: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    if dataset is None or any(name not in dataset.class_splits for name in names):
        what = "sketchy or tu_berlin" if protocol == "uccdr" else "domainnet"
        raise UsageError(
            f"{protocol} needs a data set that declares which classes are seen in training ({what}); {table.name} does "
            "not. For folders of your own use --protocol ucdir."
        )
    return {name: tuple(dataset.class_splits[name]) for name in names}


def _restricted(classes: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The protocol's classes, or those of them that the user names."""
    other = [name for name in wanted or () if name not in classes]
    if other:
        raise UsageError(f"The protocol does not ask for {named(other)}; its classes are {named(classes)}.")
    return tuple(name for name in classes if wanted is None or name in wanted)


def _only(table: Table, classes: Sequence[str]) -> Table:
    return table.select(with_classes(table, classes))


def _pairs(pairs: Pairs | None, table: Table) -> tuple[tuple[str, str], ...]:
    if pairs is not None and any(gallery != GALLERY for _, gallery in pairs):
        raise UsageError(f"The gallery of this protocol is always {GALLERY}: write for example sketch:{GALLERY}.")
    return check_pairs(pairs or [(name, GALLERY) for name in HELD_OUT_DOMAINS], table.domains)


def _rules(request: Request, table: Table, *, inverts: bool = True) -> Rules:
    if request.profile == "clean":
        return Rules()
    inverted = {"sketch", "quickdraw"}.intersection(table.domains) if inverts else set()
    return Rules(denominator="found", space="euclidean", inverted=frozenset(inverted), raw=True)


def _listed(file: Path, table: Table, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " l"]:
    """Rows of a stored list, each of which must be a real picture of a seen class."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The list {file} cannot be read: {error}.") from error
    known = {table.keys[row]: row for row in rows.tolist()}
    names = [line for line in lines if line and not line.startswith("#")]
    strange = [name for name in names if name not in known]
    if strange or not names:
        raise UsageError(
            f"{file} must name real pictures of seen classes, one path domain/class/picture a line; "
            + (f"{len(strange)} are none, such as {named(strange, 3)}." if strange else "it names none.")
        )
    return np.array(sorted({known[name] for name in names}), np.int64)


def _told(added: int, seen: int, source: str) -> str:
    if not added:
        return "There are no real pictures of seen classes in the data, so the mixed gallery was left out."
    return f"The mixed gallery adds {added:,} real pictures of {seen} seen classes, chosen by {source}."
