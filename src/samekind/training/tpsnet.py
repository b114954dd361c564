"""TPSNet's own part of training: group, learn prompts, match domains, learn to read."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from samekind.clip.encoder import DualEncoder
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet
from samekind.nn.kmeans import carried_kmeans, kmeans
from samekind.nn.losses import repair
from samekind.nn.matching import match_domains
from samekind.nn.processes import first_alone
from samekind.nn.prototypes import class_sums
from samekind.training.adapt import Learned, Trainer, Uses, Wanted
from samekind.training.cache import PictureCache
from samekind.training.groups import domain_vectors, grouped
from samekind.training.loop import Run, train_stage
from samekind.training.settings import Settings
from samekind.training.tpsnet_prompts import PromptStage
from samekind.training.tpsnet_synergy import SynergyStage


def learn(cache: PictureCache, wanted: Wanted[Settings], run: Run, learned: Learned) -> TPSNet:
    """Both stages over encoded pictures."""
    seed, settings = wanted.seed, wanted.settings
    with first_alone(), learned.timed("group"):
        count, labels = _groups(cache, wanted, run, learned)
    vectors, encoder = domain_vectors(cache), cache.engine.encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = replace(
            settings.model, domains=cache.data.domains, classes=count, scale=float(encoder.logit_scale.exp())
        )
        method = TPSNet(model, EncoderFacts.of(encoder)).to(cache.engine.device)
    if method.has_text:
        labels = _text_prior(method, encoder, vectors, labels, wanted, run, learned)
    _match(method, vectors, labels, settings, learned)
    every = torch.zeros(len(cache.data), dtype=torch.long)
    for domain, each in enumerate(labels):
        every[torch.from_numpy(cache.data.rows(domain))] = each
    stage = SynergyStage(method, cache, every, settings.synergy, seed)
    learned.seconds["synergy"] = train_stage(stage, run)
    return method.eval()


def _uses(settings: Settings) -> Uses:
    """Where the picture tower is tuned, its tokens of today are of no use tomorrow."""
    return "tokens" if settings.synergy.tune == "none" else "tower"


TPSNET = Trainer("tpsnet", Settings, learn, _uses)


def _groups(
    cache: PictureCache, wanted: Wanted[Settings], run: Run, learned: Learned
) -> tuple[int, list[Int[Tensor, " _n"]]]:
    """K-means in every domain, from the others' centres or each on its own."""

    def grouping(
        plain: Sequence[Float[np.ndarray, "_n e"]], count: int, names: Sequence[str]
    ) -> list[Int[np.ndarray, " _n"]]:
        if wanted.settings.groups == "carried":
            return [each.labels for each in carried_kmeans(plain, count, seed=wanted.seed, names=names)]
        pairs = zip(plain, names, strict=True)
        return [kmeans(each, count, seed=wanted.seed, what=name).labels for each, name in pairs]

    return grouped(cache, wanted.classes_count, wanted.seed, run, learned, grouping)


def _text_prior(
    method: TPSNet,
    encoder: DualEncoder,
    vectors: Sequence[Tensor],
    labels: Sequence[Int[Tensor, " _n"]],
    wanted: Wanted[Settings],
    run: Run,
    learned: Learned,
) -> list[Int[Tensor, " _n"]]:
    """Stage 1: T' into the method; returns the pseudo-labels, as the prompts mend them if that is set."""
    stage = PromptStage(encoder, vectors, labels, method.settings.classes, wanted.settings.prompts, wanted.seed)
    with first_alone():  # minutes at most: not worth sharing
        learned.seconds["prompts"] = train_stage(stage, run)
    mended, shares = [], []
    for domain in range(len(vectors)):
        texts = stage.texts(domain)
        method.priors[domain] = texts
        paired, share = repair(stage.vectors[domain], texts, stage.labels[domain])
        mended.append(paired.cpu())
        shares.append(round(share, 4))
    learned.facts["repaired"] = shares
    return mended if wanted.settings.synergy.labels == "prompts" else list(labels)


def _match(
    method: TPSNet,
    vectors: Sequence[Tensor],
    labels: Sequence[Int[Tensor, " _n"]],
    settings: Settings,
    learned: Learned,
) -> None:
    """Which class of each domain is which shared class, by the prompts or by the pictures."""
    way = settings.synergy.match
    if way == "groups":  # equal numbers are one class, as carried groups begin
        return
    if way == "prompts" and method.has_text:
        known = list(method.priors.cpu())
    else:
        pairs = zip(vectors, labels, strict=True)
        known = [class_sums(F.normalize(each, dim=1), group, method.settings.classes)[0] for each, group in pairs]
    matching = match_domains(known, centred=settings.synergy.match_centred)
    method.shared.copy_(matching.shared)
    learned.facts["matching_cosine"] = round(matching.cosine, 4)
