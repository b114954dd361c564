"""Entropic optimal transport: which share of what goes where, between two sides whose masses are given."""

import torch
from jaxtyping import Float
from torch import Tensor


def sinkhorn(
    scores: Float[Tensor, "*b n m"],
    rows: Float[Tensor, "*b n"],
    columns: Float[Tensor, "*b m"],
    *,
    eps: float,
    iterations: int = 50,
) -> Float[Tensor, "*b n m"]:
    """The plan that maximises <plan, scores> + eps H(plan) with these row and column sums (Cuturi 2013, section 4).

    Both sides have the same mass in all; a row or a column of mass zero gets a plan of zero. It is computed with
    logarithms (Peyre and Cuturi 2019, section 4.4), so that no eps above zero overflows, and differentiable. The last
    update is that of the rows: their sums are exact after any number of iterations, those of the columns in the limit;
    the smaller eps beside the spread of the scores, the more iterations that takes.
    """
    kernel, log_rows, log_columns = scores / eps, rows.log(), columns.log()
    left = torch.zeros_like(log_rows)
    for _ in range(iterations):
        right = log_columns - torch.logsumexp(kernel + left[..., :, None], -2)
        left = log_rows - torch.logsumexp(kernel + right[..., None, :], -1)
    return (kernel + left[..., :, None] + right[..., None, :]).exp()


def spread_one(scores: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Scores without the mean of their row and of their column, rows of norm one on average: eps means one thing.

    A plan with given marginals does not change with what all scores of a row or of a column have in common. For inner
    products that is what taking away both sides' means does: transport does not see a constant shift between domains.
    """
    centred = scores - scores.mean(1, keepdim=True) - scores.mean(0, keepdim=True) + scores.mean()
    return centred / centred.square().sum(1).mean().sqrt().clamp_min(1e-12)
