"""What every method is: a small module from backbone features to the vectors that are stored and compared."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder, ImageFeatures
from samekind.errors import UsageError

Space = Literal["cosine", "poincare"]
# What a method looks at: the pooled vector alone, or image tokens and pixels too.
Needs = Literal["pooled", "tokens"]
C = TypeVar("C")


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


def configured(kind: type[C], config: Mapping[str, Any], method: str, choices: Mapping[str, Any]) -> C:
    """A method's configuration, a dataclass of defaults, from a card.

    `choices` are the literal types of some fields. Raises UsageError for a name, a type or a value that is not known.
    """
    kinds = {field.name: type(field.default) for field in fields(kind)}  # type: ignore[arg-type]
    values = dict(config)
    for name, value in values.items():
        if name not in kinds:
            raise UsageError(f"{method} has no setting {name!r}; it has {', '.join(kinds)}.")
        if kinds[name] is tuple and isinstance(value, list):
            values[name] = value = tuple(value)
        if kinds[name] is float and type(value) is int:
            values[name] = value = float(value)
        if type(value) is not kinds[name]:
            raise UsageError(f"{method}: {name} must be of type {kinds[name].__name__}, not {value!r}.")
        known = get_args(choices.get(name))
        if known and value not in known:
            raise UsageError(f"{method}: {name} is one of {', '.join(known)}, not {value!r}.")
    return kind(**values)


class Method(nn.Module, ABC):
    """Turns backbone features into vectors; its `state_dict` is exactly what `weights.safetensors` holds.

    A method never holds the backbone. `from_config(config(), facts)` must build an equal module up to its tensors, and
    `config()` must hold nothing but what JSON can (it travels in the card). In the space `cosine` vectors have
    Euclidean norm one, in `poincare` they are points of the unit ball whose norm is at most 0.9999 (galleries hold no
    others). A method that says it `needs` pooled vectors alone may be given tokens and pixels that are no numbers.
    """

    name: ClassVar[str]
    space: Space
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


class PooledMethod(Method):
    """A method that reads pictures and texts alike, by the backbone's pooled vector, and asks for no domain."""

    needs: ClassVar[Needs] = "pooled"

    @abstractmethod
    def read(self, unit: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """Vectors of the backbone at norm one, pictures' or texts', as they are compared."""

    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        """What is read of the pooled vector; the domain makes no difference."""
        return self.read(F.normalize(features.pooled.float(), dim=1))

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        """A text goes the way that pictures go, into one space with them."""
        return self.read(F.normalize(texts.float(), dim=1))
