"""Everything that can be set about training, from a TOML file and from `key=value` pairs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from samekind.errors import UsageError
from samekind.methods.tpsnet import TPSNetConfig
from samekind.training.overrides import overridden, typed

# Parts of the network that other options give.
_GIVEN = {
    "classes": "give --classes-count",
    "domains": "give --domains",
    "scale": "it is the backbone's own factor on cosines",
}
_MAY_BE_ZERO = ("warmup", "repair_after")
_MOST = {"smoothing": 1.0, "momentum": 1.0, "unknown": 1.0, "dropout": 1.0}

Profile = Literal["all", "clean"]
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
class Settings:
    """Both stages, the parts of the network, and how the data are used."""

    prompts: PromptSettings = field(default_factory=PromptSettings)
    synergy: SynergySettings = field(default_factory=SynergySettings)
    model: TPSNetConfig = field(default_factory=TPSNetConfig)
    profile: Profile = "all"
    groups: Groups = "carried"  # K-means of each domain from the others' centres, or each on its own
    cache_gib: float = 4.0  # what pixels and tokens may take on disk while training

    @classmethod
    def read(cls, file: Path | None = None, settings: Sequence[str] = ()) -> "Settings":
        """Defaults, then the TOML `file`, then settings such as `synergy.epochs=30`.

        Raises UsageError: no such file, not TOML, an unknown key, a value of the wrong kind.
        """
        made = overridden(cls(), file, settings, called="settings", example="synergy.epochs=30", check=_checked)
        if made.groups == "separate" and made.synergy.match == "groups":
            raise UsageError(
                "Separate groups have no numbers in common: set synergy.match=prompts or synergy.match=pictures too."
            )
        return made

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return {**asdict(self), "model": {**asdict(self.model), "domains": list(self.model.domains)}}


def _checked(owner: Any, key: str, value: Any, where: str) -> Any:
    """One value as its setting has it."""
    if isinstance(owner, TPSNetConfig) and key in _GIVEN:
        raise UsageError(f"{where}: {key} is no setting: {_GIVEN[key]}")
    value = typed(owner, key, value, where)
    least = 0 if key in _MAY_BE_ZERO or isinstance(value, float) else 1
    if isinstance(value, int | float) and not least <= value <= _MOST.get(key, math.inf):
        most = f" and at most {_MOST[key]:g}" if key in _MOST else ""
        raise UsageError(f"{where}: {key} must be at least {least}{most}, not {value!r}")
    kind = next(each.type for each in fields(owner) if each.name == key)
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise UsageError(f"{where}: {key} is one of {', '.join(get_args(kind))}, not {value!r}")
    return value
