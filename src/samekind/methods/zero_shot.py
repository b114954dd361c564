"""The backbone as it is: pooled features, L2-normalised, nothing learned."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, PooledMethod, Space


class ZeroShot(PooledMethod):
    """Cosine similarity of the backbone's own vectors; it has no tensors and no settings."""

    name: ClassVar[str] = "zero_shot"
    space: Space = "cosine"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._dim = dim

    @property
    def dim(self) -> int:
        """The backbone's own width."""
        return self._dim

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "ZeroShot":
        """Build it for a backbone; raises UsageError when the configuration is not empty."""
        if config:
            raise UsageError(f"zero_shot has no settings, but its configuration names {', '.join(sorted(config))}.")
        return cls(facts.dim)

    def config(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def read(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """As they are."""
        return unit
