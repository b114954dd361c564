"""Training by a method's name, from the command line or from Python."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever
    from samekind.training.outcome import Count

TRAINERS: dict[str, str] = {
    "centred": "samekind.training.centred:CENTRED",
    "protoot": "samekind.training.protoot:PROTOOT",
    "tpsnet": "samekind.training.tpsnet:TPSNET",
}
# These learn from names alone.
TEXT_TRAINERS: dict[str, str] = {
    "promptstyler": "samekind.training.promptstyler:PROMPTSTYLER",
    "tki": "samekind.training.tki:TKI_TRAINER",
}


def train(
    method: str,
    data: str | Path | None = None,
    *,
    classes: str | Path | Sequence[str] | None = None,
    domains: Sequence[str] | None = None,
    out: str | Path | None = None,
    classes_count: int | str = "auto",
    backbone: str | Path = "mini",
    seed: int = 0,
    config: str | Path | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    device: str = "auto",
    progress: Callable[[str, Mapping[str, float]], None] | None = None,
) -> "Retriever":
    """Adapt a backbone and return the retriever: to the pictures below `data`, or to the names of `classes` alone.

    Methods that learn from pictures take `data`, a folder for each domain; `domains` names the folders (by default
    all), `classes_count` how many kinds of things there are, or "auto". Methods that learn from names take `classes`
    instead: a text file with a name a line, "generic" for two thousand common nouns, or a list of names.
    `settings` are pairs such as "synergy.epochs=30", or a mapping with the same names; `config` is a TOML file of
    them. With `out` the retriever is saved there, and a call that was killed goes on where it stopped; without it,
    `save` the returned one. `progress` is told a stage's name and its numbers.

    Raises UsageError for a method, a setting, data or names that cannot be, SamekindError when training fails.
    """
    begin, count = _begun(method, data, classes, domains, classes_count)
    trainer = begin.args[0]
    pairs = [f"{name}={value}" for name, value in settings.items()] if isinstance(settings, Mapping) else settings
    values = trainer.settings.read(None if config is None else Path(config), pairs)

    from samekind.training.outcome import Wanted

    wanted = Wanted(cast("Count", count), seed, values)

    def run(folder: Path) -> "Retriever":
        return begin(folder, wanted, backbone=backbone, device=device, report=progress or _silent)

    if out is not None:
        return run(Path(out).expanduser().absolute())
    with tempfile.TemporaryDirectory(prefix="samekind-") as temporary:
        retriever = run(Path(temporary, method))
        retriever.ref = None
        return retriever


def _begun(
    method: str,
    data: str | Path | None,
    classes: str | Path | Sequence[str] | None,
    domains: Sequence[str] | None,
    classes_count: int | str,
) -> tuple["partial[Retriever]", int | str]:
    """What trains, with its trainer first and what it learns from, and how many classes it is told of.

    Raises UsageError for what the method does not learn from.
    """
    if method in TEXT_TRAINERS:
        if data is not None or domains is not None or classes_count != "auto":
            raise UsageError(f"{method} learns from names alone: give classes, and no data, domains or classes_count.")
        if classes is None:
            raise UsageError(f"{method} learns from names: give classes, a file with a name a line, or generic.")
        from samekind.training.from_names import adapt_from_names
        from samekind.training.names import read_names

        names = read_names(classes)
        return partial(adapt_from_names, _loaded(TEXT_TRAINERS[method]), names), len(names.names)
    if method not in TRAINERS:
        known = ", ".join(sorted({*TRAINERS, *TEXT_TRAINERS}))
        raise UsageError(f"There is no training for {method!r}. There is for: {known}.")
    if classes is not None or data is None:
        raise UsageError(f"{method} learns from pictures: give data, a folder for each domain in it, and no classes.")
    if classes_count != "auto" and (not isinstance(classes_count, int) or classes_count < 1):
        raise UsageError(f"The number of classes is a whole number above 0, or auto, not {classes_count!r}.")
    from samekind.training.adapt import adapt

    return partial(adapt, _loaded(TRAINERS[method]), data, domains=domains), classes_count


def _loaded(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _silent(stage: str, numbers: Mapping[str, float]) -> None:
    """Nobody listens."""
