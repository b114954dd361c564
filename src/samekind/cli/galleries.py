"""Opening a gallery with the retriever that filled it, and naming its pictures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from samekind.errors import SamekindError

if TYPE_CHECKING:
    from samekind.gallery.store import Gallery


def open_filled(folder: str, retriever: str | None) -> "Gallery":
    """An existing gallery, with the retriever asked for or the one it remembers.

    Raises SamekindError, naming --retriever, when the remembered one has gone.
    """
    from samekind.gallery.store import Gallery

    if retriever is not None:
        from samekind.retriever.store import load

        return Gallery.open(folder, load(retriever), create=False)
    gallery = Gallery.open(folder)
    ref = gallery.meta.ref
    if ref is None or (Path(ref).is_absolute() and not Path(ref).is_dir()):
        where = f"at {ref}, where it is no more" if ref else "and was not saved then"
        raise SamekindError(
            f"{folder} was filled by the retriever {gallery.meta.name} (sha256 {gallery.meta.sha256[:12]}) {where}. "
            "Say with --retriever where it is now."
        )
    return gallery


def short(uri: str) -> str:
    """A path below the current folder relative to it, anything else as it is."""
    return uri.removeprefix(f"{Path.cwd()}{os.sep}") or uri
