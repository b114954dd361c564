"""A gallery: a folder of encoded pictures that belongs to one retriever, to index into and to search."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from samekind.errors import SamekindError, UsageError
from samekind.gallery import search
from samekind.gallery.ann.build import Builder, Keeper, here
from samekind.gallery.ann.finder import Finder, nearest_rows, open_finder
from samekind.gallery.commit import Writer
from samekind.gallery.hits import Hit
from samekind.gallery.ingest import Ingest
from samekind.gallery.lock import write_lock
from samekind.gallery.making import check_retriever, create_gallery
from samekind.gallery.pictures import Outside, Picture, outside_of, picture_of
from samekind.gallery.place import Place, place_of
from samekind.gallery.plan import LEDGER_COLUMNS, Ledger, Source, make_plan, source_of
from samekind.gallery.refusing import refusals
from samekind.gallery.report import IngestReport, Progress, Teller, write_skipped
from samekind.gallery.schema import META_NAME, Meta, damaged, read_meta, write_meta
from samekind.gallery.searching import Searchable
from samekind.gallery.table import PictureTable
from samekind.gallery.vectors import Snapshot, load_snapshot
from samekind.reading.choice import chosen_reader
from samekind.reading.opening import Reader
from samekind.retriever.protocol import RetrieverLike


class Gallery(Searchable):
    """A folder of encoded pictures.

    One process indexes at a time, any number read meanwhile. Searches see one version, the newest at the time of the
    first of them, until `refresh` or `add`.
    """

    def __init__(self, path: Place, meta: Meta, retriever: RetrieverLike | None) -> None:
        """Use `open`."""
        self.path = path
        self.meta = meta
        self._retriever = retriever
        self._snapshot: Snapshot | None = None
        self._finder: tuple[Snapshot, Finder | None] | None = None  # the index of a snapshot
        self._filter: tuple[int, str, Int64[np.ndarray, " m"]] | None = None  # what a version has of the last `where`

    @classmethod
    def open(
        cls, path: str | Place, retriever: RetrieverLike | None = None, *, create: bool | None = None
    ) -> "Gallery":
        """Open a gallery; where there is none, make an empty one if `create` (by default: if a retriever is given).

        It is a folder, or at s3://BUCKET/FOLDER or gs://BUCKET/FOLDER. Without a retriever, the one that filled it is
        loaded when it is needed. Raises SamekindError for what is no gallery, a damaged one, one of a newer samekind,
        or one that another retriever filled.
        """
        folder = place_of(path)
        if create is None:
            create = retriever is not None
        if create and not (folder / META_NAME).exists():
            if retriever is None:
                raise UsageError(f"There is no gallery {folder} yet; a new one needs a retriever to be opened with.")
            create_gallery(folder, retriever)
        meta = read_meta(folder)
        if retriever is not None:
            check_retriever(folder, meta, retriever)
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
            check_retriever(self.path, self.meta, retriever)
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
    def domain_counts(self) -> dict[str | None, int]:
        """Rows with a place in each domain, sorted by name; at None, where there are some, rows with one in none."""
        return self.snapshot().domain_counts

    @property
    def version(self) -> int:
        """Of what searches see; grows with every commit."""
        return self.snapshot().version

    def newer(self) -> "Gallery | None":
        """The gallery as it is on disk, loaded; None where that is what searches see."""
        if not self._overtaken():
            return None
        fresh = Gallery.open(self.path, self.retriever, create=False)
        return fresh.prepared()

    def prepared(self) -> "Gallery":
        """This, with all that a first search would load: the rows, and the index with what reads it."""
        snapshot = self.snapshot()
        if len(snapshot) and (finder := self._found(snapshot)):
            finder.find(snapshot.space.queries(snapshot.vectors_of([0]))[0], 1)
            self.trouble = finder.trouble
        return self

    def picture(self, name: str) -> Picture | None:
        """The picture with this id, None where there is none."""
        return picture_of(self.snapshot(), name)

    def outside(self, roots: Sequence[str], *, urls: bool) -> Outside:
        """The pictures with no place below these folders, and none at an address if `urls` may be shown."""
        return outside_of(self.snapshot(), roots, urls=urls)

    def snapshot(self) -> Snapshot:
        """The version that searches see."""
        if self._snapshot is None:
            with refusals(self.path):
                self._snapshot = load_snapshot(self.path, self.meta)
        return self._snapshot

    def refresh(self) -> None:
        """See what has been committed since."""
        self._snapshot = None

    def _newest(self) -> Snapshot:
        self.refresh()
        return self.snapshot()

    def add(
        self,
        *sources: str | Path,
        domain: str | None = None,
        domain_from_folder: bool = False,
        workers: int | None = None,
        allow_urls: bool = False,
        progress: Callable[[Progress], None] | None = None,
        ann: bool | None = None,
        ray: str | None = None,
        processes: int | None = None,
    ) -> IngestReport:
        """Index folders, pictures, lists and manifests: only what is new or changed is read.

        Pictures that are gone from a folder among the sources are taken out; lists, manifests and pictures take out
        nothing. `domain` is given to all pictures (a manifest's own goes first), `domain_from_folder` gives them the
        name of the first folder below the source; a picture without either keeps the domain it had. `progress` is
        called a few times a second. Pictures that cannot be used are listed in skipped.jsonl.

        `ann` builds an index for approximate searches (True), or removes it for good (False); None keeps one that is
        there up to date, and builds one of itself for galleries of `ann.AUTOMATIC` pictures.

        `workers` threads open the pictures, or `processes`: then one that crashes or hangs is skipped, and no more
        (`processes.py`). `ray` is a Ray cluster whose nodes open and encode them, "HOST:PORT", "auto" or "local"
        (`cluster.py`); `workers` are then the cores of each of its workers.

        Raises UsageError for sources that do not exist, SamekindError for a source without pictures, a gallery that is
        being indexed by another process, or a full disk; what was reported as done stays done.
        """
        if not sources:
            raise UsageError("There is nothing to index; give folders, pictures, lists or manifests.")
        began = time.monotonic()
        reader = chosen_reader(workers=workers, processes=processes, ray=ray, allow_urls=allow_urls)
        found = [source_of(source, domain, domain_from_folder, allow_urls) for source in sources]
        keeper = Keeper(self.path, self.meta, self._newest, lambda: self.retriever, _builder(ray))
        keeper.check(ann)
        with write_lock(self.path) as held:
            try:
                report = self._ingest(found, reader, progress, held, inherit_domain=not domain_from_folder)
            finally:
                self.refresh()
            held()
            kept = keeper.keep(ann)
            self.refresh()
            report.ann = kept.to_dict() if kept else None
            report.rows = self.rows
        report.seconds = time.monotonic() - began
        return report

    def _ingest(
        self,
        sources: Sequence[Source],
        reader: Reader,
        progress: Callable[[Progress], None] | None,
        held: Callable[[], None],
        *,
        inherit_domain: bool,
    ) -> IngestReport:
        table = PictureTable.open(self.path)
        ledger = Ledger.read(table.scan(LEDGER_COLUMNS))
        if len(ledger.rows) != table.rows:
            raise damaged(self.path, "it has a picture in two rows, as after two processes wrote at once")
        teller = Teller(progress)
        plan = make_plan(ledger, sources, teller)
        held()  # listing may have taken long
        self._remember(source.root for source in sources if source.root)
        writer = Writer(table, ledger, self.meta.width)
        run = Ingest(lambda: self.retriever, writer, plan, reader, teller, inherit_domain=inherit_domain)
        try:
            report = run.run()
        except BaseException:
            with suppress(OSError, SamekindError):  # what ended the run is what is told
                held()
                write_skipped(self.path, run.skipped)
            raise
        with refusals(self.path):
            write_skipped(self.path, run.skipped)
        return report

    def _remember(self, roots: Iterable[str]) -> None:
        """Note where pictures come from; the lock's holder alone may."""
        known = read_meta(self.path)  # another process may have indexed since we looked
        self.meta = known.rooted(roots)
        if self.meta != known:
            with refusals(self.path):
                write_meta(self.path, self.meta)

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

        With `exact` false, an index names candidates, whose scores and order are the exact ones; every row is compared
        where there is no index, and for the queries and filters that it is no good for (`ann.finder.Finder.find`).
        """
        if k < 1:
            raise UsageError(f"k must be 1 or more, not {k}.")
        snapshot, mask = self._chosen(domains, where)
        search.check_domains(domains, snapshot.domains)
        queries = snapshot.space.queries(vectors)
        finder = None if exact else self._found(snapshot)
        results, compared = nearest_rows(snapshot, finder, queries, k + offset, mask)
        self.trouble = finder.trouble if finder else self.trouble
        told = [search.found(snapshot, result, domains, offset) for result in results]
        return [search.hits(rows, snapshot.space, offset) for rows in told], compared

    def _found(self, snapshot: Snapshot) -> Finder | None:
        """The index of this snapshot, looked for once."""
        if self._finder is None or self._finder[0] is not snapshot:
            self.trouble, finder = "", None
            try:
                finder = open_finder(self.path, self.meta, snapshot)
            except SamekindError as error:
                self.trouble = str(error)
            self._finder = (snapshot, finder)
        return self._finder[1]

    def matching(self, domains: Sequence[str] | None = None) -> int:
        """How many pictures a search in these domains ranks; raises UsageError for an unknown one."""
        search.check_domains(domains, self.domains)
        mask = search.choose(self.snapshot(), domains, None)
        return self.rows if mask is None else int(np.count_nonzero(mask))

    def _chosen(
        self, domains: Sequence[str] | None, where: str | None
    ) -> tuple[Snapshot, Bool[np.ndarray, " n"] | None]:
        snapshot = self._filled()
        if where is None:
            return snapshot, search.choose(snapshot, domains, None)
        while True:
            try:
                return snapshot, search.choose(snapshot, domains, self._matching(snapshot.version, where))
            except UsageError:
                raise
            except SamekindError:  # an indexer has tidied the version away since; go on with what is there now
                self.refresh()
                before, snapshot = snapshot, self._filled()
                if snapshot.version == before.version:
                    raise

    def _matching(self, version: int, where: str) -> Int64[np.ndarray, " m"]:
        """`search.matching`, looked for once for all searches that ask the same of one version."""
        if self._filter is None or self._filter[:2] != (version, where):
            self._filter = (version, where, search.matching(self.path, version, where))
        return self._filter[2]

    def _filled(self) -> Snapshot:
        self.check_filled()
        return self.snapshot()


def _builder(ray: str | None) -> Builder:
    """Who builds the index."""
    if ray is None:
        return here
    from samekind.gallery.ann.cluster import ClusterBuilder

    return ClusterBuilder(ray)
