"""TPSNet from folders to a retriever: encode, group, learn prompts, match domains, learn to read."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

import samekind
from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError
from samekind.images.refs import Skip
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet
from samekind.methods.zero_shot import ZeroShot
from samekind.nn.kmeans import carried_kmeans, estimate_count, kmeans, unit
from samekind.nn.losses import repair
from samekind.nn.matching import match_domains
from samekind.nn.processes import first_alone, place
from samekind.nn.prototypes import class_sums
from samekind.retriever.card import read_card
from samekind.retriever.encode import Engine
from samekind.retriever.folder import is_retriever
from samekind.retriever.identity import backbone_sha256, describe
from samekind.retriever.precision import choose_device, choose_dtype
from samekind.retriever.store import Retriever, load
from samekind.training import checkpoint
from samekind.training.cache import PictureCache
from samekind.training.data import Unlabelled, find_pictures
from samekind.training.journal import NAME, Journal
from samekind.training.loop import Report, Run, train_stage
from samekind.training.settings import Settings
from samekind.training.tpsnet_prompts import PromptStage
from samekind.training.tpsnet_synergy import SynergyStage

Count = int | Literal["auto"]
SKIPPED = "skipped.jsonl"


@dataclass
class Learned:
    """What the stages hand on: pseudo-labels by domain, and numbers for the card."""

    labels: list[Int[Tensor, " _n"]]
    facts: dict[str, Any]
    seconds: dict[str, float]

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the seconds of a block."""
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


def train_tpsnet(
    data: str | Path,
    out: Path,
    *,
    domains: Sequence[str] | None = None,
    classes_count: Count = "auto",
    backbone: str | Path = "mini",
    seed: int = 0,
    settings: Settings,
    device: str = "auto",
    report: Report,
) -> Retriever:
    """Train on unlabelled pictures and save the retriever in the folder `out`; returns it.

    The same call goes on where a killed one stopped: its state is in `out`.work beside it, which is removed in the end.
    A finished run is not made again. `report` is told of each step. Raises UsageError for data that the method is not
    about, SamekindError when a loss is not finite or something cannot be read or written.
    """
    with first_alone():
        found = find_pictures(
            data, domains, clean=settings.profile == "clean", progress=lambda *n: report("reading", _steps(*n))
        )
    encoder = load(backbone, device=device).encoder
    key = run_key(found, encoder, classes_count, seed, settings)
    if is_retriever(out) and read_card(out).training.get("key") == key:
        return load(out, device=device)
    if out.exists() and not is_retriever(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists and is no retriever: choose another folder, or remove it yourself.")
    work = out.with_name(f"{out.name}.work")
    run = Run(work, key, report if place()[0] == 0 else _silent, Journal(work))
    learned = Learned([], {}, {})
    checkpoint.claim(work, key)
    with first_alone(), learned.timed("encode"):
        cache = _encoded(found, encoder, device, settings, run)
    method = learn(cache, classes_count, seed, settings, run, learned)
    with first_alone():
        if place()[0] > 0:
            return load(out, device=device)
        run.journal.close()
        card = describe(
            _renamed(encoder, backbone, settings),
            method,
            name=out.name,
            data_sha256=found.sha256,
            seed=seed,
            training=_facts(cache.data, key, classes_count, settings, learned),
        )
        retriever = Retriever(encoder, method, card=card, device=device)
        retriever.save(out)
        write_skipped(out / SKIPPED, cache.data.skipped)
        shutil.copy(run.journal.file, out / NAME)
        shutil.rmtree(work)
    return retriever


def _renamed(encoder: DualEncoder, backbone: str | Path, settings: Settings) -> DualEncoder:
    """The same; a backbone that was tuned is not the one on disk any more, and is saved with the retriever."""
    if settings.synergy.tune != "none":
        encoder.sha256, encoder.source = "", str(backbone)
    return encoder


def run_key(found: Unlabelled, encoder: DualEncoder, classes_count: Count, seed: int, settings: Settings) -> str:
    """The hash of everything that the result depends on."""
    whole = {
        "samekind": samekind.__version__,
        "data": found.sha256,
        "domains": found.domains,
        "backbone": backbone_sha256(encoder),
        "classes_count": classes_count,
        "seed": seed,
        "settings": settings.to_dict(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _encoded(found: Unlabelled, encoder: DualEncoder, device: str, settings: Settings, run: Run) -> PictureCache:
    """Every picture once through the backbone; where it is tuned, only its pooled vectors are of use later."""
    place, frozen = choose_device(device), settings.synergy.tune == "none"
    dtype = choose_dtype("auto", encoder, place) if frozen else torch.float32
    engine = Engine(encoder, ZeroShot(encoder.dim), place, dtype)
    return PictureCache(
        found,
        engine,
        run.work,
        limit=int(settings.cache_gib * 2**30),
        tokens=frozen,
        progress=lambda *n: run.report("encoding", _steps(*n)),
    )


def learn(
    cache: PictureCache, classes_count: Count, seed: int, settings: Settings, run: Run, learned: Learned
) -> TPSNet:
    """Both stages over encoded pictures; fills `learned`."""
    vectors = [cache.pooled[torch.from_numpy(cache.data.rows(domain))] for domain in range(len(cache.data.domains))]
    with first_alone(), learned.timed("group"):
        count = _groups(vectors, cache.data, classes_count, settings.groups, seed, run, learned)
    encoder = cache.engine.encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = replace(
            settings.model, domains=cache.data.domains, classes=count, scale=float(encoder.logit_scale.exp())
        )
        method = TPSNet(model, EncoderFacts.of(encoder)).to(cache.engine.device)
    if method.has_text:
        _text_prior(method, encoder, vectors, seed, settings, run, learned)
    _match(method, vectors, settings, learned)
    labels = torch.zeros(len(cache.data), dtype=torch.long)
    for domain, each in enumerate(learned.labels):
        labels[torch.from_numpy(cache.data.rows(domain))] = each
    stage = SynergyStage(method, cache, labels, settings.synergy, seed)
    learned.seconds["synergy"] = train_stage(stage, run)
    return method.eval()


def _groups(
    vectors: Sequence[Tensor],
    data: Unlabelled,
    classes_count: Count,
    way: str,
    seed: int,
    run: Run,
    learned: Learned,
) -> int:
    """K-means in every domain; kept on disk, so that a resumed run has the very same groups."""
    file = run.work / "groups.safetensors"
    plain = [unit(each.numpy()) for each in vectors]
    if classes_count == "auto":
        count, tried = estimate_count(plain, seed=seed)
        learned.facts["silhouettes"] = {str(each): round(score, 4) for each, score in tried.items()}
    else:
        count = classes_count
    kept = checkpoint.load(file, key=run.key)
    if kept is None:
        names = [f"The domain {name}" for name in data.domains]
        if way == "carried":
            made = carried_kmeans(plain, count, seed=seed, names=names)
        else:
            made = [kmeans(each, count, seed=seed, what=name) for each, name in zip(plain, names, strict=True)]
        tensors = {str(domain): torch.from_numpy(each.labels) for domain, each in enumerate(made)}
        checkpoint.save(file, tensors, key=run.key, epoch=1)
        kept = tensors, 1
    learned.labels = [kept[0][str(domain)] for domain in range(len(vectors))]
    run.report("grouping", {"step": 1.0, "steps": 1.0, "classes": float(count)})
    return count


def _text_prior(
    method: TPSNet,
    encoder: DualEncoder,
    vectors: Sequence[Tensor],
    seed: int,
    settings: Settings,
    run: Run,
    learned: Learned,
) -> None:
    """Stage 1: T' into the method, and the pseudo-labels as the prompts mend them."""
    stage = PromptStage(encoder, vectors, learned.labels, method.settings.classes, settings.prompts, seed)
    with first_alone():  # minutes at most: not worth sharing
        learned.seconds["prompts"] = train_stage(stage, run)
    shares = []
    for domain in range(len(vectors)):
        texts = stage.texts(domain)
        method.priors[domain] = texts
        paired, share = repair(stage.vectors[domain], texts, stage.labels[domain])
        shares.append(share)
        if settings.synergy.labels == "prompts":
            learned.labels[domain] = paired.cpu()
    learned.facts["repaired"] = [round(share, 4) for share in shares]


def _match(method: TPSNet, vectors: Sequence[Tensor], settings: Settings, learned: Learned) -> None:
    """Which class of each domain is which shared class, by the prompts or by the pictures."""
    way = settings.synergy.match
    if way == "groups":  # equal numbers are one class, as carried groups begin
        return
    if way == "prompts" and method.has_text:
        known = list(method.priors.cpu())
    else:
        pairs = zip(vectors, learned.labels, strict=True)
        known = [class_sums(F.normalize(each, dim=1), labels, method.settings.classes)[0] for each, labels in pairs]
    matching = match_domains(known, centred=settings.synergy.match_centred)
    method.shared.copy_(matching.shared)
    learned.facts["matching_cosine"] = round(matching.cosine, 4)


def _facts(data: Unlabelled, key: str, classes_count: Count, settings: Settings, learned: Learned) -> dict[str, Any]:
    """The card's account of the training."""
    return {
        "key": key,
        "profile": settings.profile,
        "domains": {name: len(data.rows(domain)) for domain, name in enumerate(data.domains)},
        "skipped": len(data.skipped),
        "classes_count": "estimated" if classes_count == "auto" else "given",
        **learned.facts,
        "seconds": {name: round(value, 1) for name, value in learned.seconds.items()},
        "settings": settings.to_dict(),
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
