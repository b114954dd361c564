"""How a study trains, which a room above knows: the call, and the methods that it is for."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from samekind.errors import UsageError
from samekind.evaluation.recipes import Recipe
from samekind.evaluation.recipes_train import GENERIC, OF_DATA, Training
from samekind.evaluation.run import Show

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever

Stages = Callable[[str, Mapping[str, float]], None]


@runtime_checkable
class Train(Protocol):
    """What `samekind.train` is, as far as it is used here."""

    def __call__(
        self,
        method: str,
        data: str | Path | None = None,
        *,
        classes: str | Sequence[str] | None = None,
        domains: Sequence[str] | None = None,
        out: Path,
        classes_count: int | str = "auto",
        backbone: str | Path,
        seed: int,
        settings: Sequence[str],
        progress: Stages,
    ) -> "Retriever":
        """Train, or return what a call with the same `out` has finished."""


def _silent(*_: Any) -> None:
    """Nobody listens."""


@contextmanager
def _unseen() -> Iterator[Callable[..., None]]:
    yield _silent


@dataclass(frozen=True)
class Trainer:
    """How to train, which a room above knows, and who is told how far it is.

    methods: those that `train` takes with pictures. tell: takes a line for people. stages, pictures: open what shows
    the stages of a training, and the pictures of an evaluation. text_methods: those that it takes with names alone.
    """

    methods: Collection[str]
    train: Train
    tell: Callable[[str], None] = _silent
    stages: Callable[[], AbstractContextManager[Stages]] = _unseen
    pictures: Callable[[], AbstractContextManager[Show]] = _unseen
    text_methods: Collection[str] = ()


def fitting(recipe: Recipe, training: Training, trainer: Trainer | None) -> Trainer:
    """The trainer, once it is known to train the method, from what the recipe gives it."""
    told = f"{recipe.name} trains by the method {training.method}"
    if trainer is None:
        raise UsageError(f"{told}, for which there is no training here. There is for: none, as no trainer was given.")
    pictures, texts = trainer.methods, trainer.text_methods
    mine, others = (pictures, texts) if training.classes is None else (texts, pictures)
    if training.method in mine:
        return trainer
    if training.method not in others:
        known = ", ".join(sorted({*pictures, *texts}))
        raise UsageError(f"{told}, for which there is no training here. There is for: {known}.")
    if training.classes is None:
        raise UsageError(
            f'{told}, which learns from names alone: in [train] write classes = "{OF_DATA}", "{GENERIC}" or a list of '
            "names instead of classes_count."
        )
    raise UsageError(
        f'{told}, which learns from pictures: in [train] write classes_count = a number, or "auto", instead of classes.'
    )
