"""Pseudo-labels of every domain, with as many classes as are given or seem to be there; kept, so that a run resumes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from samekind.nn.diffusion import estimate_count, neighbour_graph, spectrum
from samekind.nn.kmeans import unit
from samekind.training import checkpoint
from samekind.training.cache import PictureCache
from samekind.training.loop import Run
from samekind.training.outcome import Count, Learned

MOST_CLASSES = 64  # that are looked for

# From the vectors of each domain at norm one, the number of classes, and what to call each domain in an error: a label
# for each picture, or its share of each class.
Grouping = Callable[[Sequence[Float[np.ndarray, "_n e"]], int, Sequence[str]], Sequence[Shaped[np.ndarray, "_n ..."]]]


def domain_vectors(cache: PictureCache) -> list[Float[Tensor, "_n e"]]:
    """The pooled vectors of each domain."""
    return [cache.pooled[torch.from_numpy(cache.data.rows(domain))] for domain in range(len(cache.data.domains))]


def grouped(
    cache: PictureCache, classes_count: Count, seed: int, run: Run, learned: Learned, grouping: Grouping
) -> tuple[int, list[Shaped[Tensor, "_n ..."]]]:
    """The number of classes and each domain's labels or shares, the very same in a run that is resumed."""
    plain = [unit(each.numpy()) for each in domain_vectors(cache)]
    file = run.work / "groups.safetensors"
    kept = checkpoint.load(file, key=run.key)
    if kept is None:
        count = classes_count if isinstance(classes_count, int) else _estimated(plain)
        made = grouping(plain, count, [f"The domain {name}" for name in cache.data.domains])
        tensors = {str(domain): torch.from_numpy(each) for domain, each in enumerate(made)}
        kept = {**tensors, "count": torch.tensor(count)}, 1
        checkpoint.save(file, kept[0], key=run.key, epoch=1)
    count = int(kept[0]["count"])
    learned.facts["classes"] = count
    learned.facts["classes_count"] = "estimated" if classes_count == "auto" else "given"
    run.report("grouping", {"step": 1.0, "steps": 1.0, "classes": float(count)})
    return count, [kept[0][str(domain)] for domain in range(len(plain))]


def _estimated(vectors: Sequence[Float[np.ndarray, "_n e"]]) -> int:
    """How many classes the pictures of all domains together seem to be of."""
    found = spectrum(neighbour_graph(vectors), min(MOST_CLASSES + 1, sum(map(len, vectors)) // 4))
    return estimate_count(found.values)[0]
