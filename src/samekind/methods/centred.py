"""The backbone's vectors without what all pictures of a domain have in common: the control that costs nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, Method, Needs, Space
from samekind.nn.domains import UNKNOWN, Domains


class Centred(Method):
    """Cosine similarity after each domain's mean direction is taken away; nothing else is learned.

    Before the means are learned they are zero, and it is the zero-shot retriever.
    """

    name: ClassVar[str] = "centred"
    space: Space = "cosine"
    needs: ClassVar[Needs] = "pooled"

    def __init__(self, domains: Sequence[str], dim: int) -> None:
        super().__init__()
        self.domains, self._dim = tuple(domains), dim
        self.places = Domains(len(self.domains), dim)

    @property
    def dim(self) -> int:
        """The backbone's own width."""
        return self._dim

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "Centred":
        """Build it for a backbone; raises UsageError on a configuration it does not know."""
        domains = config.get("domains", ["photo", "sketch"])
        named = isinstance(domains, list) and domains and all(isinstance(name, str) for name in domains)
        if not named or set(config) - {"domains"}:
            raise UsageError(f"centred is configured by the names of its domains alone, not by {dict(config)!r}.")
        return cls(domains, facts.dim)

    def config(self) -> dict[str, Any]:
        """The domains, in the order of their means."""
        return {"domains": list(self.domains)}

    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        """The pooled vector without its domain's mean; where no known domain is told, without that of a guess."""
        number = self.domains.index(domain) if domain in self.domains else UNKNOWN
        pooled = features.pooled.float()
        centred: Tensor = self.places(pooled, torch.full((len(pooled),), number, device=pooled.device))
        return centred

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """The text vector without what it has of the domains' means."""
        return self.places.texts(texts.float())
