"""From what is wanted to a saved retriever: what a training is known by, whose folder it has, what it leaves."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import samekind
from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError
from samekind.nn.processes import place
from samekind.retriever.card import read_card
from samekind.retriever.folder import is_retriever
from samekind.retriever.identity import backbone_sha256
from samekind.retriever.store import Retriever, load
from samekind.training import checkpoint
from samekind.training.adapt_settings import LearnSettings
from samekind.training.journal import NAME, Journal
from samekind.training.loop import Report, Run

Count = int | Literal["auto"]
S = TypeVar("S", bound=LearnSettings)


@dataclass
class Learned:
    """What learning leaves for the card: facts by name, and the seconds of each part."""

    facts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the seconds of a block."""
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def told(self, key: str, settings: LearnSettings) -> dict[str, Any]:
        """The card's account of the training."""
        seconds = {name: round(value, 1) for name, value in self.seconds.items()}
        return {"key": key, **self.facts, "seconds": seconds, "settings": settings.to_dict()}


@dataclass(frozen=True)
class Wanted(Generic[S]):
    """What a retriever is wanted for: nothing else, but for what it learns from and the backbone, decides the result.

    `classes_count` is how many kinds of things there are, the number of names where these are given.
    """

    classes_count: Count
    seed: int
    settings: S


def run_key(method: str, learned_from: Mapping[str, Any], encoder: DualEncoder, wanted: Wanted[S]) -> str:
    """The hash of everything that the result depends on; `learned_from` stands for pictures or names."""
    whole = {
        "samekind": samekind.__version__,
        "method": method,
        **learned_from,
        "backbone": backbone_sha256(encoder),
        "classes_count": wanted.classes_count,
        "seed": wanted.seed,
        "settings": wanted.settings.to_dict(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def finished(out: Path, key: str, device: str) -> Retriever | None:
    """The retriever of an earlier run with this key, which is not made again."""
    return load(out, device=device) if is_retriever(out) and read_card(out).training.get("key") == key else None


def claimed(out: Path, key: str, report: Report) -> Run:
    """A run with a folder of its own beside `out`; raises UsageError where `out` is something else than a retriever."""
    if out.exists() and not is_retriever(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists and is no retriever: choose another folder, or remove it yourself.")
    work = out.with_name(f"{out.name}.work")
    run = Run(work, key, report if place()[0] == 0 else _silent, Journal(work))
    checkpoint.claim(work, key)
    return run


def save(retriever: Retriever, out: Path, run: Run) -> None:
    """The retriever and the journal; the run's own folder goes."""
    run.journal.close()
    retriever.save(out)
    if run.journal.file.is_file():
        shutil.copy(run.journal.file, out / NAME)
    shutil.rmtree(run.work)


def _silent(stage: str, numbers: Mapping[str, float]) -> None:
    """What the other processes tell."""
