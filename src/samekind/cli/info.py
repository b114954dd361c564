"""`samekind info`: what is this retriever, gallery, or result?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samekind.cli.console import json_result, printable, result, verb
from samekind.errors import SamekindError, UsageError

if TYPE_CHECKING:
    from samekind.gallery.store import Gallery

# The names that samekind gives to its own files; spelled out so that looking needs neither torch nor the gallery.
CARD, GALLERY, CHECKPOINT = "card.json", "gallery.json", "config.json"

MANY = 20  # parts of a list that are shown

# What the table of an evaluation is made from, and what stands above it.
OF_A_TABLE = {"headline", "seconds", "encoded", "cached", "skipped"}
OF_A_RESULT = ("kind", "retriever", "data", "split", "seed", "seeds", "versions", "machine", "command", "date")


@verb
def info(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A folder or file of samekind's, the address of a gallery, or mini.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """What is this retriever, gallery, or result?"""
    facts = describe(path)
    if as_json:
        json_result(facts)
    elif facts["kind"] == "evaluation" and facts.keys() >= OF_A_TABLE:
        from samekind.cli import evaluate_table

        result(_above(facts) + evaluate_table.text(facts))
    elif facts["kind"] == "study":
        from samekind.cli import study_table

        result(_above(facts) + study_table.text(facts))
    else:
        result("".join(f"{line}\n" for line in lines(facts)))


def _above(facts: dict[str, Any]) -> str:
    """What a result is about, above its table."""
    told = {name: facts[name] for name in OF_A_RESULT if facts.get(name) is not None}
    return "".join(f"{line}\n" for line in lines(told)) + "\n"


def describe(path: str) -> dict[str, Any]:
    """The facts, `kind` first: retriever, gallery, evaluation, study or hits. Raises UsageError for anything else."""
    if path.lower().startswith(("s3://", "gs://")):
        return _gallery(path)
    place = Path(path).expanduser()
    if path == "mini":
        return _retriever(path)
    if not place.exists():
        raise UsageError(f"there is no {path}: give a retriever, a gallery, a CLIP checkpoint, a result file, or mini.")
    if place.is_file():
        return _file(place)
    if (place / GALLERY).is_file():
        return _gallery(str(place))
    if (place / CARD).is_file() or (place / CHECKPOINT).is_file():
        return _retriever(str(place.absolute()))
    raise UsageError(
        f"{place} is nothing that samekind made: it has no {CARD} (retriever), no {GALLERY} (gallery) and no "
        f"{CHECKPOINT} (CLIP checkpoint)."
    )


def _retriever(ref: str) -> dict[str, Any]:
    """A retriever's card, once the whole folder has proved to be sound."""
    from samekind.retriever.store import load

    retriever = load(ref, device="cpu", precision="float32")
    return {"kind": "retriever", "ref": retriever.ref, **retriever.card.to_dict()}


def _gallery(place: str) -> dict[str, Any]:
    """A gallery's size, and the retriever that filled it."""
    from samekind.gallery.store import Gallery

    gallery = Gallery.open(place)
    facts = {"path": str(gallery.path), "rows": gallery.rows, "domains": gallery.domains}
    return {"kind": "gallery", **facts, **gallery.meta.to_dict(), "index": _index(gallery)}


def _index(gallery: "Gallery") -> dict[str, Any] | None:
    """What is known of a gallery's index: in a sentence, and in figures."""
    from samekind.gallery.ann.record import read_ann

    try:
        known = read_ann(gallery.path, gallery.meta.uuid)
    except SamekindError as error:
        return {"state": "damaged", "summary": str(error)}
    return {"state": known.state, "summary": known.summary(), **known.to_dict()} if known else None


def _file(place: Path) -> dict[str, Any]:
    """What a JSON file of ours is: the result of an evaluation or of a search, or a retriever's card."""
    try:
        values = json.loads(place.read_bytes())
    except OSError as error:
        raise SamekindError(f"{place} cannot be read: {error.strerror}.") from error
    except ValueError:
        values = None
    if place.name == CARD:
        return _retriever(str(place.parent.absolute()))
    if isinstance(values, dict) and {"protocol", "pairs", "mean"} <= values.keys():
        from samekind.evaluation.reports.files import read_result

        return {"kind": "evaluation", **read_result(place, queries=False).facts}
    if isinstance(values, dict) and {"gallery", "hits"} <= values.keys():
        return {"kind": "hits", **values}
    raise UsageError(f"{place} is no result of samekind: give a file that evaluate or search --json wrote.")


def lines(facts: dict[str, Any]) -> list[str]:
    """The facts for people: one line each, nested ones indented, long lists counted."""
    return [printable(line) for line in _lines(facts, "")]


def _lines(facts: dict[str, Any], indent: str) -> list[str]:
    told = []
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            told += [f"{indent}{name}:", *_lines(value, f"{indent}  ")]
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            told.append(f"{indent}{name}: {len(value):,}")
        elif isinstance(value, list) and value:
            shown = [str(item) for item in value[:MANY]] + ([f"... {len(value):,} in all"] if len(value) > MANY else [])
            told.append(f"{indent}{name}: {', '.join(shown)}")
        elif value not in (None, {}, []):
            told.append(f"{indent}{name}: {value}")
    return told
