"""Training by a method's name, from the command line or from Python."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever
    from samekind.training.adapt import Count, Trainer

TRAINERS: dict[str, str] = {
    "centred": "samekind.training.centred:CENTRED",
    "protoot": "samekind.training.protoot:PROTOOT",
    "tpsnet": "samekind.training.tpsnet:TPSNET",
}


def train(
    method: str,
    data: str | Path,
    *,
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
    """Adapt a backbone to the pictures below `data`, a folder for each domain, and return the retriever.

    `domains` names the folders (by default all), `classes_count` how many kinds of things there are, or "auto".
    `settings` are pairs such as "synergy.epochs=30", or a mapping with the same names; `config` is a TOML file of
    them. With `out` the retriever is saved there, and a call that was killed goes on where it stopped; without it,
    `save` the returned one. `progress` is told a stage's name and its numbers.

    Raises UsageError for a method, a setting or data that cannot be, SamekindError when training fails.
    """
    if method not in TRAINERS:
        raise UsageError(f"There is no training for {method!r}. There is for: {', '.join(sorted(TRAINERS))}.")
    if classes_count != "auto" and (not isinstance(classes_count, int) or classes_count < 1):
        raise UsageError(f"The number of classes is a whole number above 0, or auto, not {classes_count!r}.")
    from samekind.training.adapt import Wanted, adapt

    module, _, attribute = TRAINERS[method].partition(":")
    trainer: Trainer[Any] = getattr(import_module(module), attribute)
    pairs = [f"{name}={value}" for name, value in settings.items()] if isinstance(settings, Mapping) else settings
    values = trainer.settings.read(None if config is None else Path(config), pairs)
    wanted = Wanted(cast("Count", classes_count), seed, values)

    def run(folder: Path) -> "Retriever":
        report = progress or _silent
        return adapt(trainer, data, folder, wanted, domains=domains, backbone=backbone, device=device, report=report)

    if out is not None:
        return run(Path(out).expanduser().absolute())
    with tempfile.TemporaryDirectory(prefix="samekind-") as temporary:
        retriever = run(Path(temporary, method))
        retriever.ref = None
        return retriever


def _silent(stage: str, numbers: Mapping[str, float]) -> None:
    """Nobody listens."""
