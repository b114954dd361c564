"""TKI: pictures read with what class names alone have taught, by a hyperbolic projection (Yan et al., ICML 2024)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, PooledMethod, Space, configured
from samekind.nn import poincare
from samekind.nn.poincare import PoincareLinear

Geometry = Literal["poincare", "euclidean"]
Output = Literal["knowledge", "projection", "tangent"]

_CHOICES = {"geometry": Geometry, "output": Output}


@dataclass(frozen=True)
class TKIConfig:
    """What a TKI is built from; docs/methods/tki.md says which values are published and which chosen here.

    `classes` is the number of names, `width` that of the projection's layers (0: the backbone's). Vectors are clipped
    at `radius` before they enter the ball of the given `curvature` (-c). Distances to the text proxies are divided by
    `temperature` over the logarithm of their number: of more names each has to be told from more. `output` is what is
    searched with: a picture's own vector and `weight` times what its nearest proxies know, the point in the ball, or
    the direction of its tangent vector.
    """

    classes: int = 16
    width: int = 0
    geometry: Geometry = "poincare"
    curvature: float = 0.1
    radius: float = 2.3
    temperature: float = 0.5
    output: Output = "knowledge"
    weight: float = 0.6

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "TKIConfig":
        """From a card; raises UsageError for a name, a type or a value that it does not know."""
        made = configured(cls, config, "tki", _CHOICES)
        if made.classes < 1 or made.width < 0 or min(made.curvature, made.radius, made.temperature) <= 0:
            raise UsageError(
                "tki needs a class or more, a width from 0 on, a curvature, a radius and a temperature above 0, not "
                f"{made.classes}, {made.width}, {made.curvature:g}, {made.radius:g} and {made.temperature:g}."
            )
        return made


class TKI(PooledMethod):
    """A projection of the backbone's vectors, learned from texts, and the class texts that it was learned on.

    Both layers begin near the identity, so that the first answers are the backbone's: chosen here, as a few texts say
    little of most directions that pictures have. Buffers: `names`, unit vectors of the names without any domain word;
    `proxies`, their projections, which are made anew by `settle`.
    """

    name: ClassVar[str] = "tki"

    names: Tensor
    proxies: Tensor

    def __init__(self, settings: TKIConfig, facts: EncoderFacts) -> None:
        super().__init__()
        self.settings, self._dim = settings, facts.dim
        self.space: Space = "poincare" if self._in_ball and settings.output == "projection" else "cosine"
        width = settings.width or facts.dim
        self.first: nn.Module
        self.second: nn.Module
        if self._in_ball:
            self.first = PoincareLinear(facts.dim, width, settings.curvature)
            self.second = PoincareLinear(width, width, settings.curvature)
        else:
            # The control of the same size: what it adds to the vector begins at zero.
            self.first, self.second = nn.Linear(facts.dim, width), nn.Linear(width, facts.dim)
            nn.init.zeros_(self.second.weight)
            nn.init.zeros_(self.second.bias)
        projected = width if self._in_ball else facts.dim
        self.register_buffer("names", F.normalize(torch.randn(settings.classes, facts.dim), dim=1))
        self.register_buffer("proxies", torch.zeros(settings.classes, projected))
        self.settle()

    @property
    def _in_ball(self) -> bool:
        return self.settings.geometry == "poincare"

    @property
    def dim(self) -> int:
        """The backbone's own width, or the projection's."""
        return self._dim if self.settings.output == "knowledge" else self.proxies.shape[1]

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "TKI":
        """Build it with fresh tensors; raises UsageError on a configuration it does not know."""
        return cls(TKIConfig.read(config), facts)

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this method again."""
        return asdict(self.settings)

    @torch.no_grad()
    def settle(self) -> None:
        """Project the names as the layers are now."""
        self.proxies.copy_(self.project(self.names))

    def read(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """What `output` names; points of a ball are scaled to that of radius one."""
        points = self.project(unit)
        if self.settings.output == "knowledge":
            return F.normalize(unit + self.settings.weight * self.knowledge(points), dim=1)
        if self.space == "poincare":
            scaled: Tensor = points * self.settings.curvature**0.5
            return scaled
        return F.normalize(self.tangent(points), dim=1)

    def project(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b p"]:
        """Two layers: points of the ball with curvature -c, or for the Euclidean control vectors of norm one."""
        if not self._in_ball:
            return F.normalize(unit + self.second(torch.relu(self.first(unit))), dim=1)
        entered = poincare.exp0(poincare.clipped(unit, self.settings.radius), self.settings.curvature)
        points: Tensor = self.second(self.first(entered))
        return points

    def tangent(self, points: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
        """Tangent vectors at the centre: what is flat in the ball."""
        return poincare.log0(points, self.settings.curvature) if self._in_ball else points

    def logits(self, points: Float[Tensor, "b p"], proxies: Float[Tensor, "c p"]) -> Float[Tensor, "b c"]:
        """Distances with a minus, to be divided by a temperature: in the ball, or as in a ball that is nearly flat."""
        if self._in_ball:
            return -poincare.distances(points, proxies, self.settings.curvature)
        chords: Tensor = (2 - 2 * points @ proxies.T).clamp_min(1e-12).sqrt()
        return -2 * chords  # what distances in the ball become where c goes to 0

    def knowledge(self, points: Float[Tensor, "b p"]) -> Float[Tensor, "b e"]:
        """The mean of the names' vectors, each without what all names have in common, by their nearness in the ball.

        One step of attention from pictures to texts, with distances for scores: a picture that is near to no proxy
        more than to others gets next to nothing.
        """
        temperature = self.settings.temperature / math.log(max(2, self.settings.classes))
        shares = (self.logits(points, self.proxies) / temperature).softmax(1)
        own = F.normalize(self.names - self.names.mean(0), dim=1)
        return shares @ own
