"""An empty gallery for a retriever, and the refusal of another retriever than the one that filled it."""

from samekind.errors import SamekindError, UsageError
from samekind.gallery.ann.record import ANN_NAME
from samekind.gallery.derived import CACHE_NAME
from samekind.gallery.lease import LOCK_TABLE
from samekind.gallery.lock import LOCK_NAME, write_lock
from samekind.gallery.place import Place, Prefix, names
from samekind.gallery.refusing import refusals
from samekind.gallery.report import SKIPPED_NAME
from samekind.gallery.schema import META_NAME, TABLE_NAME, Meta, write_meta
from samekind.gallery.spaces import space_of
from samekind.gallery.table import PictureTable
from samekind.retriever.protocol import RetrieverLike

_OWN = {LOCK_NAME, CACHE_NAME, SKIPPED_NAME, ANN_NAME, f"{TABLE_NAME}.lance", f"{LOCK_TABLE}.lance"}


def create_gallery(folder: Place, retriever: RetrieverLike) -> None:
    """Make an empty gallery; gallery.json comes last, so that a folder with it has a table."""
    space_of(retriever.space, f"The retriever {retriever.name}")
    with refusals(folder):
        if folder.is_file() or (folder.exists() and not isinstance(folder, Prefix) and not folder.is_dir()):
            raise UsageError(f"{folder} is a file; choose a folder for the gallery.")
        if not isinstance(folder, Prefix):
            folder.mkdir(parents=True, exist_ok=True)
        foreign = [name for name in names(folder) if name not in _OWN and not name.startswith(f".{META_NAME}")]
        if foreign:
            raise UsageError(
                f"{folder} is no gallery and not empty (it has {foreign[0]}); choose a new or empty folder."
            )
        with write_lock(folder):
            if not (folder / META_NAME).exists():
                meta = Meta.of(retriever)
                PictureTable.create(folder, meta.width)
                write_meta(folder, meta)


def check_retriever(folder: Place, meta: Meta, retriever: RetrieverLike) -> None:
    filled, given = ((one.sha256, one.dim, one.space) for one in (meta, retriever))
    if filled != given:
        whose, others = (f"sha256 {sha256[:12]}, {dim} numbers, {space}" for sha256, dim, space in (filled, given))
        raise SamekindError(
            f"The gallery {folder} was filled by the retriever {meta.name} ({whose}), whose vectors cannot be compared "
            f"with those of {retriever.name} ({others}). Use {meta.name}, or index the pictures with {retriever.name} "
            "into another gallery."
        )
