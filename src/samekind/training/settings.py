"""Everything that can be set about the training of TPSNet."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from samekind.errors import UsageError
from samekind.methods.tpsnet import TPSNetConfig
from samekind.training.adapt_settings import AdaptSettings

Mixed = Literal["auto", "on", "off"]
Tune = Literal["none", "last", "all"]
Labels = Literal["prompts", "groups"]
Match = Literal["prompts", "pictures", "groups"]
Groups = Literal["diffused", "joint", "separate"]


@dataclass(frozen=True)
class GroupSettings:
    """Pseudo-labels: K-means after diffusion, of all domains together, or of each domain on its own (published)."""

    way: Groups = "diffused"
    neighbours: int = 10  # of a picture in its own domain, half as many in all others together
    time: int = 8  # steps of the random walk
    softness: float = 0.25  # the temperature of the cosines that make a picture's share of each group; 0 for labels
    width: int = 64  # eigenvectors that are looked at, at least; twice the classes where that is more


@dataclass(frozen=True)
class PromptSettings:
    """Stage 1, the text prior. CLIP-ReID, whose stages the paper shares, has batches of 64, 3.5e-4 and 120 epochs."""

    rate: float = 1.4e-3  # four times as much for four times the batch
    decay: float = 1e-4
    batch: int = 256
    epochs: int = 60
    warmup: int = 5  # epochs
    words: int = 4
    std: float = 0.02
    template: str = "an image of a"
    repair_after: int = 10  # epochs, so that untrained prompts do not confirm themselves


@dataclass(frozen=True)
class SynergySettings:
    """Stage 2, both priors. alpha, beta, smoothing and momentum as in the design; the rest is chosen."""

    rate: float = 5e-4
    decay: float = 1e-2
    batch: int = 64
    epochs: int = 4
    steps: int = 300  # at least: few pictures are gone through more often
    warmup: int = 1  # epochs
    alpha: float = 1.0
    beta: float = 1.0
    smoothing: float = 0.1
    momentum: float = 0.2
    labels: Labels = "groups"  # targets: the shares of groups alone, or half of what the prompts say too
    match: Match = "groups"  # how classes of several domains are matched: by text, by picture, or by their number
    match_centred: bool = False
    tune: Tune = "none"
    tune_rate: float = 5e-6
    mixed: Mixed = "auto"  # products in bfloat16: on a GPU, always, or never


@dataclass(frozen=True)
class Settings(AdaptSettings):
    """Both stages, the parts of the network, and how the data are used."""

    example: ClassVar[str] = "synergy.epochs=30"
    may_be_zero: ClassVar[Collection[str]] = ("warmup", "repair_after")
    positive: ClassVar[Collection[str]] = ("temperature",)
    most: ClassVar[Mapping[str, float]] = {"smoothing": 1.0, "momentum": 1.0, "dropout": 1.0}
    given: ClassVar[Mapping[tuple[type, str], str]] = {
        (TPSNetConfig, "classes"): "give --classes-count",
        (TPSNetConfig, "domains"): "give --domains",
        (TPSNetConfig, "scale"): "it is the backbone's own factor on cosines",
    }

    prompts: PromptSettings = field(default_factory=PromptSettings)
    synergy: SynergySettings = field(default_factory=SynergySettings)
    model: TPSNetConfig = field(default_factory=TPSNetConfig)
    groups: GroupSettings = field(default_factory=GroupSettings)

    def agree(self) -> None:
        """Raise UsageError where single values are right but cannot go together."""
        if self.groups.way == "separate" and self.synergy.match == "groups":
            raise UsageError(
                "Separate groups have no numbers in common: set synergy.match=prompts or synergy.match=pictures too."
            )

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return {**asdict(self), "model": {**asdict(self.model), "domains": list(self.model.domains)}}
