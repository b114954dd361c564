"""Laws of the Poincare ball in two number formats, agreement with geoopt, and no NaN anywhere."""

import math

import geoopt.manifolds.stereographic.math as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.nn import poincare
from samekind.nn.poincare import MARGIN, PoincareLinear

CLOSE = {torch.float32: 2e-4, torch.float64: 1e-8}
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
curvatures = pytest.mark.parametrize("c", [0.1, 1.0, 3.0])


def points(
    count: int, dim: int, c: float, dtype: torch.dtype = torch.float64, seed: int = 0, far: float = 0.8
) -> torch.Tensor:
    """In the ball, up to a share `far` of its radius from the centre."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    radius = far * torch.rand(count, 1, generator=generator, dtype=torch.float64) / c**0.5
    return (drawn / drawn.norm(dim=1, keepdim=True) * radius).to(dtype)


@dtypes
@curvatures
def test_the_maps_at_the_centre_undo_each_other(dtype: torch.dtype, c: float) -> None:
    x = points(50, 6, c, dtype)
    torch.testing.assert_close(poincare.exp0(poincare.log0(x, c), c), x, atol=CLOSE[dtype], rtol=0)


@dtypes
@curvatures
def test_adding_on_the_left_is_undone_by_the_negative(dtype: torch.dtype, c: float) -> None:
    x, y = points(50, 6, c, dtype), points(50, 6, c, dtype, seed=1)
    found = poincare.add(-x, poincare.add(x, y, c), c)
    torch.testing.assert_close(found, y, atol=10 * CLOSE[dtype], rtol=0)
    assert not torch.allclose(poincare.add(x, y, c), poincare.add(y, x, c), atol=1e-3)


@dtypes
@curvatures
def test_distances_are_a_metric_and_the_same_computed_in_three_ways(dtype: torch.dtype, c: float) -> None:
    x, y, z = (points(40, 6, c, dtype, seed=seed) for seed in range(3))
    to = poincare.distance(x, y, c)
    torch.testing.assert_close(to, poincare.distance(y, x, c))
    assert (to <= poincare.distance(x, z, c) + poincare.distance(z, y, c) + CLOSE[dtype]).all()
    torch.testing.assert_close(poincare.distances(x, y, c).diagonal(), to, atol=CLOSE[dtype], rtol=CLOSE[dtype])
    moved = poincare.add(-x, y, c).norm(dim=1)
    torch.testing.assert_close(2 / c**0.5 * torch.atanh(c**0.5 * moved), to, atol=20 * CLOSE[dtype], rtol=0)
    assert (poincare.distance(x, x, c) < 1e-12).all()


@curvatures
def test_moving_both_points_leaves_their_distance(c: float) -> None:
    x, y, by = (points(40, 6, c, seed=seed, far=0.6) for seed in range(3))
    moved = poincare.distance(poincare.add(by, x, c), poincare.add(by, y, c), c)
    torch.testing.assert_close(moved, poincare.distance(x, y, c))


def test_the_tangent_norm_is_half_of_the_distance_from_the_centre() -> None:
    x = points(20, 4, 0.7)
    far = poincare.distance(x, torch.zeros_like(x), 0.7)
    torch.testing.assert_close(2 * poincare.log0(x, 0.7).norm(dim=1), far)


def test_in_a_wide_ball_all_is_nearly_flat() -> None:
    x, y = points(20, 4, 1.0), points(20, 4, 1.0, seed=1)
    torch.testing.assert_close(poincare.add(x, y, 1e-8), x + y, atol=1e-6, rtol=0)
    torch.testing.assert_close(poincare.distance(x, y, 1e-8), 2 * (x - y).norm(dim=1), atol=1e-6, rtol=0)


@curvatures
def test_geoopt_says_the_same(c: float) -> None:
    x, y = points(50, 6, c), points(50, 6, c, seed=1)
    k = torch.tensor(-c, dtype=torch.float64)
    torch.testing.assert_close(poincare.exp0(2 * x, c), oracle.expmap0(2 * x, k=k))
    torch.testing.assert_close(poincare.log0(x, c), oracle.logmap0(x, k=k))
    torch.testing.assert_close(poincare.add(x, y, c), oracle.mobius_add(x, y, k=k))
    torch.testing.assert_close(poincare.distance(x, y, c), oracle.dist(x, y, k=k))
    torch.testing.assert_close(poincare.inside(9 * x, c), oracle.project(9 * x, k=k, eps=MARGIN[torch.float64]))


@curvatures
def test_each_output_of_a_layer_is_the_distance_to_a_hyperplane_that_geoopt_finds(c: float) -> None:
    """Shimizu et al. 2021, equation 6: twice the direction's length times the signed distance."""
    layer = PoincareLinear(6, 5, c, start="random").double()
    with torch.no_grad():
        layer.bias.copy_(torch.randn(5, dtype=torch.float64) * 0.3)
    x = points(30, 6, c, far=0.6)
    out = layer(x)
    # Back from the ball to the flat coordinates, and from these to the signed distances.
    steep = torch.asinh(c**0.5 * 2 * out / (1 - c * out.square().sum(1, keepdim=True))) / c**0.5
    k = torch.tensor(-c, dtype=torch.float64)
    for number in range(5):
        direction = layer.weight[:, number]
        unit = direction / direction.norm()
        origin = torch.tanh(c**0.5 * layer.bias[number]) / c**0.5 * unit  # exp0 of the offset along the direction
        away = oracle.dist2plane(x, origin.expand_as(x), unit.expand_as(x), k=k, signed=True)
        torch.testing.assert_close(steep[:, number], 2 * direction.norm() * away)


@dtypes
def test_a_fresh_layer_leaves_small_points_where_they_are(dtype: torch.dtype) -> None:
    layer = PoincareLinear(6, 6, 0.1).to(dtype)
    x = points(20, 6, 0.1, dtype, far=0.05)
    torch.testing.assert_close(layer(x), x, atol=3e-3, rtol=0.02)


@dtypes
@settings(max_examples=60, deadline=None)
@given(first=st.floats(-15, 3), second=st.floats(-15, 3), c=st.sampled_from([0.01, 0.1, 1.0, 10.0]))
def test_nothing_is_ever_no_number_and_no_gradient_is(
    dtype: torch.dtype, first: float, second: float, c: float
) -> None:
    """From 1e-15 to far beyond the boundary; at the centre, at one point twice, on opposite sides."""
    x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]], dtype=dtype) * 10**first
    y = torch.tensor([[-1.0, 0.0], [0.6, 0.8], [0.0, 0.0]], dtype=dtype) * 10**second
    x, y = x.requires_grad_(), y.requires_grad_()
    layer = PoincareLinear(2, 2, c).to(dtype)
    a, b = poincare.exp0(x, c), poincare.inside(y, c)
    results = [
        a,
        poincare.log0(b, c),
        poincare.add(a, b, c),
        poincare.distance(a, b, c),
        poincare.distance(a, a, c),
        poincare.distances(a, b, c),
        layer(b),
    ]
    for result in results:
        assert torch.isfinite(result).all()
    gradients = torch.autograd.grad(sum(result.sum() for result in results), [x, y, *layer.parameters()])
    assert all(torch.isfinite(each).all() for each in gradients)
    most = (1 - MARGIN[dtype]) / c**0.5
    assert all(each.norm(dim=1).max() <= most * (1 + 1e-6) for each in (a, b, results[2], results[6]))


@dtypes
def test_ten_thousand_random_steps_stay_finite(dtype: torch.dtype) -> None:
    """A layer pushed about with steps far larger than any training would take."""
    generator = torch.Generator().manual_seed(0)
    layer = PoincareLinear(3, 3, 0.1, start="random").to(dtype)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    for step in range(10_000):
        x = torch.randn(4, 3, generator=generator, dtype=dtype) * 10 ** (step % 7 - 4)
        out = layer(poincare.exp0(x, 0.1))
        loss = poincare.distances(out, out.detach().flip(0), 0.1).mean()
        optimiser.zero_grad()
        (loss if step % 2 else -loss).backward()
        optimiser.step()
        if not step % 500:
            assert all(torch.isfinite(parameter).all() for parameter in layer.parameters()), step
            assert torch.isfinite(out).all()
    assert all(torch.isfinite(parameter).all() for parameter in layer.parameters())


def test_half_precision_is_widened_also_under_autocast() -> None:
    layer = PoincareLinear(4, 4, 0.1)
    x = points(3, 4, 0.1, torch.bfloat16)
    assert layer(x).dtype == poincare.exp0(x, 0.1).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x.float()), layer(x))


def test_long_vectors_are_clipped_and_short_ones_are_not() -> None:
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(
        poincare.clipped(x, 2.3), torch.tensor([[3 * 2.3 / 5, 4 * 2.3 / 5], [0.3, 0.4], [0.0, 0.0]])
    )
    assert math.isclose(float(poincare.clipped(x, 2.3)[0].norm()), 2.3, rel_tol=1e-6)
