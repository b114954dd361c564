"""TPSNet: pictures read with a text prior (learned domain prompts) and a phase prior (Yang et al. 2026)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts, Method, Space
from samekind.nn.attention import Fusion, PhaseEncoder, Reading
from samekind.nn.fourier import Norm, grey, phase_picture

Query = Literal["soft", "hard", "all"]
Output = Literal["synergy", "fused"]
Priors = Literal["both", "text", "phase", "neither"]

UNKNOWN = -1  # the number of a domain that is not known
_CHOICES = {"query": Query, "output": Output, "priors": Priors, "phase_norm": Norm}


@dataclass(frozen=True)
class TPSNetConfig:
    """What a TPSNet is built from; docs/methods/tpsnet.md says which values are published and which chosen here.

    `domains` are the names that `images` knows, `classes` the prompts of each. `scale` is the backbone's factor on
    cosines, with which a picture chooses among the prompts. `width` is that of the attention. `query` says which
    prompts ask, `output` which of the two readings is searched with, `priors` which parts there are at all.
    """

    domains: tuple[str, ...] = ("photo", "sketch")
    classes: int = 16
    width: int = 256
    heads: int = 8
    dropout: float = 0.1
    scale: float = 20.0
    query: Query = "soft"
    output: Output = "synergy"
    priors: Priors = "both"
    phase_norm: Norm = "unit"
    prior_weight: float = 0.0

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "TPSNetConfig":
        """From a card; raises UsageError for a name, a type or a value that it does not know."""
        kinds = {field.name: type(field.default) for field in fields(cls)}
        values = dict(config)
        for name, value in values.items():
            if name not in kinds:
                raise UsageError(f"tpsnet has no setting {name!r}; it has {', '.join(kinds)}.")
            if name == "domains" and isinstance(value, list):
                values[name] = value = tuple(value)
            if kinds[name] is float and type(value) is int:
                values[name] = value = float(value)
            if type(value) is not kinds[name]:
                raise UsageError(f"tpsnet: {name} must be of type {kinds[name].__name__}, not {value!r}.")
            choices = get_args(_CHOICES.get(name))
            if choices and value not in choices:
                raise UsageError(f"tpsnet: {name} is one of {', '.join(choices)}, not {value!r}.")
        made = cls(**values)
        made._check()
        return made

    def _check(self) -> None:
        if self.classes < 1 or not self.domains or self.heads < 1 or self.width < 1 or self.width % self.heads:
            raise UsageError(
                "tpsnet needs one class or more, one domain or more, and a width that is a multiple of the heads, not "
                f"{self.classes}, {len(self.domains)}, {self.width} and {self.heads}."
            )


class Read(NamedTuple):
    """Both readings of pictures, not normalised: I_f, fused with the phase, and I', asked by the text prior."""

    fused: Float[Tensor, "b e"]
    synergy: Float[Tensor, "b e"]


class TPSNet(Method):
    """Both readings are the backbone's pooled vector plus what the new parts add.

    The last map of each part begins at zero, so that an untrained TPSNet is the zero-shot retriever: chosen here, as
    a network that starts from what CLIP knows is not likely to end below it.
    """

    name: ClassVar[str] = "tpsnet"
    space: ClassVar[Space] = "cosine"

    priors: Tensor
    shared: Tensor
    prototypes: Tensor

    def __init__(self, settings: TPSNetConfig, facts: EncoderFacts) -> None:
        super().__init__()
        self.settings, self._dim = settings, facts.dim
        width, heads, dropout = settings.width, settings.heads, settings.dropout
        places, classes = len(settings.domains), settings.classes
        # T' of each domain, at norm one; the shared number of each domain's classes; the prototypes of these.
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
        """The backbone's own width."""
        return self._dim

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
        return F.normalize(read.synergy if self.settings.output == "synergy" else read.fused, dim=1)

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """The text vector at norm one, with its own share of the text prior where pictures get one.

        A text has neither tokens nor a phase to be asked about. It stays where the backbone puts it, since that is
        where L_i2tce pulls the pictures: I' lives in the text space.
        """
        return F.normalize(self._with_prior(texts, texts, torch.full((len(texts),), UNKNOWN)), dim=1)

    def phases(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        """Phase pictures of normalised pictures."""
        return phase_picture(grey(pixels), self.settings.phase_norm)

    def read(self, features: ImageFeatures, phases: Float[Tensor, "b h w"], domains: Int[Tensor, " b"]) -> Read:
        """Both readings; `domains` are places in the configuration's list, -1 where unknown."""
        phase = None if self.phase is None else self.phase(phases)
        pooled = features.pooled.float()
        sequence = self.fusion(features.tokens.float(), phase)
        length = pooled.norm(dim=1, keepdim=True)
        fused = pooled + length * self.to_fused(sequence.mean(1))
        answers = self.reading(self.queries(pooled, domains), sequence).mean(1)
        synergy = fused + length * self.to_synergy(answers)
        return Read(fused, self._with_prior(synergy, pooled, domains))

    def queries(self, pooled: Float[Tensor, "b e"], domains: Int[Tensor, " b"]) -> Float[Tensor, "b q e"]:
        """What asks each picture, at norm one: a mixture of prompts (soft), the best one (hard), or all of them."""
        if self.asking is not None:
            return self.asking.expand(len(pooled), 1, -1)
        prompts = self.priors.flatten(0, 1)
        if self.settings.query == "all":
            # Those of the picture's own domain; of an unknown one, the mean over the domains of what is the same class.
            return torch.where((domains == UNKNOWN)[:, None, None], self.consensus()[None], self.priors[domains])
        weights = self.posterior(pooled, domains)
        mixed: Tensor = weights @ prompts
        if self.settings.query == "hard":
            return prompts[weights.argmax(1)][:, None]
        return F.normalize(mixed, dim=1)[:, None]

    def posterior(self, pooled: Float[Tensor, "b e"], domains: Int[Tensor, " b"]) -> Float[Tensor, "b sc"]:
        """How probable each prompt is: softmax of the scaled cosines over the domain's prompts, or over all."""
        cosines = F.normalize(pooled, dim=1) @ self.priors.flatten(0, 1).T
        owner = torch.arange(len(self.settings.domains), device=pooled.device).repeat_interleave(self.settings.classes)
        strange = (domains[:, None] != UNKNOWN) & (domains[:, None] != owner[None])
        return (self.settings.scale * cosines).masked_fill(strange, -torch.inf).softmax(1)

    def consensus(self) -> Float[Tensor, "c e"]:
        """The mean direction of the matched prompts of all domains, a row per shared class."""
        total = torch.zeros_like(self.priors[0])
        for prompts, shared in zip(self.priors, self.shared, strict=True):
            total = total.index_add(0, shared, prompts)
        return F.normalize(total, dim=1)

    def _with_prior(
        self, vectors: Float[Tensor, "b e"], asked: Float[Tensor, "b e"], domains: Int[Tensor, " b"]
    ) -> Float[Tensor, "b e"]:
        """Vectors plus `prior_weight` of the shared classes that they seem to be of."""
        if not self.has_text or not self.settings.prior_weight:
            return vectors
        weights = self.posterior(asked, domains.to(asked.device))
        shared = self.consensus()[self.shared.flatten()]
        part: Tensor = self.settings.prior_weight * vectors.norm(dim=1, keepdim=True) * (weights @ shared)
        return vectors + part
