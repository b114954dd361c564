"""Contrastive losses between pictures and texts, and the re-pairing of pictures with the texts nearest to them."""

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def supervised_contrastive(logits: Float[Tensor, "a b"], positives: Bool[Tensor, "a b"]) -> Float[Tensor, ""]:
    """The mean over rows of -(1 / |P|) sum over P of log softmax: rows are anchors, P their positive columns.

    Khosla et al. 2020, equation 2 (the sum outside of the logarithm); rows without a positive do not count, and no
    row at all gives zero. With one positive a row it is cross-entropy.
    """
    counts = positives.sum(1)
    known = F.log_softmax(logits, 1).masked_fill(~positives, 0.0).sum(1) / counts.clamp_min(1)
    return -known.sum() / (counts > 0).sum().clamp_min(1)


def image_text_losses(
    images: Float[Tensor, "b e"],
    texts: Float[Tensor, "c e"],
    paired: Int[Tensor, " b"],
    labels: Int[Tensor, " b"],
    scale: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """L_i2t and L_t2i between pictures and the prompts of their classes.

    L_i2t asks each picture for its text (`paired`: after re-pairing), L_t2i each text for all pictures that have its
    pseudo-label (`labels`): several positives. Cosines times `scale` are the logits.
    """
    cosines = F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    numbers = F.one_hot(paired, len(texts)).bool()
    given = F.one_hot(labels, len(texts)).bool()
    return supervised_contrastive(scale * cosines, numbers), supervised_contrastive(scale * cosines.T, given.T)


def repair(
    images: Float[Tensor, "n e"], texts: Float[Tensor, "c e"], labels: Int[Tensor, " n"]
) -> tuple[Int[Tensor, " n"], float]:
    """The nearest text of each picture by cosine, and the share of pictures for which it is not that of its label."""
    nearest = (F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T).argmax(1)
    changed = float((nearest != labels).double().mean()) if len(labels) else 0.0
    return nearest, changed
