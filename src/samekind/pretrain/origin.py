"""What pre-training starts from and asks for answers: an ImageNet classifier and teachers, or a finished encoder."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNet
from samekind.clip.tokenizer import TextTokenizer
from samekind.clip.weights import load_encoder
from samekind.errors import UsageError
from samekind.pretrain.nouns import read_nouns
from samekind.pretrain.recipe import Recipe
from samekind.pretrain.teachers import NameSpace, Start
from samekind.pretrain.words import STYLES, Vocabulary, text_config, train_tokenizer, train_words

Space = Callable[[Sequence[str]], Float[Tensor, "n e"]]
Told = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Inputs:
    """The files that pre-training reads."""

    captions: Path
    start: Path  # "mini", an encoder's folder, a network's safetensors file, or the name of a package's weights
    labels: Path | None = None  # the names of the network's classes, and all below: for a network alone
    vectors: Path | None = None  # text vectors, safetensors
    names: Path | None = None  # their names, JSON
    nouns: Path = Path("/usr/share/wordnet/data.noun")
    exclude: tuple[Path, ...] = ()


class TextPart(NamedTuple):
    """The text side of a checkpoint: tokenizer files, tensors of the tower, its `text_config`."""

    files: Mapping[str, bytes]
    tensors: dict[str, Tensor]
    config: dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """A tower, the space that its vectors go to, and what is known of a picture before training."""

    tower: MobileNet
    space: Space  # phrases -> unit vectors
    label_texts: Float[Tensor, "k e"]  # of the classes that `describe` knows
    describe: Callable[[UInt8[Tensor, "b s s 3"]], tuple[Tensor, Tensor]]  # log-probabilities [b k], features [b f]
    text_part: Callable[[Sequence[str], int, Path, Told], TextPart]  # captions, seed, work folder, report
    key: bytes  # of what `describe` says
    facts: dict[str, str]  # for the card


def find_origin(inputs: Inputs, recipe: Recipe) -> Origin:
    """An encoder to specialise, where `start` names one; else a network to make an encoder from.

    Raises:
        UsageError: a network without labels, vectors and names; an encoder whose visual tower is none of ours.
    """
    if str(inputs.start) == "mini" or inputs.start.is_dir():
        return from_encoder(inputs.start)
    if inputs.labels is None or inputs.vectors is None or inputs.names is None:
        raise UsageError(
            f"to start from the network {inputs.start}, give --labels, --vectors and --names as well; to specialise a "
            "finished encoder, which needs none of them, give --start mini or an encoder's folder"
        )
    return from_network(inputs, inputs.labels, inputs.vectors, inputs.names, recipe)


def from_network(inputs: Inputs, labels: Path, vectors: Path, names: Path, recipe: Recipe) -> Origin:
    """The network's classifier and the teachers of names; the text tower is learned from scratch."""
    space = NameSpace(vectors, names)
    start = Start.load(inputs.start, labels, space.given.shape[1])
    label_texts = space(start.labels)
    with torch.no_grad():
        start.tower.projection.weight.copy_(first_projection(start, label_texts))
        start.tower.projection.bias.zero_()
    return Origin(
        tower=start.tower,
        space=space,
        label_texts=label_texts,
        describe=start.describe,
        text_part=lambda captions, seed, work, told: text_stage(inputs, captions, space, recipe, seed, work, told),
        key=start.classifier.numpy().tobytes(),
        facts={
            "start": start.tower.config.network,
            "start_sha256": start.sha256,
            "vectors_sha256": hashlib.sha256(vectors.read_bytes()).hexdigest(),
        },
    )


def from_encoder(ref: Path) -> Origin:
    """A finished encoder: its text tower stays as it is and says where captions belong; its features are kept."""
    encoder = load_encoder("mini" if str(ref) == "mini" else ref)
    tower = encoder.vision_model
    if not isinstance(tower, MobileNet):
        raise UsageError(f"{ref}: only encoders that samekind pretrain made can be specialised, not its visual tower")
    tower.requires_grad_(True)
    size = encoder.preprocess.size

    def space(phrases: Sequence[str]) -> Float[Tensor, "n e"]:
        with torch.no_grad():
            parts = [
                encoder.encode_text([f"a {name}" for name in phrases[i : i + 256]]) for i in range(0, len(phrases), 256)
            ]
        return F.normalize(torch.cat(parts).float(), dim=1)

    @torch.no_grad()
    def describe(pictures: UInt8[Tensor, "b s s 3"]) -> tuple[Tensor, Tensor]:
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        return torch.zeros(len(x), 1), tower.features(x).mean((2, 3))  # one class: nothing is asked of the classifier

    text = TextPart(encoder.tokenizer.files, dict(encoder.text_model.state_dict()), dict(encoder.config["text_config"]))
    return Origin(
        tower=tower,
        space=space,
        label_texts=torch.zeros(1, encoder.dim),
        describe=describe,
        text_part=lambda *_: text,
        key=encoder.sha256.encode(),
        facts={"start": encoder.name, "start_sha256": encoder.sha256},
    )


def first_projection(start: Start, label_texts: Float[Tensor, "k e"]) -> Float[Tensor, "e f"]:
    """Ridge regression from the classifier's directions to its label names: what it knows, it can name at once."""
    directions = F.normalize(start.classifier, dim=1)
    size = directions.shape[1]
    stacked = torch.cat([directions, 0.3 * torch.eye(size)])
    wanted = torch.cat([label_texts, torch.zeros(size, label_texts.shape[1])])
    solved: Tensor = torch.linalg.lstsq(stacked, wanted).solution
    return 3 * solved.T


def text_stage(
    inputs: Inputs,
    captions: Sequence[str],
    space: NameSpace,
    recipe: Recipe,
    seed: int,
    work: Path,
    told: Told,
) -> TextPart:
    """Tokenizer and text tower; what a former call finished, or began, is read from `work`."""
    known = sorted({*captions, *space.names})
    nouns = sorted(set(read_nouns(inputs.nouns)) - set(known))
    tokenizer_file, tower_file = work / "tokenizer.json", work / f"words-{seed}.safetensors"
    if not tokenizer_file.is_file():
        tokenizer_file.write_bytes(train_tokenizer([*known, *nouns], recipe.words.vocabulary))
    tokenizer = TextTokenizer({"tokenizer.json": tokenizer_file.read_bytes()}, context=recipe.words.context)
    if not tower_file.is_file():
        given = sorted(set(space.names))
        others = sorted(set(known) - set(given))
        phrases = [*given, *others, *nouns]
        vocabulary = Vocabulary(phrases, space(phrases), len(given), len(others), space(STYLES))
        begun = work / f"words-{seed}-begun.safetensors"
        tower = train_words(tokenizer, vocabulary, recipe.words, seed=seed, file=begun, report=told)
        save_file({name: tensor.contiguous() for name, tensor in tower.state_dict().items()}, tower_file)
        begun.unlink(missing_ok=True)
    config = text_config(tokenizer, recipe.words, space.given.shape[1])
    return TextPart(tokenizer.files, load_file(tower_file), config.to_dict())
