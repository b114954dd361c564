"""Laws of entropic transport: marginals, the exact plan in the limit, shifts that change nothing, no NaN anywhere."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog

from samekind.nn.sinkhorn import sinkhorn, spread_one


def scores(rows: int, columns: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def masses(count: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.1
    return drawn / drawn.sum()


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_the_sums_are_those_that_were_asked_for(dtype: torch.dtype, close: float) -> None:
    rows, columns = masses(7, 1, dtype), masses(4, 2, dtype)
    plan = sinkhorn(scores(7, 4, dtype=dtype), rows, columns, eps=0.1, iterations=500)
    torch.testing.assert_close(plan.sum(1), rows, atol=close, rtol=0)
    torch.testing.assert_close(plan.sum(0), columns, atol=close, rtol=0)
    assert (plan >= 0).all()


def test_after_one_iteration_the_rows_are_exact() -> None:
    rows = masses(7, 1)
    plan = sinkhorn(scores(7, 4), rows, masses(4, 2), eps=0.05, iterations=1)
    torch.testing.assert_close(plan.sum(1), rows)


def test_a_small_eps_comes_near_to_the_best_assignment() -> None:
    values, even = scores(6, 6), torch.full((6,), 1 / 6, dtype=torch.float64)
    plan = 6 * sinkhorn(values, even, even, eps=0.003, iterations=3_000)
    best = np.zeros((6, 6))
    best[linear_sum_assignment(-values.numpy())] = 1
    np.testing.assert_allclose(plan.numpy(), best, atol=0.02)


def test_its_value_comes_near_to_that_of_the_linear_programme_from_below() -> None:
    values, rows, columns = scores(5, 3), masses(5, 1), masses(3, 2)
    sums = np.concatenate([np.kron(np.eye(5), np.ones(3)), np.kron(np.ones(5), np.eye(3))])
    exact = -linprog(-values.numpy().ravel(), A_eq=sums, b_eq=torch.cat([rows, columns]).numpy()).fun
    found = [
        float((sinkhorn(values, rows, columns, eps=eps, iterations=5_000) * values).sum()) for eps in (0.3, 0.03, 0.003)
    ]
    assert found[0] < found[1] < found[2] <= exact + 1e-6
    assert found[2] == pytest.approx(exact, abs=0.005)


def test_a_large_eps_gives_the_product_of_both_sides() -> None:
    rows, columns = masses(5, 1), masses(3, 2)
    plan = sinkhorn(scores(5, 3), rows, columns, eps=1e5)
    torch.testing.assert_close(plan, rows[:, None] * columns, atol=1e-5, rtol=0)


@pytest.mark.parametrize("eps", [1e-3, 1e-2, 0.1, 1.0])
def test_no_eps_and_no_empty_side_makes_a_nan(eps: float) -> None:
    values = scores(6, 4, dtype=torch.float32).mul(2).sub(1).requires_grad_()
    rows = torch.tensor([0.5, 0.0, 0.2, 0.1, 0.2, 0.0])
    columns = torch.tensor([0.0, 0.7, 0.3, 0.0])
    plan = sinkhorn(values, rows, columns, eps=eps, iterations=200)
    (gradient,) = torch.autograd.grad((plan * torch.arange(24.0).view(6, 4)).sum(), values)
    assert torch.isfinite(plan).all()
    assert torch.isfinite(gradient).all()
    assert (plan[rows == 0] == 0).all()
    assert (plan[:, columns == 0] == 0).all()
    torch.testing.assert_close(plan.sum(1), rows, atol=1e-4, rtol=0)


def test_its_gradient_is_that_of_differences() -> None:
    values, rows, columns = scores(3, 3).requires_grad_(), masses(3, 1), masses(3, 2)
    assert torch.autograd.gradcheck(lambda s: sinkhorn(s, rows, columns, eps=0.2, iterations=20), values)


def test_a_batch_is_as_each_alone() -> None:
    values = torch.stack([scores(4, 3, seed) for seed in range(3)])
    rows, columns = torch.stack([masses(4, seed) for seed in range(3)]), masses(3, 9).expand(3, 3)
    alone = [sinkhorn(*each, eps=0.1) for each in zip(values, rows, columns, strict=True)]
    torch.testing.assert_close(sinkhorn(values, rows, columns, eps=0.1), torch.stack(alone))


def test_what_a_row_or_a_column_has_in_common_changes_no_plan() -> None:
    values, rows, columns = scores(5, 3), masses(5, 1), masses(3, 2)
    shifted = values + torch.arange(5.0)[:, None] - 3 * torch.arange(3.0)
    plans = [sinkhorn(each, rows, columns, eps=0.2, iterations=2_000) for each in (values, shifted)]
    torch.testing.assert_close(*plans, atol=1e-6, rtol=0)
    torch.testing.assert_close(spread_one(values), spread_one(shifted))


def test_spread_one_has_rows_of_norm_one_on_average_and_bears_equal_scores() -> None:
    assert spread_one(scores(9, 4)).square().sum(1).mean() == pytest.approx(1.0)
    assert (spread_one(torch.ones(3, 2)) == 0).all()
