"""What is taken for what: the class of the first hit, by the class and the domain of the query."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int64

from samekind.evaluation.reports.files import PairQueries, Result

ClassOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Confusion:
    """counts[i, j]: queries of classes[i] whose first hit shows classes[j]. unknown: first hits of unknown class."""

    classes: tuple[str, ...]
    counts: Int64[np.ndarray, "c c"]
    unknown: int

    def worst(self, most: int) -> list[tuple[str, str, int, int]]:
        """The most frequent mistakes: class asked for, class found, how often, of how many queries of that class."""
        asked = self.counts.sum(axis=1)
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        places = [divmod(int(each), len(self.classes)) for each in order]
        return [
            (self.classes[i], self.classes[j], int(wrong[i, j]), int(asked[i])) for i, j in places if wrong[i, j] > 0
        ]

    def part(self, most: int) -> "Confusion":
        """The `most` classes with the most mistakes, made or suffered, in their old order."""
        if len(self.classes) <= most:
            return self
        wrong = self.counts - np.diag(np.diag(self.counts))
        share = wrong.sum(axis=1) + wrong.sum(axis=0)
        kept = np.sort(np.argsort(-share, kind="stable")[:most])
        return Confusion(tuple(self.classes[n] for n in kept), self.counts[np.ix_(kept, kept)], self.unknown)


def class_finder(results: Iterable[Result], known: Mapping[str, str] | None = None) -> ClassOf:
    """A function that tells a file's class: from `known`, else as the query that it is elsewhere, else by its folder.

    The folder counts only where a query's class is called so; otherwise the class is not known (None).
    """
    told = dict(known or {})
    names = set(told.values())
    for result in results:
        for queries in result.queries:
            told.update(zip(queries.files, queries.labels, strict=True))
            names.update(queries.labels)

    def class_of(file: str) -> str | None:
        found = told.get(file)
        if found is None:
            folder = PurePosixPath(file).parent.name
            found = folder if folder in names else None
        return found

    return class_of


def confusion(queries: Sequence[PairQueries], class_of: ClassOf) -> Confusion:
    """The first hits of the queries of some pairs; a relevant one has the query's class, however its file is called."""
    counted: Counter[tuple[str, str]] = Counter()
    unknown = 0
    for pair in queries:
        for row, label in enumerate(pair.labels):
            for file, right in pair.shown(row, 1):
                found = label if right else class_of(file)
                if found is None:
                    unknown += 1
                else:
                    counted[label, found] += 1
    classes = tuple(sorted({name for key in counted for name in key}))
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for (asked, found), many in counted.items():
        counts[classes.index(asked), classes.index(found)] = many
    return Confusion(classes, counts, unknown)


def by_domain(result: Result, group: str) -> tuple[tuple[str, ...], tuple[str, ...], list[list[float | None]]]:
    """Query domains, gallery domains, and P@1 for each; None for a pair that the result does not have."""
    pairs = [result.pairs[n] for n in result.members(group)]
    asks = tuple(sorted({pair.query for pair in pairs}))
    answers = tuple(sorted({pair.gallery for pair in pairs}))
    known = {(pair.query, pair.gallery): pair.metrics.get("P@1") for pair in pairs}
    return asks, answers, [[known.get((query, gallery)) for gallery in answers] for query in asks]
