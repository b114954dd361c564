"""What every method is: a small module from backbone features to the vectors that are stored and compared."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder, ImageFeatures

Space = Literal["cosine", "poincare"]
# What a method looks at: the pooled vector alone, or image tokens and pixels too.
Needs = Literal["pooled", "tokens"]


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """The sizes of a backbone that a method is built for.

    `dim` is the width of pooled vectors and texts, `token_dim` that of image tokens, `size` a picture's side in pixels.
    """

    dim: int
    token_dim: int
    size: int

    @classmethod
    def of(cls, encoder: DualEncoder) -> "EncoderFacts":
        """Read the facts off a backbone."""
        return cls(dim=encoder.dim, token_dim=encoder.token_dim, size=encoder.preprocess.size)


class Method(nn.Module, ABC):
    """Turns backbone features into vectors; its `state_dict` is exactly what `weights.safetensors` holds.

    A method never holds the backbone. `from_config(config(), facts)` must build an equal module up to its tensors, and
    `config()` must hold nothing but what JSON can (it travels in the card). In the space `cosine` vectors have
    Euclidean norm one. A method that says it `needs` pooled vectors alone may
    be given tokens and pixels that are no numbers.
    """

    name: ClassVar[str]
    space: ClassVar[Space]
    needs: ClassVar[Needs] = "tokens"

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of the vectors that the method returns."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "Method":
        """Build the method with fresh tensors; raises UsageError on a configuration it does not know."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this method again."""

    @abstractmethod
    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        """Vectors of pictures from the backbone's features and its normalised input; an unknown domain is None."""

    @abstractmethod
    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """Vectors of texts from the backbone's pooled text features, comparable with those of pictures."""
