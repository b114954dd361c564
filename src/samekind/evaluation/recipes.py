"""Recipes: one TOML file per row of a table, with its data, its protocol, the score to expect, and what it costs."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from samekind.datasets import DATASETS
from samekind.errors import SamekindError, UsageError
from samekind.evaluation.protocols import PROFILES, PROTOCOLS, parse_pairs
from samekind.evaluation.run import Show, evaluate
from samekind.evaluation.run_score import METRICS

if TYPE_CHECKING:
    from samekind.evaluation.report import Report

Source = Literal["published", "measured"]

_TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"title": (str,), "command": (str,), "notes": (str,)},
    "retriever": {"ref": (str,)},
    "train": {"method": (str,), "seed": (int,), "settings": (dict,)},
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


@dataclass(frozen=True, slots=True)
class Check:
    """One expected figure beside the one that came out."""

    metric: str
    expected: Expected
    found: float

    @property
    def within(self) -> bool:
        """Whether the difference is at most the tolerance, give or take rounding."""
        return abs(self.found - self.expected.value) <= self.expected.tolerance + 1e-9


@dataclass(frozen=True)
class Recipe:
    """What a recipe's file says; `name` is the file's, and that of its result.

    retriever: what is evaluated, or the backbone of what is trained. train: method, seed and settings, empty where
    nothing is trained. evaluate: the options of `samekind evaluate`. expected: by metric, empty where nothing is known.
    """

    name: str
    title: str
    command: str
    retriever: str
    data: str
    evaluate: Mapping[str, Any]
    data_sha256: str | None = None
    train: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Expected] = field(default_factory=dict)
    cost: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""

    @classmethod
    def read(cls, file: str | Path) -> "Recipe":
        """Read and check a recipe; raises UsageError that names the file and what is wrong in it."""
        path = Path(file).expanduser()
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"There is no recipe {file}: {error.strerror}.") from error
        except ValueError as error:
            raise UsageError(f"{file} is no TOML: {error}.") from error
        expected = values.pop("expected", {})
        tables = {name: value for name, value in values.items() if isinstance(value, dict)}
        tables[""] = {name: value for name, value in values.items() if not isinstance(value, dict)}
        for name in {*_NEEDED, *tables}:
            _check(tables.get(name, {}), name, f"{file}")
        _check_options(tables["evaluate"], tables.get("train", {}), f"{file}")
        return cls(
            path.stem,
            tables[""]["title"],
            tables[""]["command"],
            tables["retriever"]["ref"],
            tables["data"]["name"],
            tables["evaluate"],
            tables["data"].get("sha256"),
            tables.get("train", {}),
            _expected(expected, f"{file}"),
            tables.get("cost", {}),
            tables[""].get("notes", ""),
        )


def _check(table: Mapping[str, Any], name: str, file: str) -> None:
    """Refuse unknown, missing and mistyped entries of one table."""
    if name not in _TABLES:
        known = ", ".join(["expected", *filter(None, _TABLES)])
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


def _check_options(options: Mapping[str, Any], train: Mapping[str, Any], file: str) -> None:
    if options["protocol"] not in PROTOCOLS or options["profile"] not in PROFILES:
        raise UsageError(
            f"{file}: the protocol is one of {', '.join(PROTOCOLS)}, its profile clean or paper; not "
            f"{options['protocol']} and {options['profile']}."
        )
    if "pairs" in options:
        parse_pairs(options["pairs"])
    if train and "method" not in train:
        raise UsageError(f"{file}: [train] lacks method.")


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


@dataclass(frozen=True)
class Outcome:
    """What running a recipe brought: the report, where it was written, and each expected figure beside its own.

    `unchecked` says why no figure was compared, where the recipe has some.
    """

    report: "Report"
    file: Path
    checks: Sequence[Check]
    unchecked: str = ""

    @property
    def good(self) -> bool:
        """Whether every figure that was compared is within its tolerance."""
        return all(check.within for check in self.checks)


def run_recipe(
    recipe: Recipe,
    *,
    data: str | Path | None = None,
    retriever: str | Path | None = None,
    out: str | Path = "results",
    cache: str | Path | None = None,
    command: str | None = None,
    progress: Show | None = None,
) -> Outcome:
    """Train if the recipe says so, evaluate, write OUT/NAME.json, and compare with what is expected.

    `data` is where the data set lies (else SAMEKIND_DATA/NAME), `retriever` another one than the recipe's, of which
    nothing is expected then. Raises UsageError for a method that cannot be trained here, SamekindError for data with
    another hash than the recipe's.
    """
    untrained(recipe)
    file = Path(out).expanduser() / f"{recipe.name}.json"
    report = evaluate(
        str(retriever or recipe.retriever),
        located(recipe.data, data),
        out=file,
        cache=cache,
        command=command,
        progress=progress,
        **recipe.evaluate,
    )
    if recipe.data_sha256 not in (None, report.data["sha256"]):
        raise SamekindError(
            f"The data have the hash {report.data['sha256'][:16]}, and {recipe.name} was made with "
            f"{str(recipe.data_sha256)[:16]}: the figures cannot be compared (the result is in {file}). "
            f"`samekind data check {recipe.data} PATH` says what is missing or surplus."
        )
    if retriever is not None:
        return Outcome(report, file, (), "the retriever is not the recipe's")
    return Outcome(report, file, [Check(name, each, report.mean[name]) for name, each in recipe.expected.items()])


def untrained(recipe: Recipe) -> None:
    """Refuse a recipe that trains by a method that cannot be trained here; `zero_shot` has nothing to train."""
    from samekind.methods import METHODS

    method = recipe.train.get("method", "zero_shot")
    if method == "zero_shot":
        return
    how = "can be loaded, but not trained" if method in METHODS else "does not exist"
    raise UsageError(
        f"{recipe.name} trains by the method {method}, which {how} in this samekind (methods: {', '.join(METHODS)}). "
        "Train it elsewhere and give the retriever's folder with --retriever, or upgrade samekind."
    )


def located(name: str, data: str | Path | None) -> str:
    """What `read_data` is given: a declared data set with its path, or the folder of one that is not declared.

    Raises UsageError when the place is neither given nor found in SAMEKIND_DATA.
    """
    if data is not None:
        return f"{name}:{data}" if name in DATASETS else str(data)
    if name in DATASETS:
        return name
    base = os.environ.get("SAMEKIND_DATA")
    folder = Path(base, name) if base else None
    if folder is None or not folder.is_dir():
        raise UsageError(f"Where is {name}? Give --data PATH, or set SAMEKIND_DATA to the folder that holds {name}.")
    return str(folder)
