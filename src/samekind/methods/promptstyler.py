"""PromptStyler: a linear classifier of texts in learned styles, read as a retriever (Cho et al., ICCV 2023)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, PooledMethod, Space, configured


@dataclass(frozen=True)
class PromptStylerConfig:
    """`scale` times cosines are the logits; the shares of the classes stand beside `own_weight` of the own vector."""

    classes: int = 16
    scale: float = 5.0
    own_weight: float = 0.5

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "PromptStylerConfig":
        """From a card; raises UsageError for a name, a type or a value that it does not know."""
        made = configured(cls, config, "promptstyler", {})
        if made.classes < 1 or made.scale <= 0 or made.own_weight < 0:
            raise UsageError(
                "promptstyler needs a class or more, a scale above 0 and an own_weight from 0 on, not "
                f"{made.classes}, {made.scale:g} and {made.own_weight:g}."
            )
        return made


class PromptStyler(PooledMethod):
    """The classifier's directions, and what it makes of pictures: shares of the classes.

    The paper classifies; that shares stand beside the picture's own vector, as TPSNet's do, is chosen here.
    """

    name: ClassVar[str] = "promptstyler"
    space: Space = "cosine"

    def __init__(self, settings: PromptStylerConfig, facts: EncoderFacts) -> None:
        super().__init__()
        self.settings, self._dim = settings, facts.dim
        self.weight = nn.Parameter(F.normalize(torch.randn(settings.classes, facts.dim), dim=1))

    @property
    def dim(self) -> int:
        """The backbone's own width, and the number of classes."""
        return self._dim + self.settings.classes

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "PromptStyler":
        """Build it with fresh tensors; raises UsageError on a configuration it does not know."""
        return cls(PromptStylerConfig.read(config), facts)

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this method again."""
        return asdict(self.settings)

    def read(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """Shares of the classes beside the own vector, at norm one."""
        shares = (self.settings.scale * self.cosines(unit)).softmax(1)
        return F.normalize(torch.cat([self.settings.own_weight * unit, shares], 1), dim=1)

    def cosines(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """To the direction of each class."""
        return unit @ F.normalize(self.weight, dim=1).T
