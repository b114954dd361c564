"""TPSNet's own part of training: group, learn prompts, match domains, learn to read."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samekind.clip.encoder import DualEncoder
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet
from samekind.nn.diffusion import neighbour_graph, spectrum
from samekind.nn.kmeans import Clusters, centred, kmeans
from samekind.nn.losses import repair
from samekind.nn.matching import match_domains
from samekind.nn.processes import first_alone
from samekind.nn.prototypes import class_sums
from samekind.training.adapt import Trainer, Uses
from samekind.training.cache import PictureCache
from samekind.training.groups import domain_vectors, grouped
from samekind.training.loop import Run, train_stage
from samekind.training.outcome import Learned, Wanted
from samekind.training.settings import Settings
from samekind.training.tpsnet_prompts import PromptStage
from samekind.training.tpsnet_synergy import SynergyStage

JOINT_RESTARTS = 20  # of K-means over all domains: with many classes the best of five is still one of the poor ones


def learn(cache: PictureCache, wanted: Wanted[Settings], run: Run, learned: Learned) -> TPSNet:
    """Both stages over encoded pictures."""
    seed, settings = wanted.seed, wanted.settings
    with first_alone(), learned.timed("group"):
        count, shares = _groups(cache, wanted, run, learned)
    vectors, encoder = domain_vectors(cache), cache.engine.encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = replace(
            settings.model, domains=cache.data.domains, classes=count, scale=float(encoder.logit_scale.exp())
        )
        method = TPSNet(model, EncoderFacts.of(encoder)).to(cache.engine.device)
    method.places.fit(vectors)
    if method.has_text:
        shares = _text_prior(method, encoder, vectors, shares, wanted, run, learned)
    _match(method, vectors, shares, settings, learned)
    targets = torch.zeros(len(cache.data), count)
    for domain, each in enumerate(shares):
        # A class's number in its domain becomes the one that it has across domains.
        targets[torch.from_numpy(cache.data.rows(domain))] = each[:, method.shared[domain].argsort().cpu()]
    stage = SynergyStage(method, cache, targets, settings.synergy, seed)
    learned.seconds["synergy"] = train_stage(stage, run)
    return method.eval()


def _uses(settings: Settings) -> Uses:
    """Where the picture tower is tuned, its tokens of today are of no use tomorrow."""
    return "tokens" if settings.synergy.tune == "none" else "tower"


TPSNET = Trainer("tpsnet", Settings, learn, _uses)


def _groups(
    cache: PictureCache, wanted: Wanted[Settings], run: Run, learned: Learned
) -> tuple[int, list[Float[Tensor, "_n c"]]]:
    """Each picture's share of the groups, by domain, in the way that is set."""
    settings, seed = wanted.settings.groups, wanted.seed

    def grouping(
        plain: Sequence[Float[np.ndarray, "_n e"]], count: int, names: Sequence[str]
    ) -> list[Float[np.ndarray, "_n c"]]:
        if settings.way == "separate":
            pairs = zip(plain, names, strict=True)
            return [_shares(each, kmeans(each, count, seed=seed, what=name), 0.0) for each, name in pairs]
        if settings.way == "joint":
            points = np.concatenate([centred(each) for each in plain])
        else:
            graph = neighbour_graph(plain, neighbours=settings.neighbours)
            points = spectrum(graph, max(settings.width, 2 * count)).embedded(settings.time)
        # A domain with more pictures than another counts no more: else its kinds would be cut up, the other's merged.
        weights = np.concatenate([np.full(len(each), len(points) / len(plain) / len(each)) for each in plain])
        found = kmeans(points, count, seed=seed, restarts=JOINT_RESTARTS, weights=weights, what="All of the data")
        shares = _shares(points, found, settings.softness if settings.way == "diffused" else 0.0)
        return list(np.split(shares, np.cumsum([len(each) for each in plain])[:-1]))

    return grouped(cache, wanted.classes_count, wanted.seed, run, learned, grouping)


def _shares(points: Float[np.ndarray, "n m"], found: Clusters, softness: float) -> Float[np.ndarray, "n c"]:
    """A softmax of the cosines to the centres; one for the nearest where `softness` is 0."""
    if not softness:
        return np.asarray(np.eye(len(found.centres), dtype=np.float32)[found.labels])
    logits = points @ found.centres.T / softness
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _text_prior(
    method: TPSNet,
    encoder: DualEncoder,
    vectors: Sequence[Tensor],
    shares: Sequence[Float[Tensor, "_n c"]],
    wanted: Wanted[Settings],
    run: Run,
    learned: Learned,
) -> list[Float[Tensor, "_n c"]]:
    """Stage 1: T' into the method; returns the shares, with what the prompts say if that is set."""
    labels = [each.argmax(1) for each in shares]
    stage = PromptStage(encoder, vectors, labels, method.settings.classes, wanted.settings.prompts, wanted.seed)
    with first_alone():  # minutes at most: not worth sharing
        learned.seconds["prompts"] = train_stage(stage, run)
    repaired = []
    for domain in range(len(vectors)):
        texts = stage.texts(domain)
        method.priors[domain] = texts
        repaired.append(round(repair(stage.vectors[domain], texts, stage.labels[domain])[1], 4))
    learned.facts["repaired"] = repaired
    if wanted.settings.synergy.labels == "groups":
        return list(shares)
    device = method.priors.device
    said = [
        method.posterior(each.to(device), torch.full((len(each),), domain, device=device)).cpu()
        for domain, each in enumerate(vectors)
    ]
    return [(share + other) / 2 for share, other in zip(shares, said, strict=True)]


def _match(
    method: TPSNet,
    vectors: Sequence[Tensor],
    shares: Sequence[Float[Tensor, "_n c"]],
    settings: Settings,
    learned: Learned,
) -> None:
    """Which class of each domain is which shared class, by the prompts or by the pictures."""
    way = settings.synergy.match
    if way == "groups":  # of all domains together: equal numbers are one class
        return
    if way == "prompts" and method.has_text:
        known = list(method.priors.cpu())
    else:
        pairs = zip(vectors, shares, strict=True)
        known = [class_sums(F.normalize(each, dim=1), share.argmax(1), share.shape[1])[0] for each, share in pairs]
    matching = match_domains(known, centred=settings.synergy.match_centred)
    method.shared.copy_(matching.shared)
    learned.facts["matching_cosine"] = round(matching.cosine, 4)
