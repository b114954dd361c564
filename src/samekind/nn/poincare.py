"""The Poincare ball of curvature -c, all x with sqrt(c) |x| < 1: maps at its centre, distances, linear layers.

Ganea, Becigneul and Hofmann 2018, "Hyperbolic Neural Networks", section 2; Shimizu, Mukuta and Harada 2021,
"Hyperbolic Neural Networks++", section 3. In float32 or float64; half precision is widened, as sums of squares near
the boundary need the digits. Results and gradients are finite for all finite arguments: points are kept off the
boundary by a margin that depends on the number format.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

MARGIN = {torch.float32: 4e-3, torch.float64: 1e-5}  # of the radius, between points and the boundary
TINY = 1e-15  # norms below are taken for this
_STEEPEST = 15.0  # the largest sqrt(c) times a signed distance to a hyperplane: sinh of more lies in the margin anyway


def wide(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """At least float32."""
    return x if x.dtype in MARGIN else x.float()


def norm(x: Float[Tensor, "*b e"]) -> Float[Tensor, "*b 1"]:
    """Euclidean norms, at least `TINY`."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(TINY)
    return length


def inside(x: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b e"]:
    """The point itself, or where it lies in the margin or beyond the boundary the nearest that does not."""
    length, most = norm(x), (1 - MARGIN[x.dtype]) / c**0.5
    return torch.where(length > most, x / length * most, x)


def clipped(x: Float[Tensor, "*b e"], radius: float) -> Float[Tensor, "*b e"]:
    """Vectors no longer than `radius`: gradients vanish near the boundary (Guo, Wang, Chen and Yu 2022)."""
    return x * (radius / norm(x)).clamp_max(1.0)


def exp0(v: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b e"]:
    """From the tangent space at the centre into the ball: tanh(sqrt(c) |v|) v / (sqrt(c) |v|)."""
    v = wide(v)
    length = c**0.5 * norm(v)
    return inside(torch.tanh(length) / length * v, c)


def log0(x: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b e"]:
    """Back from the ball: artanh(sqrt(c) |x|) x / (sqrt(c) |x|); half of the distance from the centre is its norm."""
    x = inside(wide(x), c)
    length = c**0.5 * norm(x)
    tangent: Tensor = torch.atanh(length) / length * x
    return tangent


def add(x: Float[Tensor, "*b e"], y: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b e"]:
    """Mobius addition, which is not commutative: -x + (x + y) = y."""
    x, y = wide(x), wide(y)
    xx, yy, xy = ((a * b).sum(-1, keepdim=True) for a, b in ((x, x), (y, y), (x, y)))
    above = (1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y
    return inside(above / (1 + 2 * c * xy + c * c * xx * yy).clamp_min(TINY), c)


def distance(x: Float[Tensor, "*b e"], y: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b"]:
    """The geodesic distance, 2 / sqrt(c) artanh(sqrt(c) |-x + y|).

    Computed as 2 / sqrt(c) arsinh(sqrt(c |x - y|^2 / ((1 - c |x|^2) (1 - c |y|^2)))), which is the same
    (cosh 2a = 1 + 2 sinh^2 a) and loses no digits of near points.
    """
    x, y = inside(wide(x), c), inside(wide(y), c)
    return _from_squares((x - y).square().sum(-1), _room(x, c), _room(y, c), c)


def distances(x: Float[Tensor, "n e"], y: Float[Tensor, "m e"], c: float) -> Float[Tensor, "n m"]:
    """All distances between two sets, by one matrix product; of points that nearly coincide `distance` knows more."""
    x, y = inside(wide(x), c), inside(wide(y), c)
    squares = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.T
    return _from_squares(squares, _room(x, c)[:, None], _room(y, c), c)


def _room(x: Float[Tensor, "*b e"], c: float) -> Float[Tensor, "*b"]:
    """1 - c |x|^2, half of which is the inverse of the conformal factor."""
    room: Tensor = 1 - c * x.square().sum(-1)
    return room


def _from_squares(
    squares: Float[Tensor, "..."], first: Float[Tensor, "..."], second: Float[Tensor, "..."], c: float
) -> Float[Tensor, "..."]:
    ratio = c * squares / (first * second)
    far: Tensor = 2 / c**0.5 * torch.asinh(ratio.clamp_min(TINY**2).sqrt())
    return far


class PoincareLinear(nn.Module):
    """A linear layer from one ball to another of the same curvature (Shimizu et al. 2021, equations 6 and 7).

    Each output is the signed distance to a hyperplane, of direction `weight[:, k]` and offset `bias[k]`. Both are
    Euclidean parameters, so that plain optimisers serve. It starts with `weight` at half of the identity, or of its
    upper left part: to first order the layer then leaves points where they are; `start="random"` draws weights with
    the published standard deviation (2 in out)^-1/2 instead.
    """

    def __init__(self, inputs: int, outputs: int, c: float, *, start: str = "identity") -> None:
        super().__init__()
        self.c = c
        drawn = torch.randn(inputs, outputs) * (2 * inputs * outputs) ** -0.5
        self.weight = nn.Parameter(torch.eye(inputs, outputs) / 2 if start == "identity" else drawn)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        """Points of the ball; half precision is widened, also under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            return self._forward(inside(wide(x), self.c))

    def _forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        root = self.c**0.5
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        length = torch.linalg.vector_norm(weight, dim=0).clamp_min(TINY)
        factor = 2 / _room(x, self.c)[..., None]  # the conformal factor
        turn = (2 * root * bias).clamp(-_STEEPEST, _STEEPEST)
        aside = factor * root * (x @ (weight / length)) * torch.cosh(turn) - (factor - 1) * torch.sinh(turn)
        steep = (2 * length * torch.asinh(aside)).clamp(-_STEEPEST, _STEEPEST)
        w = torch.sinh(steep) / root
        return inside(w / (1 + (1 + self.c * w.square().sum(-1, keepdim=True)).sqrt()), self.c)
