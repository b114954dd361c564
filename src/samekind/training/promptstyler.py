"""PromptStyler's own part of training: domain words, then a linear classifier with an angular margin."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samekind.clip.encoder import DualEncoder
from samekind.methods.base import EncoderFacts
from samekind.methods.promptstyler import PromptStyler, PromptStylerConfig
from samekind.training.adapt_settings import LearnSettings
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.from_names import TextTrainer
from samekind.training.loop import Means, Run, finite, shuffled, train_stage
from samekind.training.names import Names
from samekind.training.outcome import Learned, Wanted
from samekind.training.styles import WordSettings, learn_words, styled_features


@dataclass(frozen=True)
class ClassifierSettings:
    """Published: rate, momentum, batch, epochs, margin; the scale of the logits is the model's."""

    rate: float = 0.005
    momentum: float = 0.9
    batch: int = 128
    epochs: int = 50
    margin: float = 0.5  # of the angle to the class's direction (ArcFace, Deng et al. 2019)
    texts: int = 40_000  # at most, names times words


@dataclass(frozen=True)
class PromptStylerSettings(LearnSettings):
    """Words, classifier, and what the method is built from."""

    example: ClassVar[str] = "words.count=40"
    may_be_zero: ClassVar[Collection[str]] = ("steps",)
    positive: ClassVar[Collection[str]] = ("scale",)
    given: ClassVar[Mapping[tuple[type, str], str]] = {(PromptStylerConfig, "classes"): "give --classes"}

    words: WordSettings = field(default_factory=lambda: WordSettings(order="in_turn"))
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    model: PromptStylerConfig = field(default_factory=PromptStylerConfig)


def learn(
    names: Names, encoder: DualEncoder, wanted: Wanted[PromptStylerSettings], run: Run, learned: Learned
) -> PromptStyler:
    """Words one after another, then the classifier over all of their texts."""
    settings, seed = wanted.settings, wanted.seed
    texts, words = learn_words(names.names, encoder, settings.words, seed, run, learned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = replace(settings.model, classes=len(names.names))
        method = PromptStyler(model, EncoderFacts.of(encoder)).to(texts.plain.device)
    with learned.timed("texts"):
        styled = styled_features(texts, words, settings.classifier.texts, seed)
    learned.seconds["classifier"] = train_stage(ClassifierStage(method, styled, settings.classifier, seed), run)
    return method.eval()


PROMPTSTYLER = TextTrainer("promptstyler", PromptStylerSettings, learn)


class ClassifierStage:
    """One direction for each name; a text's angle to its own is made larger by the margin before it is compared."""

    name = "classifier"

    def __init__(
        self, method: PromptStyler, styled: Float[Tensor, "c s e"], settings: ClassifierSettings, seed: int
    ) -> None:
        self.method, self.settings, self.seed, self.epochs = method, settings, seed, settings.epochs
        self.vectors = styled.flatten(0, 1)
        self.target = torch.arange(len(styled), device=styled.device).repeat_interleave(styled.shape[1])
        self.optimiser = torch.optim.SGD(method.parameters(), lr=settings.rate, momentum=settings.momentum)

    def epoch(self, number: int) -> dict[str, float]:
        """One pass over all texts."""
        told = Means()
        for step, part in enumerate(shuffled(len(self.vectors), self.settings.batch, self.seed, number)):
            rows = torch.from_numpy(part).to(self.vectors.device)
            loss = finite(self._loss(self.vectors[rows], self.target[rows]), step + 1)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            told.add(len(part), loss=float(loss.detach()))
        return told.told()

    def _loss(self, vectors: Float[Tensor, "b e"], target: Tensor) -> Float[Tensor, ""]:
        cosines = self.method.cosines(vectors)
        mine = cosines.gather(1, target[:, None])
        further = torch.cos(torch.acos(mine.clamp(-1 + 1e-6, 1 - 1e-6)) + self.settings.margin)
        return F.cross_entropy(self.method.settings.scale * cosines.scatter(1, target[:, None], further), target)

    def tensors(self) -> dict[str, Tensor]:
        """The classifier and the optimiser."""
        return {"weight": self.method.weight, **optimiser_tensors(self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        with torch.no_grad():
            self.method.weight.copy_(tensors["weight"])
        load_optimiser(self.optimiser, tensors)
