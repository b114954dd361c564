"""Recipes: one TOML file per row of a table, with its data, its protocol, the score to expect, and what it costs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.protocols import PROFILES, PROTOCOLS, parse_pairs
from samekind.evaluation.recipes_train import TYPES as OF_TRAINING
from samekind.evaluation.recipes_train import Training, read_training
from samekind.evaluation.run_score import METRICS

Source = Literal["published", "measured"]

_TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"title": (str,), "command": (str,), "notes": (str,)},
    "retriever": {"ref": (str,)},
    "train": OF_TRAINING,
    "data": {"name": (str,), "sha256": (str,)},
    "evaluate": {"protocol": (str,), "profile": (str,), "pairs": (str,), "classes": (list,), "seen": (str,)}
    | {"seed": (int,), "with_domains": (bool,)},
    "cost": {"hardware": (str,), "time": (str,)},
}
_NEEDED = {"": ("title", "command"), "retriever": ("ref",), "data": ("name",), "evaluate": ("protocol", "profile")}
_EXPECTED: dict[str, tuple[type, ...]] = {
    "value": (int, float),
    "tolerance": (int, float),
    "source": (str,),
    "note": (str,),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure that the run should reach: the mean over pairs of one metric, give or take `tolerance`."""

    value: float
    tolerance: float
    source: Source
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """What a recipe's file says; `name` is the file's, and that of its result.

    retriever: what is evaluated, or the backbone of what is trained. train: None where nothing is trained. evaluate:
    the options of `samekind evaluate`. expected: by metric, empty where nothing is known. text: the whole file.
    """

    name: str
    title: str
    command: str
    retriever: str
    data: str
    evaluate: Mapping[str, Any]
    data_sha256: str | None = None
    train: Training | None = None
    expected: Mapping[str, Expected] = field(default_factory=dict)
    cost: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    text: str = ""

    @classmethod
    def read(cls, file: str | Path) -> "Recipe":
        """Read and check a recipe; raises UsageError that names the file and what is wrong in it."""
        path = Path(file).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text)
        except OSError as error:
            raise UsageError(f"There is no recipe {file}: {error.strerror}.") from error
        except ValueError as error:
            raise UsageError(f"{file} is no TOML: {error}.") from error
        expected, readings = values.pop("expected", {}), values.pop("readings", {})
        tables = {name: value for name, value in values.items() if isinstance(value, dict)}
        tables[""] = {name: value for name, value in values.items() if not isinstance(value, dict)}
        for name in {*_NEEDED, *tables}:
            _check(tables.get(name, {}), name, f"{file}")
        _check_options(tables["evaluate"], f"{file}")
        return cls(
            path.stem,
            tables[""]["title"],
            tables[""]["command"],
            tables["retriever"]["ref"],
            tables["data"]["name"],
            tables["evaluate"],
            tables["data"].get("sha256"),
            read_training(tables.get("train"), readings, tables["evaluate"], f"{file}"),
            _expected(expected, f"{file}"),
            tables.get("cost", {}),
            tables[""].get("notes", ""),
            text,
        )


def _check(table: Mapping[str, Any], name: str, file: str) -> None:
    """Refuse unknown, missing and mistyped entries of one table."""
    if name not in _TABLES:
        known = ", ".join(["expected", "readings", *filter(None, _TABLES)])
        raise UsageError(f"{file}: there is no table [{name}] in a recipe; known are {known}.")
    where = f"[{name}]" if name else "the head"
    for key, value in table.items():
        types = _TABLES[name].get(key)
        if types is None:
            raise UsageError(f"{file}: {where} has no entry {key!r}; known are {', '.join(_TABLES[name])}.")
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise UsageError(f"{file}: {key} of {where} must be {types[0].__name__}, not {value!r}.")
    missing = [key for key in _NEEDED.get(name, ()) if key not in table]
    if missing:
        raise UsageError(f"{file}: {where} lacks {', '.join(missing)}.")


def _check_options(options: Mapping[str, Any], file: str) -> None:
    if options["protocol"] not in PROTOCOLS or options["profile"] not in PROFILES:
        raise UsageError(
            f"{file}: the protocol is one of {', '.join(PROTOCOLS)}, its profile clean or paper; not "
            f"{options['protocol']} and {options['profile']}."
        )
    if "pairs" in options:
        parse_pairs(options["pairs"])


def _expected(table: Any, file: str) -> dict[str, Expected]:
    found = {}
    if not isinstance(table, dict):
        raise UsageError(f"{file}: expected must be a table of metrics.")
    for metric, entry in table.items():
        if metric not in METRICS:
            raise UsageError(f"{file}: there is no metric {metric!r}; there are {', '.join(METRICS)}.")
        whole = isinstance(entry, dict) and {"value", "tolerance", "source"} <= entry.keys() <= _EXPECTED.keys()
        if not whole or not all(isinstance(entry[key], _EXPECTED[key]) for key in entry):
            raise UsageError(f"{file}: [expected.{metric!r}] needs value, tolerance and source, and may have a note.")
        if entry["source"] not in get_args(Source):
            raise UsageError(f"{file}: the source of {metric} is published or measured, not {entry['source']!r}.")
        found[metric] = Expected(
            float(entry["value"]), float(entry["tolerance"]), entry["source"], entry.get("note", "")
        )
    return found


def same_data(recipe: Recipe, sha256: str, where: str = "") -> None:
    """Raises SamekindError when the data are not those that the recipe was made with."""
    if recipe.data_sha256 not in (None, sha256):
        raise SamekindError(
            f"The data have the hash {sha256[:16]}, and {recipe.name} was made with {str(recipe.data_sha256)[:16]}: "
            f"the figures cannot be compared{where}. `samekind data check {recipe.data} PATH` says what is missing or "
            "surplus."
        )
