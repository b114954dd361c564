"""The last stage: a tower between what it knew and what it learned, and a projection fitted to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNet
from samekind.pretrain.visual import Batch, Material, VisualRecipe, losses, make_batch
from samekind.retriever.encode import ordered_map

NEVER = -1e4  # the logit of what may not be chosen; finite, for rows in which nothing may


@dataclass(frozen=True)
class HeadRecipe:
    """Numbers of the last stage, chosen here unless a source is named."""

    keep: float = 0.5  # of the trained weights, the rest from before training (Wortsman et al. 2022, WiSE-FT)
    batches: int = 160  # of pictures, drawn and changed as in training, that the projection is fitted to
    steps: int = 500
    batch: int = 1024
    rate: float = 1e-3
    contrast_weight: float = 4.0  # of one caption's domains lying together, beside the losses of the visual stage
    contrast_temperature: float = 0.1
    seed: int = -1  # of the draws; -1 is the seed of the rest


@dataclass(frozen=True)
class Drawn:
    """Pooled features of changed pictures, their rows in the material, and their styles."""

    features: Float[Tensor, "n f"]
    rows: Int[Tensor, " n"]
    style: Int[Tensor, " n"]


def finish(
    before: dict[str, Tensor],
    tower: MobileNet,
    material: Material,
    recipe: HeadRecipe,
    visual: VisualRecipe,
    *,
    seed: int,
    report: Callable[[dict[str, float]], None],
) -> None:
    """Blend `tower` with its weights `before` training, and fit its projection to that, all in place."""
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if not name.startswith("projection."):
                parameter.copy_(torch.lerp(before[name], parameter, recipe.keep))
    chosen = seed if recipe.seed < 0 else recipe.seed
    drawn = draw(tower, material, recipe, visual, chosen)
    fit(tower.projection, drawn, material, recipe, visual, chosen, report)


@torch.inference_mode()
def draw(tower: MobileNet, material: Material, recipe: HeadRecipe, visual: VisualRecipe, seed: int) -> Drawn:
    """Pictures as training draws and changes them, after its last step, through the tower as it is now."""
    tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = range(visual.steps, visual.steps + recipe.batches)
    made = ordered_map(lambda step: make_batch(material, visual, seed, step), steps, workers=1, look_ahead=1)
    parts = [(tower.features(batch.pixels).mean((2, 3)), batch.rows, batch.style) for batch in made]
    return Drawn(*(torch.cat(column).clone() for column in zip(*parts, strict=True)))


def fit(
    projection: nn.Linear,
    drawn: Drawn,
    material: Material,
    recipe: HeadRecipe,
    visual: VisualRecipe,
    seed: int,
    report: Callable[[dict[str, float]], None],
) -> None:
    """Train the projection alone, the rate falling linearly to zero.

    The losses are those of the visual stage and `contrast`: only here are the batches large enough for it.
    """
    projection.requires_grad_(True)  # an average of weights comes without
    optimiser = torch.optim.AdamW(projection.parameters(), recipe.rate, weight_decay=visual.decay)
    rng = np.random.default_rng(seed)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (1 - step / recipe.steps)
        pick = torch.from_numpy(rng.integers(len(drawn.rows), size=recipe.batch))
        pooled = drawn.features[pick]
        batch = Batch(pooled.new_zeros(len(pick), 3, 1, 1), drawn.rows[pick], drawn.style[pick])
        vectors = projection(pooled)
        parts = losses(pooled, vectors, batch, material, visual)
        shown = material.caption[batch.rows], material.domain[batch.rows]
        together = contrast(vectors, *shown, recipe.contrast_temperature)
        parts["contrast"] = recipe.contrast_weight * together
        loss = torch.stack(list(parts.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        told = {"step": float(step + 1), "steps": float(recipe.steps), "loss": float(loss.detach())}
        report(told | {name: float(part.detach()) for name, part in parts.items()})


def contrast(
    vectors: Float[Tensor, "b e"], caption: Int[Tensor, " b"], domain: Int[Tensor, " b"], temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of finding the pictures of other domains with one's own caption among those of all other captions.

    Supervised contrastive loss, Khosla et al. 2020, equation 2, with pictures of another domain alone as positives
    (chosen here: it is what a search across domains asks for). Pictures of one's own domain and caption count neither
    way. A picture without a positive has no part in it; 0 where no picture has one.
    """
    z = F.normalize(vectors, dim=1)
    kind, across = caption[:, None] == caption[None], domain[:, None] != domain[None]
    logs = F.log_softmax((z @ z.T / temperature).masked_fill(kind & ~across, NEVER), dim=1)
    same = kind & across
    mean = torch.where(same, logs, 0.0).sum(1) / same.sum(1).clamp(min=1)
    return -mean.sum() / same.any(1).sum().clamp(min=1)
