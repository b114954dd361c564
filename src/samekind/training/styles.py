"""Texts such as "a S style of a dog" with learned vectors in the place of S, and the learning of these words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder, TokenBatch
from samekind.errors import UsageError
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.loop import Means, Run, finite, train_stage
from samekind.training.outcome import Learned

TEXTS = 256  # that pass the text tower together where nothing is learned
STEPS = 10  # between two checkpoints

Order = Literal["together", "in_turn"]


@dataclass(frozen=True)
class WordSettings:
    """Domain words. Count, rate, momentum, std, template and losses are PromptStyler's."""

    count: int = 80
    steps: int = 100  # of all words together, or of each in its turn; 0 leaves them as they are drawn
    order: Order = "together"  # published is one after another, each kept away from those before it
    rate: float = 0.002
    momentum: float = 0.9
    std: float = 0.02
    template: str = "a {} style of a"
    names: int = 64  # that a step in turn looks at, at most


class StyledTexts:
    """The template followed by each name, or by nothing, with a word vector of the backbone in the template's gap."""

    def __init__(self, encoder: DualEncoder, names: Sequence[str], template: str = WordSettings.template) -> None:
        """Raises UsageError for a template without exactly one gap, or one that fills the context by itself."""
        self.encoder, self.template = encoder, template
        if template.count("{}") != 1:
            raise UsageError(f"The template {template!r} needs one gap for the learned word, written as {{}}.")
        head = template.format("x")
        first, other = (encoder.tokenize([template.format(each)]).ids[0] for each in ("x", "y"))
        differ = (first != other).nonzero() if first.shape == other.shape else first[:0]
        if len(differ) != 1 or first[differ[0]] not in encoder.tokenize(["x"]).ids[0]:
            raise UsageError(f"In the template {template!r} the gap must stand alone, with spaces around it.")
        self.slot = int(differ[0])
        self.bare = _cut(encoder, encoder.tokenize([head]))
        texts = [f"{head} {name}" for name in names]
        self.named = _cut(encoder, encoder.tokenize(texts))
        # Another word behind a name changes the ids, unless it falls off the end of the context.
        longer = encoder.tokenize([f"{text} x" for text in texts]).ids
        whole = encoder.tokenize(texts).ids
        full = (longer == whole).all(1) if longer.shape == whole.shape else torch.zeros(len(names), dtype=torch.bool)
        self.truncated = [name for name, each in zip(names, full.tolist(), strict=True) if each]
        self.plain = _plain(encoder, names)

    def __len__(self) -> int:
        """Names."""
        return len(self.plain)

    def features(self, words: Float[Tensor, "b w"], names: Int[Tensor, " b"] | None = None) -> Float[Tensor, "b e"]:
        """Unit vectors of a word before a name each, or of the words alone, with gradients to the words."""
        if names is None:
            ids, end = (each.expand(len(words), *each.shape[1:]) for each in self.bare)
        else:
            ids, end = (each[names] for each in self.named)
        embeddings = self.encoder.embed(ids)
        filled = torch.cat([embeddings[:, : self.slot], words[:, None], embeddings[:, self.slot + 1 :]], 1)
        return F.normalize(self.encoder.text(filled, end).float(), dim=1)

    @torch.no_grad()
    def under(self, words: Float[Tensor, "k w"], names: Int[Tensor, " n"]) -> Float[Tensor, "k n e"]:
        """Unit vectors of every one of the words before every one of the names."""
        found = []
        for word in words:
            parts = torch.split(names, TEXTS)
            found.append(torch.cat([self.features(word.expand(len(part), -1), part) for part in parts]))
        return torch.stack(found)


def _cut(encoder: DualEncoder, tokens: TokenBatch) -> TokenBatch:
    """Without the places that no text reaches: of a causal tower what follows the end is not looked at."""
    if encoder.text_model.config.causal:
        return TokenBatch(tokens.ids[:, : int(tokens.end.max()) + 1], tokens.end)
    return tokens


@torch.no_grad()
def _plain(encoder: DualEncoder, names: Sequence[str]) -> Float[Tensor, "c e"]:
    parts = [encoder.encode_text(names[start : start + TEXTS]) for start in range(0, len(names), TEXTS)]
    return F.normalize(torch.cat(parts).float(), dim=1)


class WordStage:
    """Words that differ from each other as styles and leave what a name says: diversity and content (Cho et al. 2023).

    L_style of a word is the mean of |cos| of "a S style of a" to those of the others (in turn: of those before it);
    L_content the cross-entropy of the cosines of "a S style of a NAME" to all names, without a temperature.
    """

    name = "words"

    def __init__(self, texts: StyledTexts, settings: WordSettings, seed: int) -> None:
        self.texts, self.settings, self.seed = texts, settings, seed
        self.in_turn = settings.order == "in_turn"
        self.epochs = 0 if not settings.steps else settings.count if self.in_turn else -(-settings.steps // STEPS)
        drawn = torch.randn(settings.count, texts.encoder.text_width, generator=torch.Generator().manual_seed(seed))
        self.words = nn.Parameter((drawn * settings.std).to(texts.plain.device))
        self.optimiser = self._optimiser(self.words)

    def _optimiser(self, words: nn.Parameter) -> torch.optim.Optimizer:
        return torch.optim.SGD([words], lr=self.settings.rate, momentum=self.settings.momentum)

    def epoch(self, number: int) -> dict[str, float]:
        """Some steps of all words together, or all steps of one word in its turn."""
        told, dice = Means(), torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        if self.in_turn:
            self._turn(number, told, dice)
            return told.told()
        for step in range(min(STEPS, self.settings.steps - number * STEPS)):
            names = torch.randint(len(self.texts), (len(self.words),), generator=dice)
            self._step(self.optimiser, self.alike(), self._content(self.words, names), step, told)
        return told.told()

    def alike(self) -> Float[Tensor, ""]:
        """The mean of |cos| between the styles of different words, as they are now; 0 for a single one."""
        style = self.texts.features(self.words)
        cosines = (style @ style.T).abs()
        others = ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        return cosines[others].mean() if len(cosines) > 1 else cosines.sum() * 0

    def _turn(self, number: int, told: Means, dice: torch.Generator) -> None:
        word = nn.Parameter(self.words[number].detach().clone()[None])
        optimiser = self._optimiser(word)
        with torch.no_grad():
            before = self.texts.features(self.words[:number]) if number else None
        for step in range(self.settings.steps):
            names = torch.randperm(len(self.texts), generator=dice)[: self.settings.names]
            diversity = (self.texts.features(word) @ before.T).abs().mean() if before is not None else word.sum() * 0
            self._step(optimiser, diversity, self._content(word.expand(len(names), -1), names), step, told)
        with torch.no_grad():
            self.words[number] = word[0]

    def _content(self, words: Float[Tensor, "b w"], names: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        names = names.to(words.device)
        return F.cross_entropy(self.texts.features(words, names) @ self.texts.plain.T, names)

    def _step(
        self,
        optimiser: torch.optim.Optimizer,
        diversity: Float[Tensor, ""],
        content: Float[Tensor, ""],
        step: int,
        told: Means,
    ) -> None:
        loss = finite(diversity + content, step + 1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        told.add(1, loss=float(loss.detach()), style=float(diversity.detach()), content=float(content.detach()))

    def tensors(self) -> dict[str, Tensor]:
        """Words and optimiser; in turn each word has an optimiser of its own."""
        return {"words": self.words, **({} if self.in_turn else optimiser_tensors(self.optimiser))}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        with torch.no_grad():
            self.words.copy_(tensors["words"])
        if not self.in_turn:
            load_optimiser(self.optimiser, tensors)


def learn_words(
    names: Sequence[str], encoder: DualEncoder, settings: WordSettings, seed: int, run: Run, learned: Learned
) -> tuple[StyledTexts, Float[Tensor, "k w"]]:
    """The names' texts, and the domain words that were learned with them."""
    texts = StyledTexts(encoder, names, settings.template)
    learned.facts["truncated"] = texts.truncated
    stage = WordStage(texts, settings, seed)
    learned.seconds["words"] = train_stage(stage, run)
    with torch.no_grad():
        learned.facts["alike"] = round(float(stage.alike()), 4)
    return texts, stage.words.detach()


def styled_features(texts: StyledTexts, words: Float[Tensor, "k w"], most: int, seed: int) -> Float[Tensor, "c s e"]:
    """Unit vectors of each name under the words, at most `most` in all: then each name has some words by chance."""
    each = min(len(words), max(1, most // len(texts)))
    dice = torch.Generator().manual_seed(seed)
    found = []
    for names in torch.split(torch.arange(len(texts)), TEXTS):
        chosen = torch.randperm(len(words), generator=dice)[:each].to(words.device)
        found.append(texts.under(words[chosen], names.to(words.device)).transpose(0, 1))
    return torch.cat(found)
