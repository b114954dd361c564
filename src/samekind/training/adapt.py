"""What every method that learns from unlabelled pictures goes through, from folders to a retriever."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch

from samekind.clip.encoder import DualEncoder
from samekind.images.refs import Skip
from samekind.methods.base import Method
from samekind.methods.zero_shot import ZeroShot
from samekind.nn.processes import first_alone, place
from samekind.retriever.encode import Engine
from samekind.retriever.identity import describe
from samekind.retriever.precision import choose_device, choose_dtype
from samekind.retriever.store import Retriever, load
from samekind.training.adapt_settings import AdaptSettings
from samekind.training.cache import PictureCache
from samekind.training.data import Unlabelled, find_pictures
from samekind.training.loop import Report, Run
from samekind.training.outcome import Learned, Wanted, claimed, finished, run_key, save

# What learning looks at: pooled vectors alone, image tokens and pixels too, or the picture tower, which it changes.
Uses = Literal["pooled", "tokens", "tower"]
S = TypeVar("S", bound=AdaptSettings)

SKIPPED = "skipped.jsonl"


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
    key = run_key(trainer.name, {"data": found.sha256, "domains": found.domains}, encoder, wanted)
    if made := finished(out, key, device):
        return made
    with first_alone():  # else one may read the key while another writes it
        run = claimed(out, key, report)
    learned = Learned({"profile": wanted.settings.profile})
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
        facts = {**_of_data(cache.data), **learned.told(key, wanted.settings)}
        card = describe(encoder, method, name=out.name, data_sha256=found.sha256, seed=wanted.seed, training=facts)
        retriever = Retriever(encoder, method, card=card, device=device)
        save(retriever, out, run)
        write_skipped(out / SKIPPED, cache.data.skipped)
    return retriever


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


def _of_data(data: Unlabelled) -> dict[str, Any]:
    """What the card says of the pictures."""
    domains = {name: len(data.rows(domain)) for domain, name in enumerate(data.domains)}
    return {"domains": domains, "skipped": len(data.skipped)}


def write_skipped(file: Path, skipped: Sequence[Skip]) -> None:
    """A line of JSON for each picture that was left out; no file where there is none."""
    if skipped:
        lines = (json.dumps({"uri": each.uri, "reason": each.reason, "detail": each.detail}) for each in skipped)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _steps(done: int, total: int) -> dict[str, float]:
    return {"step": float(done), "steps": float(total)}
