"""What a recipe says of training: its tables `[train]` and `[readings]`, read and checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from samekind.errors import UsageError
from samekind.evaluation.run_by_name import PROMPT, prompt

Per = Literal["pair", "all", "once"]

TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "label": (str,),
    "classes_count": (int, str),
    "classes": (str, list),
    "seeds": (list,),
    "per": (str,),
    "settings": (dict,),
}
UNTRAINED = "zero_shot"  # the method that has nothing to learn
OF_DATA, GENERIC = "data", "generic"  # names that a recipe does not list: those of the data, those that training has
_PROFILES = {"paper": "all", "clean": "clean"}  # which pictures train, by the profile that evaluates


@dataclass(frozen=True)
class Training:
    """What is trained before it is evaluated.

    label: what tables call it. classes_count: how many kinds of things training is told there are, or "auto"; None for
    a method that learns from names alone. per: one retriever for each unordered pair of domains, one over all of them,
    or, from names, one in all ("once"). settings: pairs such as "synergy.epochs=30", the profile's among them where
    pictures train. readings: by name, changes to the method's configuration under which each retriever is evaluated
    once more. classes: which names, "data", "generic" or a list of them; None for a method that learns from pictures.
    """

    method: str
    label: str
    classes_count: int | str | None
    seeds: tuple[int, ...]
    per: Per = "pair"
    settings: tuple[str, ...] = ()
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: str | tuple[str, ...] | None = None


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
    _complete(table, file)
    _about(options, "classes" in table, file)
    names = _names(table["classes"], file) if "classes" in table else None
    return Training(
        table["method"],
        table.get("label", table["method"]),
        _count(table["classes_count"], file) if names is None else None,
        _seeds(table["seeds"], file),
        _per(table, file),
        _settings(table.get("settings", {}), options["profile"] if names is None else None, file),
        _readings(readings, file),
        names,
    )


def spelled(name: str) -> str:
    """A class as texts about it call it: what its prompt in the figures by name says, `Fire_Truck` as "fire truck"."""
    return prompt(name).removeprefix(PROMPT.format(name=""))


def _complete(table: Mapping[str, Any], file: str) -> None:
    """Seeds, and either a number of classes or names: which of both says what the method learns from."""
    either = [key for key in ("classes_count", "classes") if key in table]
    write = (
        'classes_count = a number, or "auto" to have it estimated, for a method that learns from pictures; classes = '
        f'"{OF_DATA}", "{GENERIC}" or a list of names for one that learns from names alone'
    )
    if len(either) > 1:
        raise UsageError(f"{file}: [train] has classes_count and classes. Write one of them: {write}.")
    if missing := [*([] if either else ["classes_count or classes"]), *([] if "seeds" in table else ["seeds"])]:
        raise UsageError(f"{file}: [train] lacks {' and '.join(missing)}. Write seeds = [0, 1, 2], and {write}.")


def _about(options: Mapping[str, Any], named: bool, file: str) -> None:
    """Refuse an evaluation that says nothing about what was trained, or that a study has no room for."""
    elsewhere = "Train elsewhere what other protocols ask for, and name the retriever's folder in [retriever]."
    if not named and (options["protocol"] != "ucdir" or "classes" in options):
        raise UsageError(
            f"{file}: training sees whole domains, so what it made can be evaluated by ucdir over all classes alone. "
            f"{elsewhere}"
        )
    if options["protocol"] == "ucdr":
        raise UsageError(f"{file}: ucdr has two galleries for each pair, and a study has one. {elsewhere}")


def _per(table: Mapping[str, Any], file: str) -> Per:
    if "classes" in table:
        if table.get("per", "once") != "once":
            raise UsageError(
                f"{file}: per of [train] is {table['per']!r}, and a method that learns from names alone has nothing to "
                "do with domains: leave it out."
            )
        return "once"
    per: Per = table.get("per", "pair")
    if per not in ("pair", "all"):
        raise UsageError(f'{file}: per of [train] is "pair" (a retriever for each two domains) or "all", not {per!r}.')
    return per


def _names(value: str | Sequence[Any], file: str) -> str | tuple[str, ...]:
    if value in (OF_DATA, GENERIC):
        return str(value)
    good = not isinstance(value, str) and all(isinstance(name, str) and spelled(name) for name in value)
    if not good or not value or len({spelled(name) for name in value}) < len(value):
        raise UsageError(
            f'{file}: classes of [train] is "{OF_DATA}" (the names of the data that are evaluated), "{GENERIC}", or a '
            f"list of different names, not {value!r}."
        )
    return tuple(value)


def _count(value: int | str, file: str) -> int | str:
    if value != "auto" and (isinstance(value, str) or value < 1):
        raise UsageError(f'{file}: classes_count of [train] is a whole number above 0, or "auto", not {value!r}.')
    return value


def _seeds(values: Sequence[Any], file: str) -> tuple[int, ...]:
    whole = all(type(value) is int and value >= 0 for value in values)
    if not values or not whole or len(set(values)) < len(values):
        raise UsageError(f"{file}: seeds of [train] are different whole numbers from 0 on, as [0, 1, 2], not {values}.")
    return tuple(values)


def _settings(table: Mapping[str, Any], profile: str | None, file: str) -> tuple[str, ...]:
    """The pairs that training takes; which pictures it sees, if any, follows from the profile of the evaluation."""
    if profile is None:
        return tuple(_pairs(table, "", file))
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
