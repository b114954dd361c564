"""Settings in dataclasses within dataclasses, with values from a TOML file and from `key=value` pairs put over them."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from samekind.errors import UsageError

S = TypeVar("S")
Check = Callable[[Any, str, Any, str], Any]


def typed(owner: Any, key: str, value: Any, where: str) -> Any:
    """The value as the field `key` of `owner` has it: whole numbers may stand for floats, a table adds to a table.

    Raises UsageError, which names `where`, for a value of another type.
    """
    now = getattr(owner, key)
    if isinstance(now, float) and type(value) is int:
        return float(value)
    if type(value) is not type(now):
        raise UsageError(f"{where}: {key} must be of type {type(now).__name__}, not {value!r}")
    return now | _floats(value) if isinstance(now, dict) else value


def overridden(
    defaults: S, file: Path | None, pairs: Sequence[str], *, called: str, example: str, check: Check = typed
) -> S:
    """The defaults, then the TOML `file`, then pairs such as `example`; `check` makes or refuses each single value.

    Raises UsageError: no such file, not TOML (it "cannot be read as `called`"), an unknown key, a table that is none,
    and whatever `check` refuses.
    """
    made = defaults
    if file is not None:
        try:
            made = _changed(made, tomllib.loads(file.read_text(encoding="utf-8")), str(file), check)
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read as {called}: {error}") from error
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise UsageError(f"--set {pair}: write key=value, for example {example}")
        values: Any = _value(text)
        for part in reversed(key.strip().split(".")):
            values = {part: values}
        made = _changed(made, values, f"--set {pair}", check)
    return made


def _value(text: str) -> Any:
    """A TOML value, a number as people write it (.5), or the text itself where it is neither."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _changed(settings: S, values: Mapping[str, Any], where: str, check: Check) -> S:
    """The settings with some values replaced, tables within tables followed."""
    known = sorted(each.name for each in fields(settings))  # type: ignore[arg-type]
    updates: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{where}: there is no setting {key!r}; known here are {', '.join(known)}")
        now = getattr(settings, key)
        if is_dataclass(now):
            if not isinstance(value, Mapping):
                raise UsageError(f"{where}: {key} is a table of settings, not {value!r}")
            updates[key] = _changed(now, value, where, check)
        else:
            updates[key] = check(settings, key, value, where)
    return replace(settings, **updates)  # type: ignore[type-var]


def _floats(table: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers of a table as floats, which is what our tables of numbers hold."""
    return {key: float(value) if type(value) is int else value for key, value in table.items()}
