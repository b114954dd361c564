"""One shard of a gallery: the rows of a part in the versions that are asked for, and what it tells of them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from samekind.errors import SamekindError, UsageError
from samekind.gallery.parts import Part
from samekind.gallery.pictures import Outside, Picture, outside_of, picture_of
from samekind.gallery.place import Place
from samekind.gallery.refusing import refusals
from samekind.gallery.schema import read_meta
from samekind.gallery.search import Found, choose, found, matching, top_k
from samekind.gallery.vectors import Snapshot, load_snapshot

_KEPT = 2  # versions: what is asked for now, and what was before


class Edition(NamedTuple):
    """Of which gallery, by its uuid, and at which version."""

    uuid: str
    version: int


NOWHERE = Edition("", 0)


class Told(NamedTuple):
    """What a shard says, and of which edition; an error is of whoever asked."""

    edition: Edition
    value: Any


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a shard, or of all together: rows, and rows by domain as in `Snapshot.domain_counts`."""

    rows: int
    domain_counts: dict[str | None, int]


class Shard:
    """Answers questions, which are the names of its methods below `ask`; from any thread."""

    def __init__(self, folder: Place, part: Part) -> None:
        self.folder = folder
        self.part = part
        self._held: dict[Edition, Snapshot] = {}
        self._loading = threading.Lock()
        self._searching = threading.Lock()  # one search has all cores

    def ask(self, wanted: Edition | None, what: str, *details: Any) -> Told:
        """The answer at the edition that is wanted, where it can still be had; otherwise, and for None, at the newest.

        A shard that cannot answer says so at the newest edition, which may be another: then that is to be asked for.
        """
        try:
            edition, snapshot = self._at(wanted)
        except SamekindError as error:
            return Told(wanted or NOWHERE, error)
        try:
            return Told(edition, getattr(self, what)(snapshot, *details))
        except UsageError as error:
            return Told(edition, error)
        except SamekindError as error:
            return Told(self.load(None)[0], error)

    def _at(self, wanted: Edition | None) -> tuple[Edition, Snapshot]:
        if wanted is not None and (snapshot := self._held.get(wanted)):
            return wanted, snapshot
        return self.load(wanted)

    def load(self, wanted: Edition | None) -> tuple[Edition, Snapshot]:
        """Have an edition: the one that is wanted or the newest. Raises SamekindError for what cannot be read."""
        with self._loading:
            meta = read_meta(self.folder)
            version = wanted.version if wanted and wanted.uuid == meta.uuid else None
            with refusals(self.folder):
                snapshot = load_snapshot(self.folder, meta, self.part, version)
            edition = Edition(meta.uuid, snapshot.version)
            snapshot = self._held.get(edition, snapshot)
            others = [(known, kept) for known, kept in self._held.items() if known != edition]
            self._held = dict([*others[1 - _KEPT :], (edition, snapshot)])
            return edition, snapshot

    def facts(self, snapshot: Snapshot) -> Facts:
        """How much there is."""
        return Facts(len(snapshot), snapshot.domain_counts)

    def search(
        self,
        snapshot: Snapshot,
        queries: Float32[np.ndarray, "q w"],
        k: int,
        domains: Sequence[str] | None,
        where: str | None,
    ) -> list[list[Found]]:
        """Per query the k best of its rows; a domain that it has nothing of leaves none."""
        rows = None
        if where is not None:
            rows = matching(self.folder, snapshot.version, where)
            rows = rows[self.part.has(rows)]
        mask = choose(snapshot, domains, rows)
        with self._searching:
            best = top_k(snapshot.vectors, queries, k, mask, space=snapshot.space, longest=snapshot.longest)
        return [found(snapshot, one, domains) for one in best]

    def matching(self, snapshot: Snapshot, domains: Sequence[str]) -> int:
        """How many of its rows have a place in these domains."""
        return int(np.count_nonzero(snapshot.in_domains(domains)))

    def picture(self, snapshot: Snapshot, name: str) -> Picture | None:
        """The picture with this id, None where it is another shard's, or nobody's."""
        return picture_of(snapshot, name)

    def outside(self, snapshot: Snapshot, roots: Sequence[str], urls: bool) -> Outside:
        """Its pictures that may not be shown."""
        return outside_of(snapshot, roots, urls=urls)
