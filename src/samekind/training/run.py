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
    from samekind.training.loop import Report
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
    pairs = [f"{name}={value}" for name, value in settings.items()] if isinstance(settings, Mapping) else settings
    begin = _from_names if method in TEXT_TRAINERS else _from_pictures
    run = begin(
        method,
        progress or _silent,
        data=data,
        classes=classes,
        domains=domains,
        classes_count=classes_count,
        backbone=backbone,
        seed=seed,
        config=None if config is None else Path(config),
        settings=pairs,
        device=device,
    )
    if out is not None:
        return run(Path(out).expanduser().absolute())
    with tempfile.TemporaryDirectory(prefix="samekind-") as temporary:
        retriever = run(Path(temporary, method))
        retriever.ref = None
        return retriever


def _from_pictures(
    method: str,
    report: "Report",
    *,
    data: str | Path | None,
    classes: object,
    domains: Sequence[str] | None,
    classes_count: int | str,
    backbone: str | Path,
    seed: int,
    config: Path | None,
    settings: Sequence[str],
    device: str,
) -> Callable[[Path], "Retriever"]:
    """What trains into a folder, after everything that can be checked has been."""
    if method not in TRAINERS:
        known = ", ".join(sorted({*TRAINERS, *TEXT_TRAINERS}))
        raise UsageError(f"There is no training for {method!r}. There is for: {known}.")
    if classes is not None or data is None:
        raise UsageError(f"{method} learns from pictures: give data, a folder for each domain in it, and no classes.")
    if classes_count != "auto" and (not isinstance(classes_count, int) or classes_count < 1):
        raise UsageError(f"The number of classes is a whole number above 0, or auto, not {classes_count!r}.")
    from samekind.training.adapt import adapt
    from samekind.training.outcome import Wanted

    trainer = _loaded(TRAINERS[method])
    wanted = Wanted(cast("Count", classes_count), seed, trainer.settings.read(config, settings))
    return partial(
        adapt, trainer, data, wanted=wanted, domains=domains, backbone=backbone, device=device, report=report
    )


def _from_names(
    method: str,
    report: "Report",
    *,
    data: object,
    classes: str | Path | Sequence[str] | None,
    domains: object,
    classes_count: int | str,
    backbone: str | Path,
    seed: int,
    config: Path | None,
    settings: Sequence[str],
    device: str,
) -> Callable[[Path], "Retriever"]:
    """The same from names."""
    if data is not None or domains is not None or classes_count != "auto":
        raise UsageError(f"{method} learns from names alone: give classes, and no data, domains or number of classes.")
    if classes is None:
        raise UsageError(f"{method} learns from names: give classes, a file with a name a line, or generic.")
    from samekind.training.from_names import adapt_from_names
    from samekind.training.names import read_names

    trainer, names = _loaded(TEXT_TRAINERS[method]), read_names(classes)
    values = trainer.settings.read(config, settings)
    return partial(
        adapt_from_names, trainer, names, seed=seed, settings=values, backbone=backbone, device=device, report=report
    )


def _loaded(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _silent(stage: str, numbers: Mapping[str, float]) -> None:
    """Nobody listens."""
