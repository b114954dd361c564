"""ProtoOT: a projection of the backbone's vectors that brings the classes of several domains together."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, Method, Needs, Space


class ProtoOT(Method):
    """One linear map for all domains, added to the vector itself; it begins at zero, as the zero-shot retriever.

    After Li et al. 2024, who train a whole network; docs/methods/protoot.md says what is theirs.
    """

    name: ClassVar[str] = "protoot"
    space: Space = "cosine"
    needs: ClassVar[Needs] = "pooled"

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

    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        """The projected pooled vector; the domain makes no difference."""
        return self.project(F.normalize(features.pooled.float(), dim=-1))

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """The text vector through the same map: whatever was taken from pictures is taken from texts."""
        return self.project(F.normalize(texts.float(), dim=-1))

    def project(self, vectors: Float[Tensor, "*b e"]) -> Float[Tensor, "*b e"]:
        """Vectors plus their projection, at norm one."""
        return F.normalize(vectors + self.projection(vectors), dim=-1)
