"""TKI's own part of training: domain words expand the names, a projection into the ball gathers them again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samekind.clip.encoder import DualEncoder
from samekind.methods.base import EncoderFacts
from samekind.methods.tki import TKI, TKIConfig
from samekind.training.adapt_settings import LearnSettings
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.from_names import TextTrainer
from samekind.training.loop import Means, Run, finite, train_stage
from samekind.training.names import Names
from samekind.training.outcome import Learned, Wanted
from samekind.training.styles import STEPS, WordSettings, learn_words, styled_features


@dataclass(frozen=True)
class ProjectionSettings:
    """The projection. All of it is chosen; few and small steps, as it starts from the backbone."""

    rate: float = 3e-5
    batch: int = 256
    steps: int = 100
    noise: float = 0.3  # the standard deviation, per number of a unit vector, of what is added against the modality gap
    temperature: float = 0.1
    texts: int = 40_000  # at most, names times words


@dataclass(frozen=True)
class TKISettings(LearnSettings):
    """Words, projection, and what the method is built from."""

    example: ClassVar[str] = "words.count=40"
    may_be_zero: ClassVar[Collection[str]] = ("steps", "width")
    positive: ClassVar[Collection[str]] = ("temperature", "curvature", "radius")
    given: ClassVar[Mapping[tuple[type, str], str]] = {(TKIConfig, "classes"): "give --classes"}

    words: WordSettings = field(default_factory=WordSettings)
    projection: ProjectionSettings = field(default_factory=ProjectionSettings)
    model: TKIConfig = field(default_factory=TKIConfig)


def learn(names: Names, encoder: DualEncoder, wanted: Wanted[TKISettings], run: Run, learned: Learned) -> TKI:
    """Expansion, then aggregation."""
    settings, seed = wanted.settings, wanted.seed
    texts, words = learn_words(names.names, encoder, settings.words, seed, run, learned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = replace(settings.model, classes=len(names.names))
        method = TKI(model, EncoderFacts.of(encoder)).to(texts.plain.device)
    method.names.copy_(texts.plain)
    with learned.timed("texts"):
        styled = styled_features(texts, words, settings.projection.texts, seed)
    learned.seconds["projection"] = train_stage(ProjectionStage(method, styled, settings.projection, seed), run)
    method.settle()
    return method.eval()


TKI_TRAINER = TextTrainer("tki", TKISettings, learn)


class ProjectionStage:
    """The two layers: each name's texts under all words come to the name without any, the proxy of its class."""

    name = "projection"

    def __init__(self, method: TKI, styled: Float[Tensor, "c s e"], settings: ProjectionSettings, seed: int) -> None:
        self.method, self.styled, self.settings, self.seed = method, styled, settings, seed
        self.epochs = -(-settings.steps // STEPS)
        self.optimiser = torch.optim.Adam(method.parameters(), lr=settings.rate)

    def epoch(self, number: int) -> dict[str, float]:
        """Some steps, each over names and words drawn by chance."""
        told, dice = Means(), torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        classes, words, width = self.styled.shape
        device = self.styled.device
        for step in range(min(STEPS, self.settings.steps - number * STEPS)):
            target = torch.randint(classes, (self.settings.batch,), generator=dice).to(device)
            word = torch.randint(words, (self.settings.batch,), generator=dice).to(device)
            noise = torch.randn(self.settings.batch, width, generator=dice).to(device)
            loss = finite(self._loss(self.styled[target, word] + self.settings.noise * noise, target), step + 1)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            told.add(1, loss=float(loss.detach()))
        return told.told()

    def _loss(self, vectors: Float[Tensor, "b e"], target: Tensor) -> Float[Tensor, ""]:
        points = self.method.project(F.normalize(vectors, dim=1))
        logits = self.method.logits(points, self.method.project(self.method.names))
        return F.cross_entropy(logits / self.settings.temperature, target)

    def tensors(self) -> dict[str, Tensor]:
        """The method and the optimiser."""
        method = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        return {**method, **optimiser_tensors(self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        kept = {name.removeprefix("method."): each for name, each in tensors.items() if name.startswith("method.")}
        self.method.load_state_dict(kept)
        load_optimiser(self.optimiser, tensors)
