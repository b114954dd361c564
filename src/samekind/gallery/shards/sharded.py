"""A gallery in shards: all are asked, and what they tell at one edition is one answer, equal to that of a gallery."""

from collections import OrderedDict
from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from samekind.errors import SamekindError, UsageError
from samekind.gallery.hits import Hit
from samekind.gallery.pictures import Outside, Picture, all_outside
from samekind.gallery.search import Found, check_domains, hits
from samekind.gallery.searching import Searchable
from samekind.gallery.shards.shard import Edition, Facts, Told
from samekind.gallery.store import Gallery
from samekind.retriever.protocol import RetrieverLike

_ROUNDS = 8  # that shards may take to meet at one edition
_PICTURES = 4096  # that are remembered


@runtime_checkable
class Shards(Protocol):
    """The shards of a gallery, wherever they are."""

    def ask(self, wanted: Edition | None, what: str, *details: Any) -> list[Told]:
        """What each shard tells, in their order; raises Unavailable when one of them cannot be reached."""

    def alive(self) -> list[int]:
        """How many replicas of each shard there are."""


class ShardedGallery(Searchable):
    """A gallery whose rows are in shards; of these there is nothing here but counts.

    Answers equal those of `Gallery`, bit for bit: a score depends on row and query alone, and equal ones rank by the
    number of insertion. Searches see one version until `newer`, or until no shard has it any more.
    """

    def __init__(self, gallery: Gallery, shards: Shards) -> None:
        self.path = gallery.path
        self.meta = gallery.meta
        self._gallery = gallery  # never its rows
        self._shards = shards
        self._pictures: OrderedDict[tuple[Edition, str], Picture] = OrderedDict()
        self._edition: Edition | None = None
        self._facts = Facts(0, {})
        self._ask("facts")

    @property
    def retriever(self) -> RetrieverLike:
        """The retriever that filled the gallery."""
        return self._gallery.retriever

    @property
    def rows(self) -> int:
        """How many pictures there are; exact duplicates count once."""
        return self._facts.rows

    @property
    def version(self) -> int:
        """Of what searches see; grows with every commit."""
        return self._edition.version if self._edition else 0

    @property
    def domain_counts(self) -> dict[str | None, int]:
        """Rows with a place in each domain, sorted by name; at None, where there are some, rows with one in none."""
        return self._facts.domain_counts

    def alive(self) -> list[int]:
        """How many replicas each shard has."""
        return self._shards.alive()

    def newer(self) -> "ShardedGallery | None":
        """The gallery as it is on disk, loaded; None where that is what searches see."""
        if not self._overtaken():
            return None
        return ShardedGallery(Gallery.open(self.path, self.retriever, create=False), self._shards)

    def _ask(self, what: str, *details: Any) -> list[Any]:
        """What the shards tell of the version that is seen; of a newer one, which is seen from then on, if need be."""
        wanted = self._edition
        for _ in range(_ROUNDS):
            told = self._shards.ask(wanted, what, *details)
            others = {one.edition for one in told} - {wanted}
            if others:
                wanted = max(others, key=lambda edition: edition.version)
            elif wanted == self._edition or self._see(wanted):
                return [_value(one) for one in told]
        raise SamekindError(
            f"The gallery {self.path} changes faster than its shards can follow. Try again when it is being written "
            "to less."
        )

    def _see(self, edition: Edition | None) -> bool:
        """Go over to an edition that all shards have; False if some have gone on since."""
        told = self._shards.ask(edition, "facts")
        if edition is None or any(one.edition != edition for one in told):
            return False
        parts: list[Facts] = [_value(one) for one in told]
        if edition.uuid != self.meta.uuid:
            self._gallery = Gallery.open(self.path, self.retriever, create=False)
            self.meta = self._gallery.meta
        names = sorted({name for part in parts for name in part.domain_counts}, key=lambda name: (name is None, name))
        counts = {name: sum(part.domain_counts.get(name, 0) for part in parts) for name in names}
        self._facts = Facts(sum(part.rows for part in parts), counts)
        self._edition = edition
        return True

    def picture(self, name: str) -> Picture | None:
        """The picture with this id, None where there is none."""
        if self._edition and (known := self._pictures.get((self._edition, name))):
            return known
        found = next((picture for picture in self._ask("picture", name) if picture is not None), None)
        if found and self._edition:
            self._pictures[self._edition, name] = found
            while len(self._pictures) > _PICTURES:
                self._pictures.popitem(last=False)
        return found

    def outside(self, roots: Sequence[str], *, urls: bool) -> Outside:
        """The pictures with no place below these folders, and none at an address if `urls` may be shown."""
        return all_outside(self._ask("outside", tuple(roots), urls))

    def matching(self, domains: Sequence[str] | None = None) -> int:
        """How many pictures a search in these domains ranks; raises UsageError for an unknown one."""
        check_domains(domains, self.domains)
        return sum(self._ask("matching", tuple(domains))) if domains else self.rows

    def answers(
        self,
        vectors: Float32[np.ndarray, "q d"],
        k: int = 20,
        *,
        offset: int = 0,
        domains: Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = True,
    ) -> tuple[list[tuple[Hit, ...]], bool]:
        """`nearest`, and that all of these hits are exact: shards compare with every row, also where `exact` is false.

        Raises as `Gallery.answers` does, and Unavailable while a shard cannot be reached.
        """
        if k < 1:
            raise UsageError(f"k must be 1 or more, not {k}.")
        self.check_filled()
        queries = self.meta.compared.queries(vectors)
        parts = self._ask("search", queries, k + offset, domains and tuple(domains), where)
        self.check_filled()
        check_domains(domains, self.domains)  # of the version that was searched
        return [self._merged(lists, k, offset) for lists in zip(*parts, strict=True)], True

    def _merged(self, lists: Sequence[Sequence[Found]], k: int, offset: int) -> tuple[Hit, ...]:
        """The best of what was found, each best first; the order of `search.rank`."""
        best = merge(*lists, key=lambda one: (-one.score, one.seq))
        return hits(islice(best, offset, offset + k), self.meta.compared, offset)


def _value(told: Told) -> Any:
    """What was told; an error is raised."""
    if isinstance(told.value, SamekindError):
        raise told.value
    return told.value
