"""A retriever as an evaluation asks it: what a protocol does to pictures besides, wherever these are encoded."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float32, UInt8

from samekind.images.preprocess import Preprocess

if TYPE_CHECKING:
    from samekind.retriever.precision import Precision
    from samekind.retriever.store import Retriever


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to pictures besides the retriever's own preprocessing; part of the cache's key.

    inverted: 255 minus each value of the prepared pixels. domains: the retriever is told each picture's domain.
    raw: the backbone's pooled vector as it comes, in float32, instead of the retriever's.
    """

    inverted: bool = False
    domains: bool = False
    raw: bool = False


PLAIN = Treatment()


@dataclass(frozen=True)
class Treated:
    """What readers see of a retriever. May be sent to another machine, where its vectors are the same."""

    retriever: "Retriever"
    treatment: Treatment

    @property
    def preprocess(self) -> Preprocess:
        """How pictures are prepared."""
        return self.retriever.preprocess

    def encode_pixels(
        self, pixels: UInt8[np.ndarray, "b h w 3"], domain: str | None = None
    ) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures as the treatment wants them; whether there is a domain to tell is decided before."""
        treated = 255 - pixels if self.treatment.inverted else pixels
        if self.treatment.raw:
            return pooled(self.retriever, treated)
        return self.retriever.encode_pixels(treated, domain)

    def moved(self, device: str) -> "Treated":
        """The same on another machine's device, in the number format that the cache is told of."""
        precision = cast("Precision", self.retriever.precision)
        return replace(self, retriever=self.retriever.moved(device, precision))


def pooled(retriever: "Retriever", pixels: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
    """The backbone's pooled vectors in float32, neither normalised nor seen by the method."""
    import torch

    encoder, device = retriever.encoder, retriever.device
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (encoder.preprocess.mean, encoder.preprocess.std))
    x = (torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255 - mean) / std
    with torch.inference_mode():
        return np.asarray(encoder.image(x.to(device)).pooled.float().cpu().numpy())
