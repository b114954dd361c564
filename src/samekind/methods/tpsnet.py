"""TPSNet: pictures read with a text prior (learned domain prompts) and a phase prior (Yang et al. 2026)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, Method, Space, configured
from samekind.nn.attention import Fusion, PhaseEncoder, Reading
from samekind.nn.domains import UNKNOWN, Domains
from samekind.nn.fourier import Norm, grey, phase_picture

Query = Literal["soft", "hard", "all"]
Output = Literal["shares", "synergy", "fused"]
Priors = Literal["both", "text", "phase", "neither"]

_CHOICES = {"query": Query, "output": Output, "priors": Priors, "phase_norm": Norm}


@dataclass(frozen=True)
class TPSNetConfig:
    """What a TPSNet is built from; docs/methods/tpsnet.md says which values are published and which chosen here.

    `domains` are the names that `images` knows, `classes` the prompts of each. `scale` is the backbone's factor on
    cosines, with which a picture chooses among the prompts; `temperature` divides those to the prototypes. `width` is
    that of the attention. `query` says which prompts ask, `priors` which parts there are at all. Of phases the lowest
    frequencies are kept, one in `phase_band` on each axis. `output` is what is searched with: I', I_f, or a picture's
    shares of the classes beside `own_weight` of its own vector.
    """

    domains: tuple[str, ...] = ("photo", "sketch")
    classes: int = 16
    width: int = 256
    heads: int = 8
    dropout: float = 0.1
    scale: float = 20.0
    query: Query = "soft"
    output: Output = "shares"
    priors: Priors = "both"
    phase_norm: Norm = "unit"
    phase_band: int = 4
    temperature: float = 0.2
    own_weight: float = 0.5

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "TPSNetConfig":
        """From a card; raises UsageError for a name, a type or a value that it does not know."""
        made = configured(cls, config, "tpsnet", _CHOICES)
        made._check()
        return made

    def _check(self) -> None:
        whole = min(self.classes, len(self.domains), self.heads, self.width, self.phase_band)
        if whole < 1 or self.width % self.heads or self.temperature <= 0:
            raise UsageError(
                "tpsnet needs a class, a domain, a phase band or more, a width that is a multiple of the heads, and a "
                f"temperature above 0, not {self.classes}, {len(self.domains)}, {self.phase_band}, {self.width} of "
                f"{self.heads} and {self.temperature:g}."
            )


class Read(NamedTuple):
    """What is made of pictures: the backbone's vector less its domain's mean, I_f and I' (not normalised), shares.

    I_f is fused with the phase, I' asked of it by the text prior. The shares of the classes are those that each of the
    two says, a softmax of its cosines to the prototypes, half and half.
    """

    placed: Float[Tensor, "b e"]
    fused: Float[Tensor, "b e"]
    synergy: Float[Tensor, "b e"]
    shares: Float[Tensor, "b c"]


class TPSNet(Method):
    """Both readings are the backbone's vector, less the mean of its domain, plus what the new parts add.

    The last map of each part begins at zero, so that both start as the zero-shot retriever: chosen here, as a network
    that starts from what CLIP knows is not likely to end below it. Buffers: `priors`, T' of each domain at norm one;
    `shared`, the number that each domain's classes have across domains; `prototypes` of these.
    """

    name: ClassVar[str] = "tpsnet"
    space: Space = "cosine"

    priors: Tensor
    shared: Tensor
    prototypes: Tensor

    def __init__(self, settings: TPSNetConfig, facts: EncoderFacts) -> None:
        super().__init__()
        self.settings, self._dim = settings, facts.dim
        width, heads, dropout = settings.width, settings.heads, settings.dropout
        places, classes = len(settings.domains), settings.classes
        self.places = Domains(places, facts.dim)
        self.register_buffer("priors", F.normalize(torch.randn(places, classes, facts.dim), dim=2))
        self.register_buffer("shared", torch.arange(classes).repeat(places, 1))
        self.register_buffer("prototypes", F.normalize(torch.randn(classes, facts.dim), dim=1))
        self.phase = PhaseEncoder(width) if settings.priors in ("both", "phase") else None
        self.fusion = Fusion(facts.token_dim, width, heads, dropout)
        self.reading = Reading(facts.dim, width, heads, dropout)
        self.to_fused = nn.Linear(width, facts.dim)
        self.to_synergy = nn.Linear(width, facts.dim)
        for last in (self.to_fused, self.to_synergy):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        # What asks where there is no text prior: one learned vector.
        self.asking = None if self.has_text else nn.Parameter(F.normalize(torch.randn(1, facts.dim), dim=1))

    @property
    def dim(self) -> int:
        """The backbone's own width, and the number of classes where shares are searched with."""
        return self._dim + (self.settings.classes if self.settings.output == "shares" else 0)

    @property
    def has_text(self) -> bool:
        """Whether the text prior asks."""
        return self.settings.priors in ("both", "text")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "TPSNet":
        """Build it with fresh tensors; raises UsageError on a configuration it does not know."""
        return cls(TPSNetConfig.read(config), facts)

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this method again."""
        return {**asdict(self.settings), "domains": list(self.settings.domains)}

    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        """The reading that `output` names, at norm one. A domain that was not trained on counts as unknown (None)."""
        known = self.settings.domains
        number = known.index(domain) if domain in known else UNKNOWN
        domains = torch.full((len(pixels),), number, device=pixels.device)
        read = self.read(features, self.phases(pixels), domains)
        if self.settings.output == "shares":
            return self._beside(read.placed, read.shares)
        return F.normalize(read.synergy if self.settings.output == "synergy" else read.fused, dim=1)

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """The text vector at norm one, less what the domains have in common, beside its own shares of the classes.

        A text has neither tokens nor a phase to be asked about: its shares are those of the prompts, T', or where
        there is no text prior those of the prototypes.
        """
        unit = F.normalize(texts.float(), dim=1)
        placed = self.places.texts(unit)
        if self.settings.output != "shares":
            return placed
        if self.has_text:
            return self._beside(placed, (self.settings.scale * unit @ self.consensus().T).softmax(1))
        return self._beside(placed, self.logits(placed).softmax(1))

    def _beside(self, placed: Float[Tensor, "b e"], shares: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        return F.normalize(torch.cat([self.settings.own_weight * placed, shares], 1), dim=1)

    def phases(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b u v"]:
        """Phase pictures of normalised pictures."""
        return phase_picture(grey(pixels), self.settings.phase_norm, self.settings.phase_band)

    def read(self, features: ImageFeatures, phases: Float[Tensor, "b h w"], domains: Int[Tensor, " b"]) -> Read:
        """All that is made of pictures; `domains` are places in the configuration's list, -1 where unknown."""
        phase = None if self.phase is None else self.phase(phases)
        pooled = features.pooled.float()
        sequence = self.fusion(features.tokens.float(), phase)
        placed = self.places(pooled, domains)
        answers = self.reading(self.queries(pooled, domains), sequence).mean(1)
        fused, synergy = placed + self.to_fused(sequence.mean(1)), placed + self.to_synergy(answers)
        shares = (self.logits(fused).softmax(1) + self.logits(synergy).softmax(1)) / 2
        return Read(placed, fused, synergy, shares)

    def logits(self, vectors: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Cosines to the prototypes, over the temperature."""
        return F.normalize(vectors, dim=1) @ self.prototypes.T / self.settings.temperature

    def queries(self, pooled: Float[Tensor, "b e"], domains: Int[Tensor, " b"]) -> Float[Tensor, "b q e"]:
        """What asks each picture, at norm one: a mixture of prompts (soft), the best one (hard), or all of them."""
        if self.asking is not None:
            return self.asking.expand(len(pooled), 1, -1)
        prompts = self._prompts(pooled, domains)
        if self.settings.query == "all":
            return prompts
        weights = self._weights(pooled, prompts)
        if self.settings.query == "hard":
            return prompts[torch.arange(len(prompts)), weights.argmax(1)][:, None]
        return F.normalize(torch.einsum("bc,bce->be", weights, prompts), dim=1)[:, None]

    def posterior(self, pooled: Float[Tensor, "b e"], domains: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """How probable each prompt of a picture's domain is: softmax of the scaled cosines."""
        return self._weights(pooled, self._prompts(pooled, domains))

    def _weights(self, pooled: Float[Tensor, "b e"], prompts: Float[Tensor, "b c e"]) -> Float[Tensor, "b c"]:
        cosines = torch.einsum("be,bce->bc", F.normalize(pooled, dim=1), prompts)
        return (self.settings.scale * cosines).softmax(1)

    def _prompts(self, pooled: Float[Tensor, "b e"], domains: Int[Tensor, " b"]) -> Float[Tensor, "b c e"]:
        """T' of each picture's domain."""
        return self.priors[self.places.told(F.normalize(pooled, dim=1), domains)]

    def consensus(self) -> Float[Tensor, "c e"]:
        """The mean direction of the matched prompts of all domains, a row per shared class."""
        total = torch.zeros_like(self.priors[0])
        for prompts, shared in zip(self.priors, self.shared, strict=True):
            total = total.index_add(0, shared, prompts)
        return F.normalize(total, dim=1)
