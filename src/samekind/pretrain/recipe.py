"""Everything that can be set about pre-training, from a TOML file and from `key=value` pairs."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from samekind.errors import UsageError
from samekind.pretrain.head import HeadRecipe
from samekind.pretrain.visual import VisualRecipe
from samekind.pretrain.words import WordsRecipe

R = TypeVar("R")


@dataclass(frozen=True)
class Recipe:
    """The three stages, and what is said about the captions table's domains."""

    visual: VisualRecipe = field(default_factory=VisualRecipe)
    head: HeadRecipe = field(default_factory=HeadRecipe)
    words: WordsRecipe = field(default_factory=WordsRecipe)
    image_size: int = 160  # pixels; what the finished encoder looks at
    domain_words: dict[str, str] = field(default_factory=dict)  # domain -> how a prompt names it
    shares: dict[str, float] = field(default_factory=dict)  # domain -> its part of a batch, 1 where not named
    trust: dict[str, float] = field(default_factory=dict)  # domain -> how far to believe the starting classifier

    @classmethod
    def read(cls, file: Path | None, settings: Sequence[str]) -> "Recipe":
        """Defaults, then the TOML `file`, then settings such as `visual.steps=200`.

        Raises:
            UsageError: no such file, not TOML, an unknown key, a value of the wrong kind.
        """
        recipe = cls()
        if file is not None:
            try:
                recipe = changed(recipe, tomllib.loads(file.read_text(encoding="utf-8")), str(file))
            except (OSError, ValueError) as error:
                raise UsageError(f"{file} cannot be read as a recipe: {error}") from error
        for setting in settings:
            key, separator, text = setting.partition("=")
            if not separator:
                raise UsageError(f"--set {setting}: write key=value, for example visual.steps=200")
            values: Any = toml_value(text)
            for part in reversed(key.strip().split(".")):
                values = {part: values}
            recipe = changed(recipe, values, f"--set {setting}")
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)


def toml_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def changed(recipe: R, values: Mapping[str, Any], where: str) -> R:
    """The recipe with some values replaced, tables within tables followed."""
    known = {item.name for item in fields(recipe)}  # type: ignore[arg-type]
    updates: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{where}: there is no setting {key!r}; known here are {', '.join(sorted(known))}")
        now = getattr(recipe, key)
        if is_dataclass(now):
            if not isinstance(value, Mapping):
                raise UsageError(f"{where}: {key} is a table of settings, not {value!r}")
            updates[key] = changed(now, value, where)
        elif isinstance(now, float) and type(value) is int:
            updates[key] = float(value)
        elif type(value) is not type(now):
            raise UsageError(f"{where}: {key} must be of type {type(now).__name__}, not {value!r}")
        else:
            updates[key] = now | floats(value) if isinstance(now, dict) else value
    return replace(recipe, **updates)  # type: ignore[type-var]


def floats(table: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers of a table as floats, which is what our tables of numbers hold."""
    return {key: float(value) if type(value) is int else value for key, value in table.items()}
