"""Which class of one domain is which of another: one-to-one matching by cosine."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class Matching(NamedTuple):
    """For each domain the shared number of each of its classes, and the mean cosine of what was matched."""

    shared: Int[Tensor, "s c"]
    cosine: float


def hungarian(similarity: Float[Tensor, "c c"]) -> Int[Tensor, " c"]:
    """The column of each row in the one-to-one assignment with the largest sum (Kuhn 1955; scipy)."""
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(-similarity.double().cpu().numpy())
    return torch.from_numpy(np.asarray(columns, np.int64))


def match_domains(vectors: Sequence[Float[Tensor, "c e"]], *, centred: bool = False, rounds: int = 3) -> Matching:
    """Match the classes of all domains to those of the first.

    Each domain is matched to the mean direction of what was matched before; for more than two domains that consensus
    is then held against every domain again, `rounds` times at most, until nothing changes. `centred` takes away each
    domain's mean first: what all its classes share is its style.
    """
    domains = [F.normalize(without_mean(each) if centred else each, dim=1) for each in vectors]
    shared = [torch.arange(len(domains[0]))]
    for each in domains[1:]:
        shared.append(hungarian(each @ F.normalize(_total(domains, shared), dim=1).T))
    for _ in range(rounds if len(domains) > 2 else 0):
        before = [numbers.clone() for numbers in shared]
        for place in range(1, len(domains)):
            others = [n for n in range(len(domains)) if n != place]
            total = _total([domains[n] for n in others], [shared[n] for n in others])
            shared[place] = hungarian(domains[place] @ F.normalize(total, dim=1).T)
        if all(torch.equal(old, new) for old, new in zip(before, shared, strict=True)):
            break
    consensus = F.normalize(_total(domains, shared), dim=1)
    pairs = zip(domains, shared, strict=True)
    cosines = [float((each * consensus[numbers]).sum(1).mean()) for each, numbers in pairs]
    return Matching(torch.stack(shared), sum(cosines) / len(cosines))


def without_mean(vectors: Float[Tensor, "c e"]) -> Float[Tensor, "c e"]:
    """Rows less what all of them have in common; a single row stays."""
    return vectors - vectors.mean(0, keepdim=True) if len(vectors) > 1 else vectors


def _total(domains: Sequence[Float[Tensor, "c e"]], shared: Sequence[Int[Tensor, " c"]]) -> Float[Tensor, "c e"]:
    """The sum of the matched vectors, a row per shared number."""
    total = torch.zeros_like(domains[0])
    for each, numbers in zip(domains, shared, strict=False):
        total[numbers] += each
    return total
