"""What can be set about every method that learns, or learns from pictures, and how a setting's value is checked."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

from samekind.errors import UsageError
from samekind.training.overrides import overridden, typed

Profile = Literal["all", "clean"]
S = TypeVar("S", bound="LearnSettings")


@dataclass(frozen=True)
class LearnSettings:
    """Each method's own settings are a subclass; `example` is one of them, for messages.

    Whole numbers are from 1 and others from 0 on, but for those that `may_be_zero`, or are `positive`; some have a
    `most`. What `given` names, by its class and its own name, other options say: these.
    """

    example: ClassVar[str]
    may_be_zero: ClassVar[Collection[str]] = ()
    positive: ClassVar[Collection[str]] = ()
    most: ClassVar[Mapping[str, float]] = {}
    given: ClassVar[Mapping[tuple[type, str], str]] = {}

    @classmethod
    def read(cls: type[S], file: Path | None = None, settings: Sequence[str] = ()) -> S:
        """Defaults, then the TOML `file`, then settings such as `profile=clean`.

        Raises UsageError: no such file, not TOML, an unknown key, a value of the wrong kind.
        """
        made = overridden(cls(), file, settings, called="settings", example=cls.example, check=cls.checked)
        made.agree()
        return made

    @classmethod
    def checked(cls, owner: Any, key: str, value: Any, where: str) -> Any:
        """One value as its setting has it; raises UsageError for one that it cannot have."""
        if by := cls.given.get((type(owner), key)):
            raise UsageError(f"{where}: {key} is no setting: {by}")
        value = typed(owner, key, value, where)
        least, most = (0 if key in cls.may_be_zero or isinstance(value, float) else 1), cls.most.get(key, math.inf)
        if isinstance(value, int | float) and not least <= value <= most:
            bound = f" and at most {most:g}" if key in cls.most else ""
            raise UsageError(f"{where}: {key} must be at least {least}{bound}, not {value!r}")
        if key in cls.positive and value == 0:
            raise UsageError(f"{where}: {key} must be above 0")
        kind = next(each.type for each in fields(owner) if each.name == key)
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise UsageError(f"{where}: {key} is one of {', '.join(get_args(kind))}, not {value!r}")
        return value

    def agree(self) -> None:
        """Raise UsageError where single values are right but cannot go together."""

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)


@dataclass(frozen=True)
class AdaptSettings(LearnSettings):
    """How pictures are used, by methods that learn from them."""

    example: ClassVar[str] = "cache_gib=8"

    profile: Profile = "all"
    cache_gib: float = 4.0  # what pixels and tokens may take on disk while training
