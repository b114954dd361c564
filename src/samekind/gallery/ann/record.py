"""What is known of a gallery's vector index, kept in ann.json: how it was made, how it is asked, what it finds."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

import samekind
from samekind.errors import SamekindError
from samekind.gallery.place import Place, write_atomically

ANN_NAME = "ann.json"
ANN_SCHEMA = 1
TEN = 10  # hits that recall is measured for, and that efforts are
AIM = 0.99  # of the ten best, at least, that a search has to find, or searches stay exact
AUTOMATIC = 500_000  # rows from which an index is built unasked (docs/decisions/0010-index-of-bits.md)
FEWEST = 1000  # rows that an index can be built of

State = Literal["ready", "exact", "building", "refused"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How an index is asked: cells that it looks into, and rows that it gives back for ten hits or fewer."""

    probes: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Ann:
    """The content of ann.json.

    state: `ready`, searches may use it; `exact`, it misses the aim, and they do not; `building`, it is asked for and
    not there (a run was killed, or there are few rows); `refused`, it is not wanted (--no-ann). kind, partitions: of
    Lance's index; trained: rows when it was made; built: by whom, where not by the indexing process as ever; rows,
    version: the table's when it was measured; megabytes: on disk.

    A search asks with the effort `near`. Where the best hit scores below `line`, the query is unlike all rows, and its
    neighbours are in many cells: it is asked again with `far`, or compared with every row where that is None. Without
    a line `near` is enough for all. recall: share of the ten best that are found, by kind of query; queries: how many.
    """

    state: State
    gallery: str
    kind: str = ""
    partitions: int = 0
    trained: int = 0
    rows: int = 0
    version: int = 0
    megabytes: float = 0.0
    near: Effort | None = None
    far: Effort | None = None
    line: float | None = None
    recall: dict[str, float] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    built: str = ""
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """What ann.json holds, the schema's version first."""
        return {"schema": ANN_SCHEMA, "samekind": samekind.__version__, **asdict(self)}

    def summary(self) -> str:
        """One sentence for people."""
        if self.state == "refused":
            return "No index, as asked for: searches compare with every picture."
        if self.state == "building":
            return f"No index yet: samekind index builds it when it runs next and finds {FEWEST:,} pictures or more."
        found = ", ".join(f"{share:.3f} for {what}" for what, share in self.recall.items())
        told = f"{self.kind} of {self.rows:,} pictures, {self.megabytes:,.0f} MB, recall@10 {found}"
        told += f", built {self.built}" if self.built else ""
        if self.state == "exact":
            return f"The index does not reach recall@10 {AIM} ({told}): searches stay exact."
        return f"Searches may use the index: {told}."


def now() -> str:
    """The time, for `created`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_ann(folder: Place, ann: Ann) -> None:
    """Write ann.json, whole or not at all."""
    write_atomically(folder / ANN_NAME, json.dumps(ann.to_dict(), indent=2).encode() + b"\n")


def read_ann(folder: Place, gallery: str) -> Ann | None:
    """Read ann.json; None where there is none, or where it is about another gallery.

    Raises SamekindError for one that is damaged or of another version; searches are exact then.
    """
    try:
        data = (folder / ANN_NAME).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SamekindError(_trouble(folder, f"cannot be read: {os.strerror(error.errno or 0)}")) from error
    try:
        values = json.loads(data)
        schema = values.pop("schema")
        if schema != ANN_SCHEMA:
            raise SamekindError(_trouble(folder, f"has schema {schema}, and this samekind reads {ANN_SCHEMA}"))
        known = {one.name for one in fields(Ann)}
        facts = {name: value for name, value in values.items() if name in known}
        for name in ("near", "far"):
            facts[name] = None if facts[name] is None else Effort(**facts[name])
        ann = Ann(**facts)
        if ann.state not in ("ready", "exact", "building", "refused") or (ann.state == "ready" and not ann.near):
            raise ValueError("its state is unknown")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SamekindError(_trouble(folder, "is damaged")) from error
    return ann if ann.gallery == gallery else None


def _trouble(folder: Place, what: str) -> str:
    return (
        f"{folder / ANN_NAME} {what}. Searches compare with every picture until the index is built again: "
        f"samekind index PICTURES --gallery {folder} --ann"
    )
