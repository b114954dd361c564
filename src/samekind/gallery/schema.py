"""What is on disk: the columns of the table, and gallery.json, which says whose vectors they are."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses

import samekind
from samekind.errors import SamekindError
from samekind.gallery.place import Place, write_atomically
from samekind.gallery.spaces import SPACES, Space, space_of
from samekind.retriever.protocol import RetrieverLike

SCHEMA = 1
META_NAME = "gallery.json"
TABLE_NAME = "pictures"
_OWN = ("uuid", "created", "samekind")  # what gallery.json says of the gallery itself

# What `--where` may speak of; they describe the row's own place, the first of its places by uri.
WHERE_COLUMNS = ("id", "uri", "domain", "size", "width", "height", "mtime_ns")

PLACE = pa.struct([("uri", pa.string()), ("domain", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64())])


def table_schema(width: int) -> pa.Schema:
    """One row per content, with `width` numbers stored of its vector.

    The row's place is the first of its places by uri, `copies` are the others, sorted. `seq` counts insertions and
    defines the gallery's order; `id` is the beginning of `content_hash` (SHA-256 of the file); `mtime_ns` is null for
    what has no time of change (URLs); the columns `width` and `height` are upright pixels.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("seq", pa.int64(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("domain", pa.string()),
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64()),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("copies", pa.list_(PLACE), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), width), nullable=False),
        ]
    )


@dataclass(frozen=True, slots=True)
class Meta:
    """The content of gallery.json: whose vectors these are. `uuid` tells a gallery from another at the same place.

    `dim` is that of the retriever; what is stored of a vector is `width` numbers, which the space decides. `roots` are
    the folders that pictures were indexed from.
    """

    name: str
    sha256: str
    dim: int
    space: str
    ref: str | None
    uuid: str
    created: str
    samekind: str = samekind.__version__
    roots: tuple[str, ...] = ()

    @classmethod
    def of(cls, retriever: RetrieverLike) -> "Meta":
        """The facts of a new gallery for this retriever."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        facts = (retriever.name, retriever.sha256, retriever.dim, retriever.space, retriever.ref)
        return cls(*facts, uuid=uuid.uuid4().hex, created=created)

    @property
    def compared(self) -> Space:
        """How the vectors are stored and compared."""
        return SPACES[self.space]

    @property
    def width(self) -> int:
        """Numbers that are stored of a vector."""
        return self.compared.width(self.dim)

    def to_dict(self) -> dict[str, Any]:
        """What gallery.json holds, the schema's version first."""
        values = asdict(self)
        own = {key: values.pop(key) for key in (*_OWN, "roots")}
        return {"schema": SCHEMA, **own, "retriever": values}

    def rooted(self, folders: Iterable[str]) -> "Meta":
        """With these folders among the roots, of which none is below another."""
        known = sorted({*self.roots, *folders}, key=lambda folder: Path(folder).parts)
        outer: list[str] = []
        for folder in known:
            if not outer or not Path(folder).is_relative_to(outer[-1]):
                outer.append(folder)
        return replace(self, roots=tuple(outer))


def write_meta(folder: Place, meta: Meta) -> None:
    """Write gallery.json, whole or not at all."""
    write_atomically(folder / META_NAME, json.dumps(meta.to_dict(), indent=2).encode() + b"\n")


def read_meta(folder: Place) -> Meta:
    """Read gallery.json; raises SamekindError when there is none, or it is damaged or newer than this samekind."""
    path = folder / META_NAME
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SamekindError(_no_gallery(folder)) from error
    except OSError as error:
        raise SamekindError(f"{path} cannot be read: {error.strerror}. Make it readable, then try again.") from error
    except ValueError as error:
        raise damaged(folder, f"{META_NAME} is not JSON") from error
    schema = values.get("schema") if isinstance(values, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise SamekindError(
            f"The gallery {folder} has schema {schema}, made by samekind {values.get('samekind', '?')}; this is "
            f"samekind {samekind.__version__}, which reads up to {SCHEMA}. Upgrade: pip install --upgrade samekind."
        )
    try:
        if schema != SCHEMA:
            raise ValueError(f"its schema is {schema!r}")
        roots = values.get("roots", [])  # galleries of samekind 0.1 that were made early have none
        if not isinstance(roots, list) or not all(isinstance(folder, str) for folder in roots):
            raise ValueError("its roots are no list of folders")
        meta = Meta(**values["retriever"], **{key: values[key] for key in _OWN}, roots=tuple(roots))
        if not isinstance(meta.dim, int) or meta.dim < 1 or not isinstance(meta.sha256, str):
            raise ValueError("its retriever has no dimension or hash")
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder, f"{META_NAME} is incomplete: {error}") from error
    space_of(meta.space, f"The gallery {folder}")
    return meta


def _no_gallery(folder: Place) -> str:
    if (folder / f"{TABLE_NAME}.lance").exists():
        return str(damaged(folder, f"{META_NAME} is missing"))
    state = "is no gallery" if folder.exists() else "does not exist"
    return f"{folder} {state}. Index pictures into a gallery first: samekind index PICTURES --gallery {folder}"


def damaged(folder: Place, what: str) -> SamekindError:
    """The refusal of a gallery whose files are missing or garbled."""
    return SamekindError(
        f"The gallery {folder} is damaged ({what}). Restore the folder from a copy, or delete it and index again; "
        "your pictures are not touched by that."
    )
