"""ProtoOT: a projection of the backbone's vectors that brings the classes of several domains together."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, PooledMethod, Space


class ProtoOT(PooledMethod):
    """One linear map for all domains, added to the vector itself; it begins at zero, as the zero-shot retriever.

    After Li et al. 2024, who train a whole network; docs/methods/protoot.md says what is theirs.
    """

    name: ClassVar[str] = "protoot"
    space: Space = "cosine"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.projection.weight)

    @property
    def dim(self) -> int:
        """The backbone's own width."""
        return self.projection.in_features

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "ProtoOT":
        """Build it for a backbone; raises UsageError when the configuration is not empty."""
        if config:
            raise UsageError(f"protoot has no configuration, and here one names {', '.join(sorted(config))}.")
        return cls(facts.dim)

    def config(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def read(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """Vectors plus their projection, at norm one: whatever is taken from pictures is taken from texts."""
        return F.normalize(unit + self.projection(unit), dim=1)
