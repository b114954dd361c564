"""What is to be done: the places that the table knows, compared with those that the sources list."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses

from samekind.errors import SamekindError
from samekind.gallery.report import Teller
from samekind.images import storage
from samekind.images.errors import ImageError
from samekind.images.refs import ImageRef, Skip, is_url
from samekind.images.source import list_images

LEDGER_COLUMNS = ("id", "seq", "uri", "domain", "size", "mtime_ns", "copies")

# Reasons that say nothing about the picture: what the gallery has of it stays as it is.
PASSING = frozenset({"unreadable", "vanished", "url_refused", "url_failed", "crashed"})


class Place(NamedTuple):
    """A content's presence at a uri, with the domain and the stamp (bytes, time of change) that it had there."""

    id: str
    domain: str | None
    size: int
    mtime_ns: int | None


class Ledger:
    """The places of all rows in memory, as the table has them and as they will be: `dirty` rows differ.

    A uri that two rows claim is what a run leaves behind that was killed before its end: the row of the picture's old
    content was not deleted yet. The claim with the stamp that the file has now is the right one; where that does not
    decide, the picture is read again.
    """

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.rows: dict[str, list[str]] = {}
        self.dirty: dict[str, None] = {}
        self.next_seq = 0
        self._disputed: dict[str, list[Place]] = {}

    def __contains__(self, name: object) -> bool:
        """Whether there is a row of this content. Other threads may ask, also while rows come and go."""
        return name in self.rows

    @classmethod
    def read(cls, batches: Iterable[pa.RecordBatch]) -> "Ledger":
        """Build it from batches of `LEDGER_COLUMNS`."""
        ledger = cls()
        for batch in batches:
            columns = [batch.column(name).to_pylist() for name in LEDGER_COLUMNS]
            for name, seq, uri, domain, size, mtime_ns, copies in zip(*columns, strict=True):
                ledger.next_seq = max(ledger.next_seq, seq + 1)
                ledger.rows[name] = []
                ledger._claim(uri, Place(name, domain, size, mtime_ns))
                for copy in copies:
                    ledger._claim(copy["uri"], Place(name, copy["domain"], copy["size"], copy["mtime_ns"]))
        return ledger

    def _claim(self, uri: str, place: Place) -> None:
        if other := self.places.get(uri):
            self._disputed.setdefault(uri, [other]).append(place)
        self.places[uri] = place
        self.rows[place.id].append(uri)

    def unchanged(self, ref: ImageRef) -> bool:
        """Whether this picture is in the table as it is now. Without a stamp (URLs) it is when its uri is."""
        claims = self._disputed.get(ref.uri) or [self.places[ref.uri]] if ref.uri in self.places else []
        stamp = (ref.size, ref.mtime_ns)
        fitting = [place for place in claims if ref.size is None or stamp == (place.size, place.mtime_ns)]
        if len(fitting) != 1:
            return False
        if len(claims) > 1:
            self.attach(ref.uri, fitting[0])
        return True

    def relabel(self, uri: str, domain: str | None) -> bool:
        """Give a known place a new domain; None leaves the old one. Whether anything changed."""
        place = self.places[uri]
        if domain is None or domain == place.domain:
            return False
        self.places[uri] = place._replace(domain=domain)
        self.dirty[place.id] = None
        return True

    def insert(self, name: str) -> int:
        """Make room for a new content; returns its `seq`."""
        self.rows[name] = []
        self.next_seq += 1
        return self.next_seq - 1

    def attach(self, uri: str, place: Place) -> None:
        """Put a place to a row, away from the row that had it."""
        self.detach(uri)
        self.places[uri] = place
        self.rows[place.id].append(uri)
        self.dirty[place.id] = None

    def detach(self, uri: str) -> None:
        """Take a place out; the row stays, even without any, until `orphans` are deleted."""
        place = self.places.pop(uri, None)
        if place is None:
            return
        for claim in self._disputed.pop(uri, [place]):
            self.rows[claim.id].remove(uri)
            self.dirty[claim.id] = None

    def orphans(self) -> list[str]:
        """The dirty rows that no place is left of."""
        return [name for name in self.dirty if not self.rows[name]]

    def facts(self, name: str) -> tuple[str, Place, list[dict[str, object]]]:
        """The row's own place, and its copies as the table holds them."""
        first, *others = sorted(self.rows[name])
        copies = [{"uri": uri, **_stamped(self.places[uri])} for uri in others]
        return first, self.places[first], copies


def _stamped(place: Place) -> dict[str, object]:
    return {"domain": place.domain, "size": place.size, "mtime_ns": place.mtime_ns}


@dataclass
class Plan:
    """The outcome of a listing: pictures to read, known places that are gone, what cannot be used, and counts."""

    pending: dict[str, ImageRef] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    skipped: dict[str, Skip] = field(default_factory=dict)
    unchanged: int = 0
    relabelled: int = 0

    @property
    def total(self) -> int:
        """All that was met, each uri once."""
        return len(self.pending) + self.unchanged + len(self.skipped)


@dataclass(frozen=True)
class Source:
    """One thing to index: its name, the folder that it is (None for lists, manifests and pictures), its listing.

    `root` is the folder that it is or lies in, None for an address. In object storage, where any name may be that of an
    object and of a folder as well, everything is a folder, perhaps with nothing in it.
    """

    name: str
    folder: str | None
    root: str | None
    listing: Iterator[ImageRef | Skip]


def source_of(source: str | Path, domain: str | None, domain_from_folder: bool, allow_urls: bool) -> Source:
    """Start a listing; raises UsageError when there is no such source."""
    where = str(source) if is_url(str(source)) else _settled(Path(source))
    found = list_images(where, domain=domain, domain_from_folder=domain_from_folder, allow_urls=allow_urls)
    if storage.is_object(where):
        return Source(where, storage.parse(where).uri, None, found)
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


def make_plan(ledger: Ledger, sources: Sequence[Source], teller: Teller) -> Plan:
    """Compare the sources with the table; of a uri listed twice the last domain counts.

    Writes nothing: new domains go to `ledger`. Raises SamekindError for a source without any picture, so that a disk
    that is not mounted does not empty the gallery.
    """
    plan, seen = Plan(), set[str]()
    for source in sources:
        found = False
        for item in source.listing:
            if isinstance(item, Skip):
                plan.skipped[item.uri] = item
            else:
                found = True
                _compare(ledger, plan, item, known=item.uri in seen)
                seen.add(item.uri)
            teller.listing(len(plan.skipped), plan.unchanged)
        if not found:
            raise SamekindError(_nothing(source, list(plan.skipped.values())))
    plan.gone = _gone(ledger, plan, seen, [source.folder for source in sources if source.folder])
    return plan


def _compare(ledger: Ledger, plan: Plan, ref: ImageRef, *, known: bool) -> None:
    if ledger.unchanged(ref):
        plan.unchanged += not known
        plan.relabelled += ledger.relabel(ref.uri, ref.domain)
    elif not known or ref.domain is not None:
        plan.pending[ref.uri] = ref


def _gone(ledger: Ledger, plan: Plan, seen: set[str], folders: Sequence[str]) -> list[str]:
    """Known places below the folders that were not listed, because there is no such file, or it is no picture."""
    below = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
    useless = {uri for uri, skip in plan.skipped.items() if skip.reason not in PASSING}
    missing = [uri for uri in ledger.places if uri not in seen and uri.startswith(below)]
    known = useless.union(_absent_objects(missing, folders))
    return [uri for uri in missing if uri in known or (not storage.is_object(uri) and absent(uri))]


def _absent_objects(missing: Sequence[str], folders: Sequence[str]) -> set[str]:
    """Objects that are certainly not there; one that no picture is called like may have come by a list.

    One look at all that the folders hold takes a request for each thousand objects, a look at each takes one for each.
    """
    objects = {uri for uri in missing if storage.is_object(uri)}
    for folder in folders:
        if any(uri.startswith(f"{folder}/") for uri in objects):
            try:
                objects.difference_update(stored.uri for stored in storage.below(folder))
            except ImageError:  # one that does not answer proves nothing
                return set()
    return objects


def absent(uri: str) -> bool:
    """Whether there is certainly no such file; a folder that may not be looked into proves nothing."""
    try:
        os.stat(uri)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _nothing(source: Source, skipped: Sequence[Skip]) -> str:
    refused = f" ({len(skipped)} could not be used, such as {skipped[-1].detail})" if skipped else ""
    return (
        f"No pictures found in {source.name}{refused}. Is the disk mounted, and the name right? "
        "Nothing was changed in the gallery."
    )
