"""The retriever's card: what it is and where it comes from, as card.json and as a README."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import samekind
from samekind.errors import SamekindError
from samekind.images.preprocess import Preprocess

SCHEMA = 1
CARD_NAME = "card.json"


@dataclass(frozen=True, slots=True)
class Backbone:
    """The dual encoder below: where it came from, what it calls itself, its hash, the hub's revision.

    `files_sha256` is the hash of the copy in the retriever's own folder; None means the one bundled with samekind.
    """

    ref: str
    name: str
    sha256: str
    revision: str | None = None
    files_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that card.json says. `sha256` is that of the retriever: it changes when a vector would change.

    `scores` are named results between 0 and 1; `data_sha256`, `seed` and `commit` are None where nothing was trained,
    and `training`, which says how it was done, is empty.
    `created` is an ISO 8601 time in UTC.
    """

    name: str
    method: str
    config: Mapping[str, Any]
    backbone: Backbone
    preprocess: Preprocess
    space: str
    dim: int
    sha256: str
    data_sha256: str | None = None
    seed: int | None = None
    commit: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    samekind: str = samekind.__version__

    def to_dict(self) -> dict[str, Any]:
        """The content of card.json, the schema's version first."""
        return {
            "schema": SCHEMA,
            "samekind": self.samekind,
            "name": self.name,
            "method": self.method,
            "config": dict(self.config),
            "backbone": asdict(self.backbone),
            "preprocess": self.preprocess.to_dict(),
            "space": self.space,
            "dim": self.dim,
            "sha256": self.sha256,
            "data_sha256": self.data_sha256,
            "seed": self.seed,
            "commit": self.commit,
            "scores": dict(self.scores),
            "training": dict(self.training),
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: Path) -> "Card":
        """Read what `to_dict` wrote; raises SamekindError for a newer schema or missing and mistyped entries."""
        schema = values.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise SamekindError(
                f"{source} has card schema {schema}, made by samekind {values.get('samekind', '?')}; this is samekind "
                f"{samekind.__version__}, which reads schemas up to {SCHEMA}. Upgrade: pip install --upgrade samekind."
            )
        try:
            if schema != SCHEMA:
                raise ValueError(f"its schema is {schema!r}")
            known = {name: values[name] for name in _TYPES}
            known["training"] = values.get("training", {})  # cards of methods without training had none
            for name, types in {**_TYPES, "training": (dict,)}.items():
                if not isinstance(known[name], types) or isinstance(known[name], bool):
                    raise ValueError(f"{name} is {known[name]!r}")
            known["scores"] = {metric: float(score) for metric, score in known["scores"].items()}
            known["backbone"] = Backbone(**known["backbone"])
            known["preprocess"] = Preprocess.from_dict(known["preprocess"])
            return cls(**known)
        except (KeyError, TypeError, ValueError, SamekindError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise SamekindError(
                f"{source} is damaged ({cause}). Restore the retriever's folder from a copy, or make it again."
            ) from error


_NONE = type(None)
_TYPES: dict[str, tuple[type, ...]] = {
    "samekind": (str,),
    "name": (str,),
    "method": (str,),
    "config": (dict,),
    "backbone": (dict,),
    "preprocess": (dict,),
    "space": (str,),
    "dim": (int,),
    "sha256": (str,),
    "data_sha256": (str, _NONE),
    "seed": (int, _NONE),
    "commit": (str, _NONE),
    "scores": (dict,),
    "created": (str,),
}


def read_card(folder: Path) -> Card:
    """The card of a retriever's folder; raises SamekindError when it is missing, damaged, or too new."""
    path = folder / CARD_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SamekindError(f"{folder} is no retriever: it has no {CARD_NAME}.") from error
    except OSError as error:
        raise SamekindError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SamekindError(f"{path} is damaged: it is not JSON ({error}). Restore it, or make it again.") from error
    if not isinstance(values, dict):
        raise SamekindError(f"{path} is damaged: it holds no JSON object. Restore it, or make it again.")
    return Card.from_dict(values, path)


def render_readme(card: Card) -> str:
    """The card for people, in Markdown."""
    rows = [
        ("method", card.method),
        ("backbone", f"{card.backbone.name} (sha256 {card.backbone.sha256[:16]})"),
        ("backbone revision", card.backbone.revision),
        ("vectors", f"{card.dim} numbers, {card.space} space"),
        ("pictures", f"{card.preprocess.size} x {card.preprocess.size} pixels, resize: {card.preprocess.resize}"),
        ("retriever sha256", card.sha256),
        ("data sha256", card.data_sha256),
        ("seed", card.seed),
        ("commit", card.commit),
        ("created", f"{card.created} by samekind {card.samekind}"),
    ]
    lines = [
        f"# {card.name}",
        "",
        "A samekind retriever: it finds pictures of the same kind of thing, in whatever style they were made.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {label} | {value} |" for label, value in rows if value is not None),
    ]
    if card.config:
        lines += ["", "## Configuration", "", "```json", json.dumps(dict(card.config), indent=2, sort_keys=True), "```"]
    if card.scores:
        lines += ["", "## Scores", "", "| metric | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4f} |" for name, value in sorted(card.scores.items())]
    lines += [
        "",
        "## Use",
        "",
        "```",
        "samekind index PICTURES --gallery GALLERY --retriever THIS_FOLDER",
        "samekind search PICTURE_OR_TEXT --gallery GALLERY",
        "```",
        "",
    ]
    return "\n".join(lines)
