"""Searches by a gallery's vector index: it names candidates, which are scored and ranked as in an exact search."""

import math

import numpy as np
from jaxtyping import Bool, Float32

from samekind.errors import SamekindError
from samekind.gallery.ann.record import TEN, Ann, Effort, read_ann
from samekind.gallery.place import Place
from samekind.gallery.schema import Meta
from samekind.gallery.search import Result, top_k
from samekind.gallery.table import PictureTable
from samekind.gallery.vectors import Snapshot

_DEEP = 100  # hits beyond which nothing is known of an effort
_SPARE = 2  # times the candidates in proportion, for more hits, or of fewer rows, than efforts are measured for
_NARROW = 0.05  # share of rows below which a filter is searched exactly: the whole costs less than its candidates would
_MOST = 4  # a share of 1 / _MOST of all rows is the most that candidates may be


class Finder:
    """Approximate search in one snapshot."""

    def __init__(self, table: PictureTable, ann: Ann, snapshot: Snapshot) -> None:
        """`table` is at the snapshot's version."""
        self.table = table
        self.ann = ann
        self.snapshot = snapshot
        self.trouble = ""

    def find(
        self, query: Float32[np.ndarray, " w"], k: int, mask: Bool[np.ndarray, " n"] | None = None
    ) -> Result | None:
        """The k best rows as far as the index knows, ranked by their exact scores; None where only all rows will do.

        None is for queries that are unlike all rows, where the index is not good enough for these, for filters that
        leave few rows or that the candidates hardly pass, and for more than a hundred hits, or a large part of all
        rows. What is returned passes `mask`, and is k rows. An index that cannot be read is not asked again: `trouble`
        says why.
        """
        try:
            return None if self.trouble else self._find(query, k, mask)
        except SamekindError as error:
            reason = str(error.__cause__ or error).splitlines()[0][:200]
            self.trouble = _again(self.table.folder, f"cannot be read ({reason})")
            return None

    def _find(self, query: Float32[np.ndarray, " w"], k: int, mask: Bool[np.ndarray, " n"] | None) -> Result | None:
        share = 1.0 if mask is None else float(np.count_nonzero(mask)) / max(1, len(mask))
        if share < _NARROW or k > _DEEP:
            return None
        times = max(1.0, k / share / TEN)  # of all rows' best, that many are needed
        for effort, line in ((self.ann.near, self.ann.line), (self.ann.far, None)):
            if effort is None:
                continue
            if times > 1:
                effort = Effort(math.ceil(effort.probes * times), math.ceil(effort.candidates * times * _SPARE))
            found = self.ask(query, k, effort, mask, share)
            if found and (line is None or found[1][0] >= line):
                return found
        return None

    def ask(
        self,
        query: Float32[np.ndarray, " w"],
        k: int,
        effort: Effort,
        mask: Bool[np.ndarray, " n"] | None = None,
        share: float = 1.0,
    ) -> Result | None:
        """The k best rows with this effort, None where it takes a large part of all rows, or finds fewer than k.

        Of the candidates, one in two of those that `mask` lets through on average, its `share`, has to pass it.
        """
        if effort.candidates * _MOST > len(self.snapshot):
            return None
        found = self.table.candidates(query, effort.candidates, min(effort.probes, self.ann.partitions))
        rows = self.snapshot.at_addresses(found)
        least = float(k)
        if mask is not None:
            least = max(least, effort.candidates * share / _SPARE)
            rows = rows[mask[rows]]
        if len(rows) < least:
            return None
        space, longest = self.snapshot.space, self.snapshot.longest
        ((places, scores),) = top_k(self.snapshot.vectors[rows], query[None], k, space=space, longest=longest)
        return rows[places], scores


def open_finder(folder: Place, meta: Meta, snapshot: Snapshot) -> Finder | None:
    """The index of this version of the gallery; None where there is none that may be used.

    Raises SamekindError, with what to do, for one that is damaged, or made by another version.
    """
    ann = read_ann(folder, meta.uuid)
    if ann is None or ann.state != "ready" or snapshot.version < ann.version:
        return None
    table = PictureTable.open(folder).at(snapshot.version)
    if table.index() is None:
        raise SamekindError(_again(folder, "is gone"))
    return Finder(table, ann, snapshot)


def _again(folder: Place, what: str) -> str:
    return (
        f"The index of the gallery {folder} {what}. Searches compare with every picture until it is built again: "
        f"samekind index PICTURES --gallery {folder} --ann"
    )


def nearest_rows(
    snapshot: Snapshot,
    finder: Finder | None,
    queries: Float32[np.ndarray, "q w"],
    k: int,
    mask: Bool[np.ndarray, " n"] | None,
) -> tuple[list[Result], bool]:
    """Per query the k best rows, from the index where that is able to, and whether every row was compared for all."""
    found = [finder.find(query, k, mask) if finder else None for query in queries]
    left = [number for number, result in enumerate(found) if result is None]
    space, longest = snapshot.space, snapshot.longest
    compared = top_k(snapshot.vectors, queries[left], k, mask, space=space, longest=longest)
    exact = dict(zip(left, compared, strict=True))
    return [result or exact[number] for number, result in enumerate(found)], len(left) == len(queries)
