"""The text stage: a small transformer that reads prompts, taught where the teacher puts names and styles."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from tokenizers import models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F

from samekind.clip.config import TextConfig
from samekind.clip.text import TextTower
from samekind.clip.tokenizer import END, START, TextTokenizer, clip_pieces, frame
from samekind.errors import SamekindError
from samekind.pretrain.checkpoint import go_on, keep

STYLES = (
    *("photo", "photograph", "snapshot", "sketch", "pencil sketch", "drawing", "line drawing", "doodle", "outline"),
    *("painting", "oil painting", "watercolour", "watercolor", "portrait", "illustration", "comic", "cartoon"),
    *("clip art", "clipart", "icon", "emoji", "logo", "symbol", "silhouette", "engraving", "woodcut", "etching"),
    *("poster", "collage", "mosaic", "sculpture", "statue", "toy", "render", "3d render", "product picture"),
    *("quickdraw", "infograph", "graffiti", "stencil", "tattoo", "embroidery", "origami", "print", "art", "picture"),
)
SUFFIX = "</w>"  # of a word's last token
PLAIN = ("{n}", "a {n}", "the {n}", "one {n}", "my {n}", "this is a {n}", "an image of a {n}", "a picture of a {n}")
STYLED = (
    *("a {s} of a {n}", "{s} of {n}", "the {s} of the {n}", "{n}, {s}", "a {n} {s}", "a {s} style of a {n}"),
    *("a {n} in {s} style", "a black and white {s} of a {n}", "{s} of a {n}", "a {n} as a {s}"),
)


@dataclass(frozen=True)
class WordsRecipe:
    """Numbers of the text stage, all chosen here."""

    vocabulary: int = 8192
    width: int = 256
    layers: int = 4
    heads: int = 4
    context: int = 32
    steps: int = 3000
    batch: int = 512
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.01
    temperature: float = 0.05
    styled: float = 0.4  # share of the texts that name a style
    style_weight: float = 0.35  # its part in the target, beside 1 for the name
    given: float = 0.4  # share of the texts about names that came with a vector, which is exact
    known: float = 0.3  # share of the texts about other captions; the rest are nouns
    save_every: int = 250


def train_tokenizer(phrases: Sequence[str], size: int) -> bytes:
    """A byte-level BPE tokenizer.json in CLIP's manner, learned from the phrases and the prompts' words.

    The same phrases give the same file: the trainer numbers signs at the end of a word in no fixed order unless they
    are named beforehand, and ties between merges go by these numbers.
    """
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = clip_pieces(models.BPE(end_of_word_suffix=SUFFIX))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[START, END, *(sign + SUFFIX for sign in signs)],
        initial_alphabet=signs,
        end_of_word_suffix=SUFFIX,
        show_progress=False,
    )
    prompts = [t.format(n=n, s=s) for t in PLAIN + STYLED for s in STYLES for n in ("thing", "x")]
    learner.train_from_iterator([*phrases, *prompts], trainer)
    learned = json.loads(learner.to_str())["model"]
    # What no token covers must not read as the end of the text, or what follows it would be lost.
    merges = [(left, right) for left, right in learned["merges"]]
    tokenizer = clip_pieces(models.BPE(learned["vocab"], merges, end_of_word_suffix=SUFFIX, unk_token=START))
    tokenizer.add_special_tokens([START, END])
    frame(tokenizer)
    return tokenizer.to_str().encode()


def text_config(tokenizer: TextTokenizer, recipe: WordsRecipe, dim: int) -> TextConfig:
    """The tower's sizes for this vocabulary and a joint space of `dim` dimensions."""
    return TextConfig(
        vocab_size=tokenizer.size,
        hidden_size=recipe.width,
        intermediate_size=4 * recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        eos_token_id=tokenizer.end_id,
        projection_dim=dim,
    )


@dataclass(frozen=True)
class Vocabulary:
    """Phrases with their target vectors: names that came with one, then other captions, then nouns."""

    phrases: list[str]
    vectors: Float[Tensor, "n e"]
    given: int  # how many are names that came with a vector
    captions: int
    styles: Float[Tensor, "s e"]

    def draw(self, recipe: WordsRecipe, rng: np.random.Generator) -> tuple[list[str], Float[Tensor, "b e"]]:
        """A batch of prompts and where each belongs: the name's vector, moved towards the style it names."""
        bounds = np.array([0, self.given, self.given + self.captions, len(self.phrases)])
        shares = np.array([recipe.given, recipe.known, 1 - recipe.given - recipe.known]) * (np.diff(bounds) > 0)
        group = rng.choice(3, recipe.batch, p=shares / shares.sum())
        rows, styles = rng.integers(bounds[group], bounds[group + 1]), rng.integers(len(STYLES), size=recipe.batch)
        styled = rng.random(recipe.batch) < recipe.styled
        texts = [
            (STYLED[rng.integers(len(STYLED))] if named else PLAIN[rng.integers(len(PLAIN))]).format(
                n=self.phrases[row], s=STYLES[style]
            )
            for row, style, named in zip(rows, styles, styled, strict=True)
        ]
        move = torch.from_numpy(styled).float().unsqueeze(1) * recipe.style_weight
        targets = self.vectors[torch.from_numpy(rows)] + move * self.styles[torch.from_numpy(styles)]
        return [text.replace(" a a", " an a") for text in texts], F.normalize(targets, dim=1)


def train_words(
    tokenizer: TextTokenizer,
    vocabulary: Vocabulary,
    recipe: WordsRecipe,
    *,
    seed: int,
    file: Path,
    report: Callable[[dict[str, float]], None],
) -> TextTower:
    """Train a text tower from scratch: cosine to the targets, and the right target among the batch's.

    A killed run goes on from the last checkpoint, `file` (every `save_every` steps), with the prompts and the result of
    an undisturbed one.

    Raises:
        SamekindError: the loss is not finite; the last good checkpoint stays.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tower = TextTower(text_config(tokenizer, recipe, vocabulary.vectors.shape[1])).train()
    optimiser = torch.optim.AdamW(tower.parameters(), recipe.rate, weight_decay=recipe.decay)
    first = 0
    if facts := go_on(file, {"tower": tower}, optimiser, seed):
        first, rng.bit_generator.state = int(facts["step"]), json.loads(facts["rng"])
    for step in range(first, recipe.steps):
        texts, targets = vocabulary.draw(recipe, rng)
        for group in optimiser.param_groups:
            cosine = 0.5 * (1 + np.cos(np.pi * step / recipe.steps))
            group["lr"] = recipe.rate * min(1.0, (step + 1) / recipe.warmup) * cosine
        parts = step_losses(tower, tokenizer(texts), targets, recipe)
        loss = parts["cosine"] + parts["contrast"]
        if not torch.isfinite(loss):
            raise SamekindError(f"the text stage's loss is {float(loss)} at step {step}; lower its rate")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        told = {name: float(value.detach()) for name, value in parts.items()}
        report({"step": float(step + 1), "steps": float(recipe.steps), **told})
        if (step + 1) % recipe.save_every == 0:
            state = json.dumps(rng.bit_generator.state)
            keep(file, {"tower": tower}, optimiser, {"seed": str(seed), "step": str(step + 1), "rng": state})
    return tower.eval()


def step_losses(tower: TextTower, ids: Tensor, targets: Float[Tensor, "b e"], recipe: WordsRecipe) -> dict[str, Tensor]:
    """1 - cosine to the target, and cross-entropy of finding the own target among the batch's distinct ones."""
    with torch.autocast("cpu", torch.bfloat16):
        vectors = tower(tower.embed(ids), tower.end(ids))
    vectors = F.normalize(vectors.float(), dim=1)
    distinct, place = torch.unique(targets, dim=0, return_inverse=True)
    contrast = F.cross_entropy(vectors @ distinct.T / recipe.temperature, place)
    return {"cosine": (1 - (vectors * targets).sum(1)).mean(), "contrast": 0.1 * contrast}
