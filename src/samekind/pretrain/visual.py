"""The visual stage: pictures into the space of names, keeping what the starting tower knows."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNet
from samekind.errors import SamekindError, UsageError
from samekind.nn.processes import average_gradients, average_numbers, place
from samekind.pretrain.augment import OWN, Augment
from samekind.pretrain.checkpoint import go_on, keep
from samekind.pretrain.mixstyle import MixStyle
from samekind.retriever.encode import ordered_map

CHECKPOINT = "visual.safetensors"
NO_DOMAIN = -100  # a picture whose style has no word


@dataclass(frozen=True)
class VisualRecipe:
    """Numbers of the visual stage; all chosen here; docs/log.md says what was measured."""

    steps: int = 4000
    batch: int = 96
    chunk: int = 24  # pictures of a batch that are changed together
    small: int = 96  # picture side in pixels for the first steps
    large: int = 128
    small_share: float = 0.5  # of the steps
    rate: float = 4e-4
    head_rate: float = 2e-3
    warmup: int = 200
    cooldown: int = 500  # last steps, in which the rate falls to zero
    decay: float = 0.02
    temperature: float = 0.05
    smoothing: float = 0.05
    label_weight: float = 1.0
    feature_weight: float = 2.0
    domain_weight: float = 0.1
    average: float = 0.998
    frozen: int = 0  # blocks from the stem on that stay as they were
    mix_share: float = 0.0  # of the batches whose styles are mixed after the blocks below
    mix_after: list[int] = field(default_factory=lambda: [2, 4])
    save_every: int = 250
    augment: Augment = field(default_factory=Augment)


@dataclass(frozen=True)
class Material:
    """Everything the visual stage looks at, one row per picture unless said otherwise."""

    pictures: UInt8[np.ndarray, "n s s 3"]
    weights: Float[np.ndarray, " n"]  # sampling
    caption: Int[Tensor, " n"]  # row of `texts`
    domain: Int[Tensor, " n"]  # row of `domain_texts`
    drawn: Bool[Tensor, " n"]  # dark on a plain ground
    texts: Float[Tensor, "c e"]
    domain_texts: Float[Tensor, "d e"]
    given: Int[Tensor, " 4"]  # row of `domain_texts` for each given style of `augment`; NO_DOMAIN where none fits
    label_texts: Float[Tensor, "k e"]
    label_logs: Float[Tensor, "n k"]  # the starting classifier's log-probabilities
    features: Float[Tensor, "n f"]  # the starting tower's pooled features
    trusted: Float[Tensor, " n"]  # how far to believe that classifier, 0 (line drawings) to 1 (photos)


class Batch(NamedTuple):
    """Augmented pictures in [-1, 1] and the rows they come from."""

    pixels: Float[Tensor, "b 3 s s"]
    rows: Int[Tensor, " b"]
    style: Int[Tensor, " b"]


def train_visual(
    tower: MobileNet,
    material: Material,
    recipe: VisualRecipe,
    *,
    seed: int,
    work: Path,
    report: Callable[[dict[str, float]], None],
) -> MobileNet:
    """Train `tower` and return the running average of its weights.

    A killed run goes on from the last checkpoint in `work` (every `save_every` steps); each step's pictures depend on
    seed and step alone, so that the result is the same as undisturbed. Under torchrun each process learns from its part
    of every batch and `report` is told of the whole (but MixStyle mixes within a part).

    Raises:
        UsageError: a batch has fewer chunks than there are processes, or cannot be shared equally.
        SamekindError: the loss is not finite; the last good checkpoint stays.
    """
    check_share(recipe, place()[1])
    trainer = Trainer(tower, recipe)
    first = trainer.resume(work, seed)
    began = time.monotonic()
    # One batch is made in a thread while the one before it is learned from.
    made = ordered_map(
        lambda step: make_batch(material, recipe, seed, step, place()),
        range(first, recipe.steps),
        workers=1,
        look_ahead=1,
    )
    for step, batch in enumerate(made, first):
        parts = trainer.step(batch, material, step)
        if not np.isfinite(parts["loss"]):
            raise SamekindError(f"the loss is {parts['loss']} at step {step}; {work} keeps the last good checkpoint")
        rate = (step + 1 - first) * recipe.batch / (time.monotonic() - began)
        report({"step": float(step + 1), "steps": float(recipe.steps), "pictures_per_second": rate, **parts})
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            trainer.save(work, seed, step + 1)
    return trainer.average


class Trainer:
    """Tower, its running average, and the optimiser; one step at a time."""

    def __init__(self, tower: MobileNet, recipe: VisualRecipe) -> None:
        self.recipe = recipe
        self.tower = tower.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average: MobileNet = deepcopy(self.tower).eval().requires_grad_(False)
        if recipe.frozen:
            tower.stem.requires_grad_(False)
            tower.blocks[: recipe.frozen].requires_grad_(False)
        self.mix = MixStyle(recipe.mix_share)
        for block in recipe.mix_after:
            tower.blocks[block].register_forward_hook(self.mix)
        head = list(tower.projection.parameters())
        body = [p for name, p in tower.named_parameters() if p.requires_grad and not name.startswith("projection")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": body, "lr": recipe.rate, "base": recipe.rate},
                {"params": head, "lr": recipe.head_rate, "base": recipe.head_rate},
            ],
            weight_decay=recipe.decay,
        )

    def step(self, batch: Batch, material: Material, step: int) -> dict[str, float]:
        """One optimiser step; the parts of the loss."""
        self.set_rate(step)
        self.mix.begin(step)
        pooled = self.tower.features(batch.pixels).mean((2, 3))
        parts = losses(pooled, self.tower.projection(pooled), batch, material, self.recipe)
        loss = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.tower.parameters())
        nn.utils.clip_grad_norm_(self.tower.parameters(), 5.0)
        self.optimiser.step()
        stay = min(self.recipe.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.tower.parameters(), strict=True):
                mean.lerp_(now, 1 - stay)
        told = {"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in parts.items()}}
        return average_numbers(told)

    def set_rate(self, step: int) -> None:
        """Linear warm-up, a plateau, and a cool-down linear to zero (Haegele et al. 2024)."""
        warm = min(1.0, (step + 1) / self.recipe.warmup)
        factor = warm * min(1.0, (self.recipe.steps - step) / max(1, min(self.recipe.cooldown, self.recipe.steps)))
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor

    def save(self, work: Path, seed: int, step: int) -> None:
        """Write weights, average and optimiser state for `resume`; the first of several processes does."""
        if place()[0] == 0:
            keep(work / CHECKPOINT, self._modules(), self.optimiser, {"seed": str(seed), "step": str(step)})

    def resume(self, work: Path, seed: int) -> int:
        """Load the checkpoint in `work`, if there is one of this seed; the step to go on from."""
        facts = go_on(work / CHECKPOINT, self._modules(), self.optimiser, seed)
        return int(facts["step"]) if facts else 0

    def _modules(self) -> dict[str, nn.Module]:
        return {"tower": self.tower, "average": self.average}


def check_share(recipe: VisualRecipe, processes: int) -> None:
    """Raises UsageError where the processes cannot share a batch equally, chunk by chunk."""
    chunks, rest = divmod(recipe.batch, recipe.chunk)
    if processes > 1 and (rest or chunks % processes):
        raise UsageError(
            f"{processes} processes cannot share batches of {recipe.batch} in chunks of {recipe.chunk} equally; set "
            "visual.batch to a multiple of visual.chunk times the number of processes."
        )


def losses(
    pooled: Float[Tensor, "b f"],
    vectors: Float[Tensor, "b e"],
    batch: Batch,
    material: Material,
    recipe: VisualRecipe,
) -> dict[str, Tensor]:
    """Caption, label, feature and domain parts, already weighted.

    caption: cross-entropy over all captions' vectors. label: the starting classifier's probabilities for the whole,
    unchanged picture, asked of the changed one as similarities to the label names. feature: the starting tower's
    pooled features of the whole picture, asked of the changed one (cosine); so style is what may change and content
    is what must not. domain: which domain word is nearest, that of the given style where a picture was given one.
    """
    z, rows = F.normalize(vectors, dim=1), batch.rows
    trust = material.trusted[rows]
    caption = F.cross_entropy(
        z @ material.texts.T / recipe.temperature, material.caption[rows], label_smoothing=recipe.smoothing
    )
    said = F.log_softmax(z @ material.label_texts.T / recipe.temperature, dim=1)
    known = material.label_logs[rows]
    label = (trust * F.kl_div(said, known, log_target=True, reduction="none").sum(1)).mean()
    feature = (trust * (1 - F.cosine_similarity(pooled, material.features[rows], dim=1))).mean()
    style = torch.where(batch.style == OWN, material.domain[rows], material.given[batch.style])
    nearest = z @ material.domain_texts.T / recipe.temperature
    domain = F.cross_entropy(nearest, style, ignore_index=NO_DOMAIN, reduction="sum") / len(rows)
    return {
        "caption": caption,
        "label": recipe.label_weight * label,
        "feature": recipe.feature_weight * feature,
        "domain": recipe.domain_weight * domain,
    }


def make_batch(
    material: Material, recipe: VisualRecipe, seed: int, step: int, share: tuple[int, int] = (0, 1)
) -> Batch:
    """The pictures of one step, a function of the recipe, the seed and the step alone.

    With `share` (i, n) it is every n-th chunk from the i-th on: n processes make the batch of one between them.
    """
    rng = np.random.default_rng([seed, step])
    rows = rng.choice(len(material.weights), recipe.batch, p=material.weights)
    chunks = [rows[start : start + recipe.chunk] for start in range(0, recipe.batch, recipe.chunk)]
    seeds = rng.integers(2**62, size=len(chunks))
    size = recipe.small if step < recipe.small_share * recipe.steps else recipe.large
    made = []
    for chunk, dice in list(zip(chunks, seeds, strict=True))[share[0] :: share[1]]:
        pixels = torch.from_numpy(material.pictures[chunk]).permute(0, 3, 1, 2).float() / 255
        index = torch.from_numpy(chunk)
        generator = torch.Generator().manual_seed(int(dice))
        changed = recipe.augment(pixels, material.drawn[index], size, generator)
        made.append(Batch(changed.pixels * 2 - 1, index, changed.style))
    return Batch(*(torch.cat(parts) for parts in zip(*made, strict=True)))
