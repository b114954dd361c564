"""UCDIR: every picture of one domain asks another domain for its class; nothing was labelled in training."""

from itertools import permutations
from typing import ClassVar

import numpy as np

from samekind.datasets.declaration import Dataset
from samekind.datasets.table import Table
from samekind.errors import UsageError
from samekind.evaluation.protocols import (
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

# Both ways each. Of the public scripts only the first pair could be read; the others are from memory of the papers.
DOMAINNET_PAIRS = (
    ("clipart", "sketch"),
    ("infograph", "real"),
    ("infograph", "sketch"),
    ("painting", "clipart"),
    ("painting", "quickdraw"),
    ("quickdraw", "real"),
)

_HEADLINES = {"office_home": ("P@1", "P@5", "P@15"), "domainnet": ("P@50", "P@100", "P@200")}

_PAPER = (
    "Training and evaluation see the same whole folders in the public code: every picture asks, every picture is "
    "searched.",
    "The public code reports the best epoch, chosen by this same metric on these same pictures. A retriever is "
    "evaluated here as it was saved.",
    "The public code reports P@k alone; the mAP beside it is that of the clean profile.",
)
_DOMAINNET = (
    "Of the twelve pairs only clipart-sketch was read in the public scripts; the others are from memory of the papers."
)


class UCDIR(Protocol):
    """All ordered pairs of domains, or those asked for; for DomainNet its seven classes and twelve pairs.

    paper: whole folders; P@k micro-averaged over t = min(k, relevant) ranks, queries with nothing relevant drop out;
    cosine. clean: the held-out fifth of each domain; P@k is the mean over all queries of hits / k; the retriever's own
    space. Source of paper: conghui1002/UCDIR, main.py, retrieval_precision_cal.
    """

    name: ClassVar[str] = "ucdir"
    title: ClassVar[str] = "unsupervised cross-domain image retrieval"

    def plan(self, table: Table, dataset: Dataset | None, request: Request) -> Plan:
        """Tasks of the pairs; raises UsageError for one domain alone, unknown domains, or classes that differ."""
        if len(table.domains) < 2:
            raise UsageError(
                f"{table.name} has one domain, {table.domains[0]}: ucdir needs two or more to search across."
            )
        kind = dataset.name if dataset else ""
        pairs = check_pairs(request.pairs or _default_pairs(kind, table), table.domains)
        domains = list(dict.fromkeys(name for pair in pairs for name in pair))
        classes = request.classes or (dataset.class_splits.get("ucdir") if dataset else None)
        if classes is not None:
            table = table.select(with_classes(table, classes))
        check_classes(table, domains, classes)
        clean = request.profile == "clean"
        usable = held_out(table) if clean else np.ones(len(table.files), bool)
        part = {name: rows[usable[rows]] for name in domains if len(rows := table.rows(name))}
        _check_parts(part, table)
        notes = (*_lacking(dataset, table, request), *(() if clean else _PAPER))
        return Plan(
            table,
            tuple(Task(query, gallery, part[query], part[gallery]) for query, gallery in pairs),
            Rules() if clean else Rules(average="micro", space="cosine"),
            _HEADLINES.get(kind, ("P@1", "P@15", "mAP@all")),
            split_facts(table) if clean else None,
            notes=(*notes, _DOMAINNET) if kind == "domainnet" else notes,
        )


def _default_pairs(kind: str, table: Table) -> list[tuple[str, str]]:
    if kind != "domainnet":
        return list(permutations(table.domains, 2))
    return [pair for a, b in DOMAINNET_PAIRS for pair in ((a, b), (b, a))]


def _lacking(dataset: Dataset | None, table: Table, request: Request) -> tuple[str, ...]:
    """What a declared data set should have and these data do not, where the user did not choose a part."""
    if dataset is None:
        return ()
    wanted = {"domains": () if request.pairs else tuple(dataset.domains)}
    wanted["classes"] = () if request.classes or "ucdir" in dataset.class_splits else dataset.classes or ()
    there = {"domains": table.domains, "classes": table.classes}
    told = [
        f"{len(missing)} of the {len(names)} {what} ({named(missing)})"
        for what, names in wanted.items()
        if (missing := [name for name in names if name not in there[what]])
    ]
    return (f"Of {dataset.title} these data lack {' and '.join(told)}.",) if told else ()


def _check_parts(part: dict[str, np.ndarray], table: Table) -> None:
    empty = [name for name, rows in part.items() if not len(rows)]
    if empty:
        raise UsageError(
            f"None of the {len(table.rows(empty[0])):,} pictures of {empty[0]} falls into the held-out fifth, so the "
            "clean profile has nothing to ask or search there. Use --profile paper, or more pictures."
        )
