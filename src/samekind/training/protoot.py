"""The training of ProtoOT: prototypes by K-means, pseudo-labels and alignment by optimal transport."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from samekind.methods.protoot import ProtoOT
from samekind.nn.kmeans import kmeans
from samekind.nn.processes import first_alone
from samekind.nn.prototypes import class_sums
from samekind.nn.sinkhorn import sinkhorn, spread_one
from samekind.training.adapt import Trainer, Uses
from samekind.training.adapt_settings import AdaptSettings
from samekind.training.cache import PictureCache
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.groups import domain_vectors, grouped
from samekind.training.loop import Means, Run, finite, rate_factor, shuffled, train_stage
from samekind.training.outcome import Learned, Wanted

NEIGHBOURS = 1_024  # pictures that look for their nearest one together


@dataclass(frozen=True)
class AlignmentSettings:
    """Published in Li et al.'s code: rate, decay, eps, temperature and the weights of what a picture is pulled to."""

    rate: float = 2.5e-4
    decay: float = 5e-4
    batch: int = 128  # 64 of either domain are published
    epochs: int = 40
    cross_after: int = 20  # epochs: half of them, as published
    eps: float = 0.05
    iterations: int = 50  # of Sinkhorn; published are 3
    temperature: float = 0.2
    itself: float = 1.0
    neighbour: float = 0.5
    prototype: float = 0.05
    cross: float = 1.0  # published is 0.01, for a network that is trained whole


@dataclass(frozen=True)
class ProtoOTSettings(AdaptSettings):
    """The one stage, and how the data are used."""

    example: ClassVar[str] = "alignment.epochs=30"
    may_be_zero: ClassVar[Collection[str]] = ("cross_after",)
    positive: ClassVar[Collection[str]] = ("eps", "temperature")

    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)


def learn(cache: PictureCache, wanted: Wanted[ProtoOTSettings], run: Run, learned: Learned) -> ProtoOT:
    """Group each domain alone, then learn the projection."""

    def grouping(
        plain: Sequence[Float[np.ndarray, "_n e"]], count: int, names: Sequence[str]
    ) -> list[Int[np.ndarray, " _n"]]:
        pairs = zip(plain, names, strict=True)
        return [kmeans(each, count, seed=wanted.seed, what=name).labels for each, name in pairs]

    with first_alone(), learned.timed("group"):
        count, labels = grouped(cache, wanted.classes_count, wanted.seed, run, learned, grouping)
    method = ProtoOT(cache.pooled.shape[1]).to(cache.engine.device)
    stage = AlignmentStage(method, domain_vectors(cache), labels, count, wanted.settings.alignment, wanted.seed)
    with first_alone():  # a minute: not worth sharing
        learned.seconds[stage.name] = train_stage(stage, run)
    return method.eval()


def _uses(settings: ProtoOTSettings) -> Uses:
    return "pooled"


PROTOOT = Trainer("protoot", ProtoOTSettings, learn, _uses)


class Codes(NamedTuple):
    """What an epoch learns from, by picture: keys, the nearest other one of its domain, and rows of the plans."""

    keys: Float[Tensor, "n e"]
    neighbour: Int[Tensor, " n"]
    own: Float[Tensor, "n c"]
    cross: Float[Tensor, "s n c"]


class AlignmentStage:
    """The projection and the prototypes of every domain; prototypes and plans are those of an epoch's beginning."""

    name = "alignment"

    def __init__(
        self,
        method: ProtoOT,
        vectors: Sequence[Float[Tensor, "_n e"]],
        labels: Sequence[Int[Tensor, " _n"]],
        classes: int,
        settings: AlignmentSettings,
        seed: int,
    ) -> None:
        """`vectors` and `labels` by domain."""
        self.method, self.settings, self.seed, self.epochs = method, settings, seed, settings.epochs
        device = method.projection.weight.device
        counts = [len(each) for each in vectors]
        self.parts = list(torch.split(torch.arange(sum(counts), device=device), counts))
        self.vectors = F.normalize(torch.cat(list(vectors)).float(), dim=1).to(device)
        self.domain = torch.repeat_interleave(torch.tensor(counts)).to(device)
        pairs = zip(self.parts, labels, strict=True)
        sums = [class_sums(self.vectors[rows], each.to(device), classes)[0] for rows, each in pairs]
        self.prototypes = F.normalize(torch.stack(sums), dim=2)
        self.optimiser = torch.optim.Adam(
            method.parameters(), lr=settings.rate, weight_decay=settings.decay, amsgrad=True
        )

    def epoch(self, number: int) -> dict[str, float]:
        """One pass over all pictures of all domains together."""
        told, codes = Means(), self.codes()
        parts = shuffled(len(self.vectors), self.settings.batch, self.seed, number)
        for step, part in enumerate(parts):
            for group in self.optimiser.param_groups:
                group["lr"] = self.settings.rate * rate_factor(number * len(parts) + step, 0, self.epochs * len(parts))
            rows = torch.from_numpy(part).to(self.vectors.device)
            projected = self.method.read(self.vectors[rows])
            inside, across = self._inside(projected, rows, codes), self._across(projected, rows, codes)
            weight = self.settings.cross if number >= self.settings.cross_after else 0.0
            loss = finite(inside + weight * across, step + 1)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            numbers = {"loss": loss, "inside": inside, "across": across}
            told.add(len(part), **{name: float(each.detach()) for name, each in numbers.items()})
        return told.told()

    def _inside(self, projected: Float[Tensor, "b e"], rows: Int[Tensor, " b"], codes: Codes) -> Float[Tensor, ""]:
        """A picture's pull to itself, its neighbour and its prototype, against the other prototypes of its domain."""
        logits = torch.einsum("be,bce->bc", projected, self.prototypes[self.domain[rows]])
        label = codes.own[rows].argmax(1)
        settings, mine = self.settings, logits.gather(1, label[:, None])[:, 0]
        itself = (projected * codes.keys[rows]).sum(1)
        neighbour = (projected * codes.keys[codes.neighbour[rows]]).sum(1)
        pull = settings.itself * itself + settings.neighbour * neighbour + settings.prototype * mine
        return F.cross_entropy(logits.scatter(1, label[:, None], pull[:, None]) / settings.temperature, label)

    def _across(self, projected: Float[Tensor, "b e"], rows: Int[Tensor, " b"], codes: Codes) -> Float[Tensor, ""]:
        """Cross-entropy of a picture's row of the plan to each other domain, and its cosines to those prototypes."""
        logits = torch.einsum("be,sce->sbc", projected, self.prototypes) / self.settings.temperature
        losses = -(codes.cross[:, rows] * logits.log_softmax(2)).sum()  # rows of a picture's own domain are zero
        return losses / (len(rows) * (len(self.prototypes) - 1))

    @torch.no_grad()
    def codes(self) -> Codes:
        """Move the prototypes to what the projection makes of the pictures now, and plan from there."""
        keys = self.method.read(self.vectors)
        own = torch.zeros(len(keys), self.prototypes.shape[1], device=keys.device)
        neighbour, sizes = torch.zeros_like(self.domain), []
        for place, rows in enumerate(self.parts):
            scores = keys[rows] @ self.prototypes[place].T
            sizes.append(torch.bincount(scores.argmax(1), minlength=scores.shape[1]) / len(rows))
            own[rows] = self._plan(scores, sizes[-1])
            moved = F.normalize(own[rows].T @ keys[rows], dim=1)
            self.prototypes[place] = torch.where((sizes[-1] > 0)[:, None], moved, self.prototypes[place])
            neighbour[rows] = rows[nearest_other(keys[rows])]
        cross = torch.zeros(len(self.parts), *own.shape, device=keys.device)
        for asked, rows in enumerate(self.parts):
            for other in range(len(self.parts)):
                if other != asked:
                    carried = sizes[asked] @ self.matching(asked, other)
                    cross[other, rows] = self._plan(keys[rows] @ self.prototypes[other].T, carried)
        return Codes(keys, neighbour, own, cross)

    def matching(self, one: int, other: int) -> Float[Tensor, "c c"]:
        """Which prototype of the domain `other` each one of `one` goes to: rows of the plan between them, sums one."""
        scores = self.prototypes[one] @ self.prototypes[other].T
        return self._plan(scores, torch.full_like(scores[0], 1 / len(scores)))

    def _plan(self, scores: Float[Tensor, "n c"], columns: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
        """The plan from rows of equal mass to columns of these masses, each row times the number of rows."""
        rows = torch.full_like(scores[:, 0], 1 / len(scores))
        plan = sinkhorn(spread_one(scores), rows, columns, eps=self.settings.eps, iterations=self.settings.iterations)
        return plan * len(scores)

    def tensors(self) -> dict[str, Tensor]:
        """Projection, prototypes, optimiser."""
        method = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        return {**method, "prototypes": self.prototypes, **optimiser_tensors(self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        kept = {name.removeprefix("method."): each for name, each in tensors.items() if name.startswith("method.")}
        self.method.load_state_dict(kept)
        self.prototypes = tensors["prototypes"].to(self.prototypes.device)
        load_optimiser(self.optimiser, tensors)


def nearest_other(vectors: Float[Tensor, "n e"]) -> Int[Tensor, " n"]:
    """The row of each vector's nearest other one by inner product; of one vector alone, itself."""
    found = []
    for start in range(0, len(vectors), NEIGHBOURS):
        scores = vectors[start : start + NEIGHBOURS] @ vectors.T
        mine = torch.arange(len(scores), device=vectors.device)
        scores[mine, mine + start] = -torch.inf
        found.append(scores.argmax(1))
    return torch.cat(found)
