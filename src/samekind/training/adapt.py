"""What every method that learns from unlabelled pictures goes through, from folders to a retriever."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch

import samekind
from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError
from samekind.images.refs import Skip
from samekind.methods.base import Method
from samekind.methods.zero_shot import ZeroShot
from samekind.nn.processes import first_alone, place
from samekind.retriever.card import read_card
from samekind.retriever.encode import Engine
from samekind.retriever.folder import is_retriever
from samekind.retriever.identity import backbone_sha256, describe
from samekind.retriever.precision import choose_device, choose_dtype
from samekind.retriever.store import Retriever, load
from samekind.training import checkpoint
from samekind.training.adapt_settings import AdaptSettings
from samekind.training.cache import PictureCache
from samekind.training.data import Unlabelled, find_pictures
from samekind.training.journal import NAME, Journal
from samekind.training.loop import Report, Run

Count = int | Literal["auto"]
# What learning looks at: pooled vectors alone, image tokens and pixels too, or the picture tower, which it changes.
Uses = Literal["pooled", "tokens", "tower"]
S = TypeVar("S", bound=AdaptSettings)

SKIPPED = "skipped.jsonl"


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


@dataclass(frozen=True)
class Wanted(Generic[S]):
    """What a retriever is wanted for: nothing else, but for the pictures and the backbone, decides the result."""

    classes_count: Count
    seed: int
    settings: S


@dataclass(frozen=True)
class Trainer(Generic[S]):
    """A method's own part of training.

    `learn` gets the encoded pictures, what is wanted, where the run keeps its things, and `Learned` to fill. In several
    processes each calls it, and each must return the same method. `uses` says what it looks at.
    """

    name: str
    settings: type[S]
    learn: Callable[[PictureCache, Wanted[S], Run, Learned], Method]
    uses: Callable[[S], Uses]


def adapt(
    trainer: Trainer[S],
    data: str | Path,
    out: Path,
    wanted: Wanted[S],
    *,
    domains: Sequence[str] | None,
    backbone: str | Path,
    device: str,
    report: Report,
) -> Retriever:
    """Train on unlabelled pictures and save the retriever in the folder `out`; returns it.

    The same call goes on where a killed one stopped: its state is in `out`.work beside it, which is removed in the end.
    A finished run is not made again. `report` is told of each step. Raises UsageError for data that the method is not
    about, SamekindError when a loss is not finite or something cannot be read or written.
    """
    clean = wanted.settings.profile == "clean"
    with first_alone():
        found = find_pictures(data, domains, clean=clean, progress=lambda *n: report("reading", _steps(*n)))
    encoder = load(backbone, device=device).encoder
    key = run_key(trainer.name, found, encoder, wanted)
    if is_retriever(out) and read_card(out).training.get("key") == key:
        return load(out, device=device)
    run, learned = _claimed(out, key, report), Learned()
    uses = trainer.uses(wanted.settings)
    with first_alone(), learned.timed("encode"):
        cache = _encoded(found, _engine(encoder, device, uses), wanted.settings, uses, run)
    if cache.fault:
        learned.facts["not_kept"] = cache.fault
    method = trainer.learn(cache, wanted, run, learned)
    with first_alone():
        if place()[0] > 0:
            return load(out, device=device)
        if uses == "tower":  # it is not the one on disk any more, and is saved with the retriever
            encoder.sha256, encoder.source = "", str(backbone)
        facts = _facts(cache.data, key, wanted, learned)
        card = describe(encoder, method, name=out.name, data_sha256=found.sha256, seed=wanted.seed, training=facts)
        retriever = Retriever(encoder, method, card=card, device=device)
        _save(retriever, out, cache.data.skipped, run)
    return retriever


def _save(retriever: Retriever, out: Path, skipped: Sequence[Skip], run: Run) -> None:
    """The retriever with what was skipped and the journal; the run's own folder goes."""
    run.journal.close()
    retriever.save(out)
    write_skipped(out / SKIPPED, skipped)
    if run.journal.file.is_file():
        shutil.copy(run.journal.file, out / NAME)
    shutil.rmtree(run.work)


def run_key(method: str, found: Unlabelled, encoder: DualEncoder, wanted: Wanted[S]) -> str:
    """The hash of everything that the result depends on."""
    whole = {
        "samekind": samekind.__version__,
        "method": method,
        "data": found.sha256,
        "domains": found.domains,
        "backbone": backbone_sha256(encoder),
        "classes_count": wanted.classes_count,
        "seed": wanted.seed,
        "settings": wanted.settings.to_dict(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _claimed(out: Path, key: str, report: Report) -> Run:
    """A run with a folder of its own beside `out`; raises UsageError where `out` is something else than a retriever."""
    if out.exists() and not is_retriever(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists and is no retriever: choose another folder, or remove it yourself.")
    work = out.with_name(f"{out.name}.work")
    run = Run(work, key, report if place()[0] == 0 else _silent, Journal(work))
    checkpoint.claim(work, key)
    return run


def _engine(encoder: DualEncoder, device: str, uses: Uses) -> Engine:
    """The backbone as pictures are encoded with it: a tower that is to be trained in full precision."""
    where = choose_device(device)
    dtype = torch.float32 if uses == "tower" else choose_dtype("auto", encoder, where)
    return Engine(encoder, ZeroShot(encoder.dim), where, dtype)


def _encoded(found: Unlabelled, engine: Engine, settings: AdaptSettings, uses: Uses, run: Run) -> PictureCache:
    """Every picture once through the backbone; no more is kept than learning will look at."""
    return PictureCache(
        found,
        engine,
        run.work,
        limit=0 if uses == "pooled" else int(settings.cache_gib * 2**30),
        tokens=uses == "tokens",
        progress=lambda *n: run.report("encoding", _steps(*n)),
    )


def _facts(data: Unlabelled, key: str, wanted: Wanted[S], learned: Learned) -> dict[str, Any]:
    """The card's account of the training."""
    return {
        "key": key,
        "profile": wanted.settings.profile,
        "domains": {name: len(data.rows(domain)) for domain, name in enumerate(data.domains)},
        "skipped": len(data.skipped),
        **learned.facts,
        "seconds": {name: round(value, 1) for name, value in learned.seconds.items()},
        "settings": wanted.settings.to_dict(),
    }


def _silent(stage: str, numbers: Mapping[str, float]) -> None:
    """What the other processes tell."""


def write_skipped(file: Path, skipped: Sequence[Skip]) -> None:
    """A line of JSON for each picture that was left out; no file where there is none."""
    if skipped:
        lines = (json.dumps({"uri": each.uri, "reason": each.reason, "detail": each.detail}) for each in skipped)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _steps(done: int, total: int) -> dict[str, float]:
    return {"step": float(done), "steps": float(total)}
