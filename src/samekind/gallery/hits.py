"""What a search returns: the hits, best first, and how they were found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HITS_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture of the gallery.

    rank: from 1, ties keep the gallery's order; score: similarity to the query, which is the cosine, in [-1, 1], or in
    galleries of the space poincare 1 / cosh(distance), in (0, 1] and 1 for the same point; uri, domain: the place
    that the picture was found at (of exact duplicates, the first one that passes the filter); id: opaque and stable,
    the same for the same content.
    """

    rank: int
    score: float
    uri: str
    domain: str | None
    id: str

    def to_json(self) -> dict[str, Any]:
        """The hit as a plain dict, in the order of the interface."""
        return {"rank": self.rank, "score": self.score, "uri": self.uri, "domain": self.domain, "id": self.id}


@dataclass(frozen=True, slots=True)
class Hits:
    """The hits of one query, best first; iterating gives `Hit`s.

    rows: pictures in the gallery (exact duplicates count once); retriever: its sha256; exact: every row was compared;
    encode_seconds, search_seconds: wall-clock time of the two steps.
    """

    hits: tuple[Hit, ...]
    rows: int
    retriever: str
    retriever_name: str
    exact: bool
    encode_seconds: float
    search_seconds: float

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, index: int) -> Hit:
        return self.hits[index]

    def to_json(self) -> dict[str, Any]:
        """What `samekind search --json` writes."""
        return {
            "schema": HITS_SCHEMA,
            "gallery": {"rows": self.rows, "retriever": self.retriever},
            "exact": self.exact,
            "seconds": {"encode": self.encode_seconds, "search": self.search_seconds},
            "hits": [hit.to_json() for hit in self.hits],
        }
