"""Names of classes, all that some methods learn from: read from a file or a list, checked, and the common nouns."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from samekind.errors import UsageError

GENERIC = "generic"
MOST = 20_000
LONGEST = 200  # characters of a name; no context of a text tower holds more


@dataclass(frozen=True)
class Names:
    """Different names in the order in which they were given, and how many were given more than once."""

    names: tuple[str, ...]
    origin: str
    repeated: int = 0

    def facts(self) -> dict[str, Any]:
        """For the card."""
        return {"names": list(self.names), "names_from": self.origin, "repeated": self.repeated}


def read_names(classes: str | Path | Sequence[str]) -> Names:
    """The names that `classes` says: "generic", a text file with a name a line, or the names themselves.

    Spaces around a name and lines without one do not count; an underscore is a space; what differs in case alone is
    one name, and counts once. Raises UsageError for a file that cannot be read, an empty name in a list, a name that
    is too long or holds control characters, fewer than two names, or more than `MOST`.
    """
    if isinstance(classes, str | Path):
        origin = GENERIC if classes == GENERIC else Path(classes).name
        found = [line for line in _lines(classes) if line.strip()]
    else:
        origin, found = "a list", list(classes)
        if any(not isinstance(each, str) or not each.strip(" _\t") for each in found):
            raise UsageError("There is an empty name in the list of classes: leave it out.")
    cleaned = [" ".join(each.replace("_", " ").split()) for each in found]
    for number, each in enumerate(cleaned, start=1):
        if len(each) > LONGEST or not each.isprintable():
            raise UsageError(
                f"Name {number} of {origin} is no name: {each[:40]!r}... A name has at most {LONGEST} characters, all "
                "of them printable; write a name a line."
            )
    different: dict[str, str] = {}
    for each in cleaned:
        different.setdefault(each.casefold(), each)
    names = tuple(different.values())
    if len(names) < 2:
        raise UsageError(
            f"{origin} has {len(names)} different names: to learn what tells classes apart takes two or more. Give a "
            f"name a line, or {GENERIC} for two thousand common nouns."
        )
    if len(names) > MOST:
        raise UsageError(f"{origin} has {len(names):,} names, more than the {MOST:,} that can be learned from.")
    return Names(names, origin, len(cleaned) - len(names))


def _lines(classes: str | Path) -> list[str]:
    if classes == GENERIC:
        return files("samekind.training").joinpath("nouns.txt").read_text(encoding="utf-8").splitlines()
    file = Path(classes).expanduser()
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no file {classes}: give a text file with a name a line, or {GENERIC} for two thousand common "
            "nouns."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{classes} cannot be read as names: {error}. It must be plain text in UTF-8.") from error
