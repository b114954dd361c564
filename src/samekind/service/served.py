"""A gallery as a service has it: retriever and vectors loaded, exchanged as a whole when the gallery grows."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from samekind.errors import UsageError
from samekind.gallery.place import Place, place_of
from samekind.gallery.schema import read_meta
from samekind.gallery.searching import Searchable
from samekind.gallery.store import Gallery
from samekind.retriever.protocol import RetrieverLike
from samekind.service.settings import Settings

_log = logging.getLogger(__name__)


class Served:
    """One gallery under the name that addresses have for it.

    `gallery` has its snapshot loaded, and is replaced by another object when the gallery grows: who takes it once has
    one version throughout. `reloads` counts that. `replicas` are those of each shard, where it has shards.
    """

    def __init__(self, name: str, gallery: Searchable, settings: Settings) -> None:
        self.name = name
        self.gallery = gallery
        self.reloads = 0
        self.replicas = gallery.alive()
        self._settings = settings
        self._roots = [os.path.abspath(root) for root in settings.roots]  # noqa: PTH100 (resolve() would follow links)
        self._remark = ""
        self._trouble = ""
        self._tell_trouble()

    async def watch(self) -> None:
        """Look for a newer version every `settings.reload_seconds` and go over to it, until cancelled.

        What cannot be gone over to, as a gallery of another retriever at the same place, is logged once; the version
        that there is stays.
        """
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            self._tell_trouble()
            try:
                self.replicas = await asyncio.to_thread(self.gallery.alive)
                fresh = await asyncio.to_thread(self.gallery.newer)
            except Exception as error:  # nothing that happens to a folder may end the watch
                self._say(str(error) or type(error).__name__)
                continue
            self._remark = ""
            if fresh is not None:
                self.gallery = fresh
                self.reloads += 1
                _log.info("%s: version %d, %d pictures", self.name, fresh.version, fresh.rows)

    def _tell_trouble(self) -> None:
        """Say once that searches compare with every picture, where an index was to spare them that."""
        if self.gallery.trouble not in ("", self._trouble):
            _log.warning("%s: %s", self.name, self.gallery.trouble)
        self._trouble = self.gallery.trouble

    def _say(self, remark: str) -> None:
        if remark != self._remark:
            _log.warning("%s stays as it was: %s", self.name, remark)
        self._remark = remark

    def shown(self, uri: str) -> str:
        """What people see of a uri: the path from its root's own name on, an http(s) address whole, or a bare name."""
        if re.match(r"https?://", uri, re.IGNORECASE):
            return uri
        for root in (*self.gallery.roots, *self._roots):
            if uri.startswith(inside := f"{root.rstrip('/')}/"):
                return str(PurePosixPath(PurePosixPath(root).name, uri.removeprefix(inside)))
        return PurePosixPath(uri).name


def loaded(gallery: Gallery) -> Searchable:
    """A gallery with its rows in this process."""
    return gallery.prepared()


def open_served(
    folders: Sequence[str | Place],
    retriever: str | None,
    settings: Settings,
    load: Callable[[Gallery], Searchable] = loaded,
) -> dict[str, Served]:
    """Load galleries by the names of their folders, a retriever that several have once.

    `retriever` is as `samekind.retriever.store.load` takes it, None for the one that filled each gallery; `load` gets a
    gallery ready to be searched. Raises SamekindError for what is no gallery or belongs to another retriever,
    UsageError for the same folder twice.
    """
    places = [_settled(folder) for folder in folders]
    if twice := [str(folder) for folder, place in zip(folders, places, strict=True) if places.count(place) > 1]:
        raise UsageError(f"The gallery {twice[0]} is named more than once; name each gallery once.")
    known: dict[str, RetrieverLike] = {}
    given = _loaded(retriever) if retriever is not None else None
    served: dict[str, Served] = {}
    for folder, place in zip(folders, places, strict=True):
        meta = read_meta(place_of(folder))
        gallery = Gallery.open(folder, given or known.get(meta.sha256), create=False)
        if meta.sha256 not in known:
            known[meta.sha256] = _warm(gallery.retriever)
        name = _name(place, served)
        served[name] = Served(name, load(gallery), settings)
    return served


def _loaded(ref: str) -> RetrieverLike:
    from samekind.retriever.store import load  # torch, which describing a gallery does without

    return load(ref)


def _warm(retriever: RetrieverLike) -> RetrieverLike:
    """After a first picture and text, which take up to ten times as long as those that follow."""
    size = retriever.preprocess.size
    retriever.encode_pixels(np.zeros((1, size, size, 3), np.uint8))
    retriever.encode_texts(["red"])
    return retriever


def _settled(folder: str | Place) -> Place:
    """The place itself, whatever links lead there."""
    place = place_of(folder)
    return Path(os.path.realpath(place)) if isinstance(place, Path) else place


def _name(place: Place, taken: dict[str, Served]) -> str:
    """The folder's name as part of an address, with a number where it is taken."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", place.name.lower()).strip(".-")
    name = plain = plain or "gallery"
    number = 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name
