"""What can be searched: the part of a gallery that commands and the service use, wherever its rows are."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery.hits import Hit, Hits
from samekind.gallery.pictures import Outside, Picture
from samekind.gallery.place import Place
from samekind.gallery.query import Query, Term
from samekind.gallery.schema import Meta, read_meta
from samekind.gallery.table import latest_version
from samekind.retriever.protocol import RetrieverLike


class Searchable(ABC):
    """Encoded pictures of one retriever, of which one version is seen."""

    path: Place
    meta: Meta
    trouble = ""  # why there is no index to search with, after a search where there should be one

    @property
    @abstractmethod
    def retriever(self) -> RetrieverLike:
        """The retriever that filled the gallery."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many pictures there are; exact duplicates count once."""

    @property
    @abstractmethod
    def version(self) -> int:
        """Of what searches see; grows with every commit."""

    @property
    @abstractmethod
    def domain_counts(self) -> dict[str | None, int]:
        """Rows with a place in each domain, sorted by name; at None, where there are some, rows with one in none."""

    @property
    def domains(self) -> list[str]:
        """The domains of the pictures, sorted."""
        return [name for name in self.domain_counts if name is not None]

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that pictures were indexed from, or that their lists and manifests were in."""
        return self.meta.roots

    def alive(self) -> list[int]:
        """How many replicas each of its shards has, where it has shards."""
        return []

    @abstractmethod
    def newer(self) -> "Searchable | None":
        """The gallery as it is on disk, loaded; None where that is what searches see."""

    @abstractmethod
    def picture(self, name: str) -> Picture | None:
        """The picture with this id, None where there is none."""

    @abstractmethod
    def outside(self, roots: Sequence[str], *, urls: bool) -> Outside:
        """The pictures with no place below these folders, and none at an address if `urls` may be shown."""

    @abstractmethod
    def matching(self, domains: Sequence[str] | None = None) -> int:
        """How many pictures a search in these domains ranks; raises UsageError for an unknown one."""

    @abstractmethod
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
        """`nearest`, and whether all of these hits are exact: compared with every row that the filters leave.

        With `exact` false, an index may name candidates, whose scores and order are the exact ones.
        """

    def search(
        self,
        image: str | Path | Image.Image | None = None,
        text: str | None = None,
        *,
        query: Query | None = None,
        k: int = 20,
        domains: Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = True,
    ) -> Hits:
        """The k most similar pictures to a picture, a text, both added up, or a composed query.

        `domains` keeps pictures that have a place in one of these; `where` is SQL over id, uri, domain, size, width,
        height and mtime_ns (of the first place by uri). Equal scores keep the order of insertion. A picture that is
        itself in the gallery is found like any other. `exact` is that of `answers`.

        Raises UsageError for k < 1, an unknown domain, a wrong `where`, or no query; SamekindError for a gallery that
        has no pictures yet; ImageError for a picture that cannot be opened.
        """
        terms = [Term("image", image)] if image is not None else []
        terms += [Term("text", text)] if text is not None else []
        if query is not None and terms:
            raise UsageError("Give either a composed query, or a picture and a text.")
        composed = query or Query(tuple(terms))
        if k < 1:
            raise UsageError(f"k must be 1 or more, not {k}.")
        self.check_filled()
        began = time.perf_counter()
        vector = composed.vector(self.retriever)
        encoded = time.perf_counter()
        (found,), compared = self.answers(vector[None], k, domains=domains, where=where, exact=exact)
        return Hits(
            hits=found,
            rows=self.rows,
            retriever=self.meta.sha256,
            retriever_name=self.meta.name,
            exact=compared,
            encode_seconds=encoded - began,
            search_seconds=time.perf_counter() - encoded,
        )

    def nearest(
        self,
        vectors: Float32[np.ndarray, "q d"],
        k: int = 20,
        *,
        offset: int = 0,
        domains: Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = True,
    ) -> list[tuple[Hit, ...]]:
        """The hits of many query vectors at once, each as the retriever would give it; raises as `search` does.

        `offset` of the best are left out, so that ranks begin at offset + 1.
        In the space poincare these are points strictly inside the unit ball; raises SamekindError for others.
        """
        return self.answers(vectors, k, offset=offset, domains=domains, where=where, exact=exact)[0]

    def _overtaken(self) -> bool:
        """Whether there is something else on disk by now than searches see."""
        return read_meta(self.path) != self.meta or latest_version(self.path) not in (self.version, None)

    def check_filled(self) -> None:
        """Raise SamekindError for a gallery without pictures."""
        if not self.rows:
            raise SamekindError(
                f"The gallery {self.path} has no pictures yet. Index some first: "
                f"samekind index PICTURES --gallery {self.path}"
            )
