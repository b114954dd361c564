"""What a recipe says of training: its tables `[train]` and `[readings]`, read and checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from samekind.errors import UsageError

Per = Literal["pair", "all"]

TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "label": (str,),
    "classes_count": (int, str),
    "seeds": (list,),
    "per": (str,),
    "settings": (dict,),
}
UNTRAINED = "zero_shot"  # the method that has nothing to learn
_PROFILES = {"paper": "all", "clean": "clean"}  # which pictures train, by the profile that evaluates


@dataclass(frozen=True)
class Training:
    """What is trained before it is evaluated.

    label: what tables call it. classes_count: how many kinds of things training is told there are, or "auto". per: one
    retriever for each unordered pair of domains, or one over all of them. settings: pairs such as "synergy.epochs=30",
    the profile's among them. readings: by name, changes to the method's configuration under which each retriever is
    evaluated once more.
    """

    method: str
    label: str
    classes_count: int | str
    seeds: tuple[int, ...]
    per: Per = "pair"
    settings: tuple[str, ...] = ()
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_training(
    table: Mapping[str, Any] | None, readings: Any, options: Mapping[str, Any], file: str
) -> Training | None:
    """The training of a recipe whose [evaluate] has these options; None where nothing is trained.

    `table` has known entries of the right types. Raises UsageError that names the file and what is wrong.
    """
    if table is not None and "method" not in table:
        raise UsageError(f"{file}: [train] lacks method.")
    if table is None or table["method"] == UNTRAINED:
        if readings:
            raise UsageError(f"{file}: [readings] are of what [train] made, and nothing is trained.")
        return None
    if missing := [key for key in ("classes_count", "seeds") if key not in table]:
        raise UsageError(
            f"{file}: [train] lacks {' and '.join(missing)}: write seeds = [0, 1, 2], and classes_count = a number, or "
            '"auto" to have it estimated.'
        )
    if options["protocol"] != "ucdir" or "classes" in options:
        raise UsageError(
            f"{file}: training sees whole domains, so what it made can be evaluated by ucdir over all classes alone. "
            "Train elsewhere what other protocols ask for, and name the retriever's folder in [retriever]."
        )
    per = table.get("per", "pair")
    if per not in ("pair", "all"):
        raise UsageError(f'{file}: per of [train] is "pair" (a retriever for each two domains) or "all", not {per!r}.')
    return Training(
        table["method"],
        table.get("label", table["method"]),
        _count(table["classes_count"], file),
        _seeds(table["seeds"], file),
        per,
        _settings(table.get("settings", {}), options["profile"], file),
        _readings(readings, file),
    )


def _count(value: int | str, file: str) -> int | str:
    if value != "auto" and (isinstance(value, str) or value < 1):
        raise UsageError(f'{file}: classes_count of [train] is a whole number above 0, or "auto", not {value!r}.')
    return value


def _seeds(values: Sequence[Any], file: str) -> tuple[int, ...]:
    whole = all(type(value) is int and value >= 0 for value in values)
    if not values or not whole or len(set(values)) < len(values):
        raise UsageError(f"{file}: seeds of [train] are different whole numbers from 0 on, as [0, 1, 2], not {values}.")
    return tuple(values)


def _settings(table: Mapping[str, Any], profile: str, file: str) -> tuple[str, ...]:
    """The pairs that training takes; which pictures it sees follows from the profile of the evaluation."""
    wanted = _PROFILES[profile]
    if table.get("profile", wanted) != wanted:
        raise UsageError(
            f"{file}: [train.settings] has profile = {table['profile']!r}, and the profile {profile} is about what "
            f"was trained with {wanted!r}: leave it out, it is set by itself."
        )
    rest = {key: value for key, value in table.items() if key != "profile"}
    return (f"profile={wanted}", *_pairs(rest, "", file))


def _pairs(table: Mapping[str, Any], above: str, file: str) -> list[str]:
    """Tables within tables as `table.key=value`, values as TOML has them."""
    found = []
    for key, value in table.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found += _pairs(value, f"{name}.", file)
        elif isinstance(value, str | int | float | list):
            found.append(f"{name}={json.dumps(value)}")
        else:
            raise UsageError(f"{file}: {name} of [train.settings] is a text, a number, true or false, not {value!r}.")
    return found


def _readings(tables: Any, file: str) -> dict[str, Mapping[str, Any]]:
    whole = isinstance(tables, dict) and all(isinstance(each, dict) and each for each in tables.values())
    if not whole:
        raise UsageError(
            f"{file}: each reading is a table of changes to the method's configuration, as [readings.fused] with "
            'output = "fused".'
        )
    return dict(tables)
