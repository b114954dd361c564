"""One vector per class that follows the pictures of the class, with momentum."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def class_sums(
    vectors: Float[Tensor, "n e"], labels: Int[Tensor, " n"], classes: int
) -> tuple[Float[Tensor, "c e"], Float[Tensor, " c"]]:
    """The sum of the vectors of each class, and how many they are."""
    sums = torch.zeros(classes, vectors.shape[1], dtype=vectors.dtype, device=vectors.device)
    sums.index_add_(0, labels, vectors)
    counts = torch.bincount(labels, minlength=classes).to(vectors.dtype)
    return sums, counts


def moved(
    prototypes: Float[Tensor, "c e"], sums: Float[Tensor, "c e"], counts: Float[Tensor, " c"], momentum: float
) -> Float[Tensor, "c e"]:
    """P <- m P + (1 - m) times the class's mean, back at norm one; a class without pictures stays where it is."""
    means = F.normalize(sums, dim=1)
    mixed = F.normalize(momentum * prototypes + (1.0 - momentum) * means, dim=1)
    return torch.where((counts > 0)[:, None], mixed, prototypes)
