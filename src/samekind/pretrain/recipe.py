"""Everything that can be set about pre-training, from a TOML file and from `key=value` pairs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from samekind.pretrain.head import HeadRecipe
from samekind.pretrain.visual import VisualRecipe
from samekind.pretrain.words import WordsRecipe
from samekind.training.overrides import overridden


@dataclass(frozen=True)
class Recipe:
    """The three stages, and what is said about the captions table's domains."""

    visual: VisualRecipe = field(default_factory=VisualRecipe)
    head: HeadRecipe = field(default_factory=HeadRecipe)
    words: WordsRecipe = field(default_factory=WordsRecipe)
    image_size: int = 160  # pixels; what the finished encoder looks at
    domain_words: dict[str, str] = field(default_factory=dict)  # domain -> how a prompt names it
    shares: dict[str, float] = field(default_factory=dict)  # domain -> its part of a batch, 1 where not named
    trust: dict[str, float] = field(default_factory=dict)  # domain -> how far to believe the starting classifier

    @classmethod
    def read(cls, file: Path | None, settings: Sequence[str]) -> "Recipe":
        """Defaults, then the TOML `file`, then settings such as `visual.steps=200`.

        Raises:
            UsageError: no such file, not TOML, an unknown key, a value of the wrong kind.
        """
        return overridden(cls(), file, settings, called="a recipe", example="visual.steps=200")

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)
