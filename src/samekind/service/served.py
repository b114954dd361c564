"""A gallery as a service has it: retriever and vectors loaded, exchanged as a whole when the gallery grows."""

from collections.abc import Sequence
from pathlib import Path

from samekind.gallery.store import Gallery
from samekind.service.settings import Settings


class Served:
    """One gallery under the name that addresses have for it.

    `gallery` has its snapshot loaded, and is replaced by another object when the gallery grows: who takes it once has
    one version throughout. `reloads` counts that.
    """

    def __init__(self, name: str, gallery: Gallery, settings: Settings) -> None:
        self.name = name
        self.gallery = gallery
        self.reloads = 0
        self._settings = settings

    async def watch(self) -> None:
        """Look for a newer version every `settings.reload_seconds` and go over to it, until cancelled."""
        raise NotImplementedError

    def shown(self, uri: str) -> str:
        """What people see of a uri: the path from its root's own name on, an http(s) address whole, or a bare name."""
        raise NotImplementedError


def open_served(folders: Sequence[Path], retriever: str | None, settings: Settings) -> dict[str, Served]:
    """Load galleries by the names of their folders, a retriever that several have once.

    `retriever` is as `samekind.retriever.store.load` takes it, None for the one that filled each gallery. Raises
    SamekindError for what is no gallery or belongs to another retriever, UsageError for the same folder twice.
    """
    raise NotImplementedError
