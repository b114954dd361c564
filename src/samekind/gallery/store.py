"""A gallery: a folder of encoded pictures that belongs to one retriever, to index into and to search."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery import search
from samekind.gallery.commit import Writer
from samekind.gallery.hits import Hit, Hits
from samekind.gallery.ingest import Ingest, Options
from samekind.gallery.lock import LOCK_NAME, write_lock
from samekind.gallery.plan import LEDGER_COLUMNS, Ledger, Source, make_plan
from samekind.gallery.query import Query, Term
from samekind.gallery.report import SKIPPED_NAME, IngestReport, Progress, Teller, write_skipped
from samekind.gallery.schema import META_NAME, TABLE_NAME, Meta, RetrieverLike, read_meta, write_meta
from samekind.gallery.spaces import space_of
from samekind.gallery.table import PictureTable, latest_version, refusals
from samekind.gallery.vectors import CACHE_NAME, Snapshot, load_snapshot
from samekind.images.refs import is_url
from samekind.images.source import list_images

_OWN = {LOCK_NAME, CACHE_NAME, SKIPPED_NAME, f"{TABLE_NAME}.lance"}


class Gallery:
    """A folder of encoded pictures.

    One process indexes at a time, any number read meanwhile. Searches see one version, the newest at the time of the
    first of them, until `refresh` or `add`.
    """

    def __init__(self, path: Path, meta: Meta, retriever: RetrieverLike | None) -> None:
        """Use `open`."""
        self.path = path
        self.meta = meta
        self._retriever = retriever
        self._snapshot: Snapshot | None = None

    @classmethod
    def open(cls, path: str | Path, retriever: RetrieverLike | None = None, *, create: bool | None = None) -> "Gallery":
        """Open a gallery; where there is none, make an empty one if `create` (by default: if a retriever is given).

        Without a retriever, the one that filled the gallery is loaded when it is needed. Raises SamekindError for what
        is no gallery, a damaged one, one of a newer samekind, or one that another retriever filled.
        """
        folder = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 (resolve() would follow links)
        if create is None:
            create = retriever is not None
        if create and not (folder / META_NAME).exists():
            if retriever is None:
                raise UsageError(f"There is no gallery {folder} yet; a new one needs a retriever to be opened with.")
            _create(folder, retriever)
        meta = read_meta(folder)
        if retriever is not None:
            _check_retriever(folder, meta, retriever)
        return cls(folder, meta, retriever)

    @property
    def retriever(self) -> RetrieverLike:
        """The retriever that filled the gallery, loaded where none was given; raises SamekindError if it changed."""
        if self._retriever is None:
            from samekind.retriever.store import load  # torch, which listing or describing a gallery does without

            try:
                retriever = load(self.meta.ref or self.meta.name)
            except SamekindError as error:
                raise SamekindError(
                    f"The gallery {self.path} was filled by the retriever {self.meta.name}, which cannot be loaded "
                    f"from where it was ({error}). Say where it is now: --retriever DIR."
                ) from error
            _check_retriever(self.path, self.meta, retriever)
            self._retriever = retriever
        return self._retriever

    @property
    def rows(self) -> int:
        """How many pictures there are; exact duplicates count once."""
        return len(self.snapshot())

    @property
    def domains(self) -> list[str]:
        """The domains of the pictures, sorted."""
        return self.snapshot().domains

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that pictures were indexed from, or that their lists and manifests were in."""
        return self.meta.roots

    @property
    def version(self) -> int:
        """Of what searches see; grows with every commit."""
        return self.snapshot().version

    def newest_version(self) -> int | None:
        """What is on disk by now, from names of files alone; None when that does not tell."""
        return latest_version(self.path)

    def snapshot(self) -> Snapshot:
        """The version that searches see."""
        if self._snapshot is None:
            with refusals(self.path):
                self._snapshot = load_snapshot(self.path, self.meta)
        return self._snapshot

    def refresh(self) -> None:
        """See what has been committed since."""
        self._snapshot = None

    def add(
        self,
        *sources: str | Path,
        domain: str | None = None,
        domain_from_folder: bool = False,
        workers: int | None = None,
        allow_urls: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Index folders, pictures, lists and manifests: only what is new or changed is read.

        Pictures that are gone from a folder among the sources are taken out; lists, manifests and pictures take out
        nothing. `domain` is given to all pictures (a manifest's own goes first), `domain_from_folder` gives them the
        name of the first folder below the source; a picture without either keeps the domain it had. `progress` is
        called a few times a second. Pictures that cannot be used are listed in skipped.jsonl.

        Raises UsageError for sources that do not exist, SamekindError for a source without pictures, a gallery that is
        being indexed by another process, or a full disk; what was reported as done stays done.
        """
        if not sources:
            raise UsageError("There is nothing to index; give folders, pictures, lists or manifests.")
        if workers is not None and workers < 1:
            raise UsageError(f"The number of workers must be 1 or more, not {workers}.")
        began = time.monotonic()
        found = [_source(source, domain, domain_from_folder, allow_urls) for source in sources]
        options = Options(workers, allow_urls=allow_urls, inherit_domain=not domain_from_folder)
        with write_lock(self.path):
            try:
                report = self._ingest(found, options, progress)
            finally:
                self.refresh()
            report.rows = self.rows
        report.seconds = time.monotonic() - began
        return report

    def _ingest(
        self, sources: Sequence[Source], options: Options, progress: Callable[[Progress], None] | None
    ) -> IngestReport:
        table = PictureTable.open(self.path)
        ledger = Ledger.read(table.scan(LEDGER_COLUMNS))
        teller = Teller(progress)
        plan = make_plan(ledger, sources, teller)
        self._remember(source.root for source in sources if source.root)
        run = Ingest(lambda: self.retriever, Writer(table, ledger, self.meta.width), plan, options, teller)
        try:
            return run.run()
        finally:
            with refusals(self.path):
                write_skipped(self.path, run.skipped)

    def _remember(self, roots: Iterable[str]) -> None:
        """Note where pictures come from; the lock's holder alone may."""
        known = read_meta(self.path)  # another process may have indexed since we looked
        self.meta = known.rooted(roots)
        if self.meta != known:
            with refusals(self.path):
                write_meta(self.path, self.meta)

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
        itself in the gallery is found like any other. Every search is exact so far, whatever `exact` says.

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
        self._filled()
        began = time.perf_counter()
        vector = composed.vector(self.retriever)
        encoded = time.perf_counter()
        found = self.nearest(vector[None], k, domains=domains, where=where)[0]
        return Hits(
            hits=found,
            rows=self.rows,
            retriever=self.meta.sha256,
            retriever_name=self.meta.name,
            exact=True,
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
    ) -> list[tuple[Hit, ...]]:
        """The hits of many query vectors at once, each as the retriever would give it; raises as `search` does.

        `offset` of the best are left out, so that ranks begin at offset + 1.
        In the space poincare these are points strictly inside the unit ball; raises SamekindError for others.
        """
        snapshot, mask = self._chosen(domains, where)
        queries = snapshot.space.queries(vectors)
        space, longest = snapshot.space, snapshot.longest
        results = search.top_k(snapshot.vectors, queries, k + offset, mask, space=space, longest=longest)
        return [search.hits(snapshot, result, domains, offset) for result in results]

    def matching(self, domains: Sequence[str] | None = None) -> int:
        """How many pictures a search in these domains ranks; raises UsageError for an unknown one."""
        mask = search.choose(self.snapshot(), domains, None)
        return self.rows if mask is None else int(np.count_nonzero(mask))

    def _chosen(
        self, domains: Sequence[str] | None, where: str | None
    ) -> tuple[Snapshot, Bool[np.ndarray, " n"] | None]:
        snapshot = self._filled()
        if where is None:
            return snapshot, search.choose(snapshot, domains, None)
        try:
            matching = self._matching(snapshot, where)
        except UsageError:
            raise
        except SamekindError:  # an indexer has tidied the version away since; go on with what is there now
            self.refresh()
            snapshot = self._filled()
            matching = self._matching(snapshot, where)
        return snapshot, search.choose(snapshot, domains, matching)

    def _matching(self, snapshot: Snapshot, where: str) -> Int64[np.ndarray, " m"]:
        table = PictureTable.open(self.path)
        return (table if table.version == snapshot.version else table.at(snapshot.version)).filter(where)

    def _filled(self) -> Snapshot:
        snapshot = self.snapshot()
        if not len(snapshot):
            raise SamekindError(
                f"The gallery {self.path} has no pictures yet. Index some first: "
                f"samekind index PICTURES --gallery {self.path}"
            )
        return snapshot


def _create(folder: Path, retriever: RetrieverLike) -> None:
    """Make an empty gallery; gallery.json comes last, so that a folder with it has a table."""
    space_of(retriever.space, f"The retriever {retriever.name}")
    with refusals(folder):
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; choose a folder for the gallery.")
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.name not in _OWN and not entry.name.startswith(f".{META_NAME}")
        )
        if foreign:
            raise UsageError(
                f"{folder} is no gallery and not empty (it has {foreign[0]}); choose a new or empty folder."
            )
        with write_lock(folder):
            if not (folder / META_NAME).exists():
                meta = Meta.of(retriever)
                PictureTable.create(folder, meta.width)
                write_meta(folder, meta)


def _check_retriever(folder: Path, meta: Meta, retriever: RetrieverLike) -> None:
    filled, given = ((one.sha256, one.dim, one.space) for one in (meta, retriever))
    if filled != given:
        whose, others = (f"sha256 {sha256[:12]}, {dim} numbers, {space}" for sha256, dim, space in (filled, given))
        raise SamekindError(
            f"The gallery {folder} was filled by the retriever {meta.name} ({whose}), whose vectors cannot be compared "
            f"with those of {retriever.name} ({others}). Use {meta.name}, or index the pictures with {retriever.name} "
            "into another gallery."
        )


def _source(source: str | Path, domain: str | None, domain_from_folder: bool, allow_urls: bool) -> Source:
    """Start a listing; raises UsageError when there is no such source."""
    where = str(source) if is_url(str(source)) else _settled(Path(source))
    found = list_images(where, domain=domain, domain_from_folder=domain_from_folder, allow_urls=allow_urls)
    if is_url(where):
        return Source(where, None, None, found)
    folder = where if Path(where).is_dir() else None
    return Source(str(source), folder, folder or str(Path(where).parent), found)


def _settled(path: Path) -> str:
    """The path as it appears in uris: absolute, without `..`, links kept."""
    path = path.absolute()
    if path.name == "..":
        return os.path.realpath(path)
    return str(Path(os.path.realpath(path.parent), path.name)) if ".." in path.parts else str(path)
