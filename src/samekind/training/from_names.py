"""What every method that learns from names alone goes through, from names to a retriever; it opens no picture."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError
from samekind.methods.base import Method
from samekind.nn.processes import first_alone
from samekind.retriever.identity import describe
from samekind.retriever.store import Retriever, load
from samekind.training.adapt_settings import LearnSettings
from samekind.training.loop import Report, Run
from samekind.training.names import Names
from samekind.training.outcome import Learned, Wanted, claimed, finished, run_key, save

S = TypeVar("S", bound=LearnSettings)


@dataclass(frozen=True)
class TextTrainer(Generic[S]):
    """A method's own part: `learn` gets names, the frozen backbone, what is wanted, where the run keeps its things."""

    name: str
    settings: type[S]
    learn: Callable[[Names, DualEncoder, Wanted[S], Run, Learned], Method]


def adapt_from_names(
    trainer: TextTrainer[S],
    names: Names,
    out: Path,
    wanted: Wanted[S],
    *,
    backbone: str | Path,
    device: str,
    report: Report,
) -> Retriever:
    """Learn from names and save the retriever in the folder `out`; returns it.

    As with pictures the same call goes on where a killed one stopped, and a finished run is not made again. Of several
    processes the first learns, in minutes, and the others load what it made. Raises UsageError where `out` is something
    else, SamekindError when a loss is not finite or something cannot be read or written.
    """
    encoder = load(backbone, device=device).encoder
    key = run_key(trainer.name, {"names": names.names}, encoder, wanted)
    with first_alone():
        if made := finished(out, key, device):
            return made
        run, learned = claimed(out, key, report), Learned()
        try:
            method = trainer.learn(names, encoder, wanted, run, learned)
        except UsageError:  # nothing was learned: the folder is free for other settings
            shutil.rmtree(run.work)
            raise
        known = sha256(json.dumps(names.names).encode()).hexdigest()
        facts = {"classes": len(names.names), **names.facts(), **learned.told(key, wanted.settings)}
        card = describe(encoder, method, name=out.name, data_sha256=known, seed=wanted.seed, training=facts)
        retriever = Retriever(encoder, method, card=card, device=device)
        save(retriever, out, run)
    return retriever
