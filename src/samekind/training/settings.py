"""Everything that can be set about the training of TPSNet."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from samekind.errors import UsageError
from samekind.methods.tpsnet import TPSNetConfig
from samekind.training.adapt_settings import AdaptSettings, within

# Parts of the network that other options give.
_GIVEN = {
    "classes": "give --classes-count",
    "domains": "give --domains",
    "scale": "it is the backbone's own factor on cosines",
}
_MAY_BE_ZERO = ("warmup", "repair_after")
_MOST = {"smoothing": 1.0, "momentum": 1.0, "unknown": 1.0, "dropout": 1.0}

Tune = Literal["none", "last", "all"]
Labels = Literal["prompts", "kmeans"]
Match = Literal["prompts", "pictures", "groups"]
Groups = Literal["carried", "separate"]


@dataclass(frozen=True)
class PromptSettings:
    """Stage 1, the text prior. Published in CLIP-ReID, whose stages the paper shares: all but the last three."""

    rate: float = 3.5e-4
    decay: float = 1e-4
    batch: int = 64
    epochs: int = 120
    warmup: int = 5  # epochs
    words: int = 4
    std: float = 0.02
    template: str = "an image of a"
    repair_after: int = 10  # epochs, so that untrained prompts do not confirm themselves


@dataclass(frozen=True)
class SynergySettings:
    """Stage 2, both priors. alpha, beta, smoothing, momentum and temperature as in the design; the rest is chosen."""

    rate: float = 5e-4
    decay: float = 1e-2
    batch: int = 64
    epochs: int = 20
    warmup: int = 1  # epochs
    alpha: float = 1.0
    beta: float = 1.0
    smoothing: float = 0.1
    momentum: float = 0.2
    temperature: float = 0.05
    unknown: float = 0.5  # the share of pictures whose domain is not told, as most queries' is not
    labels: Labels = "prompts"  # pseudo-labels: those mended by re-pairing, or K-means' own
    match: Match = "groups"  # how classes of several domains are matched: by text, by picture, or by their number
    match_centred: bool = False
    tune: Tune = "none"
    tune_rate: float = 5e-6


@dataclass(frozen=True)
class Settings(AdaptSettings):
    """Both stages, the parts of the network, and how the data are used."""

    example: ClassVar[str] = "synergy.epochs=30"

    prompts: PromptSettings = field(default_factory=PromptSettings)
    synergy: SynergySettings = field(default_factory=SynergySettings)
    model: TPSNetConfig = field(default_factory=TPSNetConfig)
    groups: Groups = "carried"  # K-means of each domain from the others' centres, or each on its own

    @classmethod
    def checked(cls, owner: Any, key: str, value: Any, where: str) -> Any:
        """One value as its setting has it; raises UsageError for one that it cannot have."""
        if isinstance(owner, TPSNetConfig) and key in _GIVEN:
            raise UsageError(f"{where}: {key} is no setting: {_GIVEN[key]}")
        return within(owner, key, value, where, may_be_zero=_MAY_BE_ZERO, most=_MOST)

    def agree(self) -> None:
        """Raise UsageError where single values are right but cannot go together."""
        if self.groups == "separate" and self.synergy.match == "groups":
            raise UsageError(
                "Separate groups have no numbers in common: set synergy.match=prompts or synergy.match=pictures too."
            )

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return {**asdict(self), "model": {**asdict(self.model), "domains": list(self.model.domains)}}
