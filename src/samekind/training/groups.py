"""Pseudo-labels of every domain, with as many classes as are given or seem to be there; kept, so that a run resumes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from samekind.nn.kmeans import estimate_count, unit
from samekind.training import checkpoint
from samekind.training.adapt import Count, Learned
from samekind.training.cache import PictureCache
from samekind.training.loop import Run

# From the vectors of each domain at norm one, the number of classes, and what to call each domain in an error.
Grouping = Callable[[Sequence[Float[np.ndarray, "_n e"]], int, Sequence[str]], Sequence[Int[np.ndarray, " _n"]]]


def domain_vectors(cache: PictureCache) -> list[Float[Tensor, "_n e"]]:
    """The pooled vectors of each domain."""
    return [cache.pooled[torch.from_numpy(cache.data.rows(domain))] for domain in range(len(cache.data.domains))]


def grouped(
    cache: PictureCache, classes_count: Count, seed: int, run: Run, learned: Learned, grouping: Grouping
) -> tuple[int, list[Int[Tensor, " _n"]]]:
    """The number of classes and each domain's pseudo-labels, the very same in a run that is resumed."""
    plain = [unit(each.numpy()) for each in domain_vectors(cache)]
    count = _counted(plain, classes_count, seed, learned)
    file = run.work / "groups.safetensors"
    kept = checkpoint.load(file, key=run.key)
    if kept is None:
        made = grouping(plain, count, [f"The domain {name}" for name in cache.data.domains])
        tensors = {str(domain): torch.from_numpy(each) for domain, each in enumerate(made)}
        checkpoint.save(file, tensors, key=run.key, epoch=1)
        kept = tensors, 1
    run.report("grouping", {"step": 1.0, "steps": 1.0, "classes": float(count)})
    return count, [kept[0][str(domain)] for domain in range(len(plain))]


def _counted(vectors: Sequence[Float[np.ndarray, "_n e"]], classes_count: Count, seed: int, learned: Learned) -> int:
    """The number of classes; the card is told it, and how it was come by."""
    count = classes_count
    if count == "auto":
        count, tried = estimate_count(vectors, seed=seed)
        learned.facts["silhouettes"] = {str(each): round(score, 4) for each, score in tried.items()}
    learned.facts["classes"] = count
    learned.facts["classes_count"] = "estimated" if classes_count == "auto" else "given"
    return count
