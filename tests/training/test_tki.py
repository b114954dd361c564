"""Whole runs from names alone, over a tiny backbone: what is learned, what decides it, what resumes it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from quick import same
from safetensors.torch import load_file

import samekind
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError, UsageError
from samekind.training import checkpoint, loop
from samekind.training.styles import StyledTexts, WordSettings, WordStage, styled_features
from samekind.training.tki import ProjectionStage

TEMPLATE = "a {} of a"  # the tiny context has twelve tokens
NAMES = ["dog", "cat", "car", "toy", "red dog"]
QUICK = {
    "tki": (
        f"words.template={TEMPLATE}",
        "words.count=6",
        "words.steps=20",
        "projection.steps=20",
        "projection.batch=16",
    ),
    "promptstyler": (
        f"words.template={TEMPLATE}",
        "words.count=4",
        "words.steps=5",
        "classifier.epochs=3",
        "classifier.batch=8",
    ),
}
methods = pytest.mark.parametrize("method", sorted(QUICK))


def run(method: str, out: Path, tiny_clip: Path, *more: str, **options: Any) -> dict[str, torch.Tensor]:
    options = {"classes": NAMES, "backbone": tiny_clip, "device": "cpu", **options}
    samekind.train(method, out=out, settings=(*QUICK[method], *more), **options)
    return load_file(out / "weights.safetensors")


@pytest.fixture(scope="module")
def undisturbed(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("names")
    for method in QUICK:
        run(method, root / method, tiny_clip)
    return {method: root / method for method in QUICK}


@methods
def test_a_run_makes_a_retriever_of_pictures_and_texts(undisturbed: dict[str, Path], method: str) -> None:
    retriever = samekind.load(undisturbed[method], device="cpu")
    picture = PIL.Image.new("RGB", (40, 40), "red")
    vectors = np.concatenate([retriever.encode_images([picture]), retriever.encode_texts(["a dog"])])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    facts = retriever.card.training
    assert (facts["names"], facts["classes"], facts["names_from"], facts["truncated"]) == (NAMES, 5, "a list", [])
    stages = ["words", "texts", "projection" if method == "tki" else "classifier"]
    assert sorted(facts["seconds"]) == sorted(stages)
    lines = [json.loads(line) for line in (undisturbed[method] / "training.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {stages[0], stages[2]}
    assert not undisturbed[method].with_name(f"{method}.work").exists()


@methods
def test_no_picture_is_opened(
    undisturbed: dict[str, Path], tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refused(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a picture was opened")

    for owner, name in ((PIL.Image, "open"), (PIL.Image, "fromarray")):
        monkeypatch.setattr(owner, name, refused)
    tower = type(load_encoder(tiny_clip).vision_model)
    monkeypatch.setattr(tower, "forward", refused)
    assert same(run(method, tmp_path / "r", tiny_clip), load_file(undisturbed[method] / "weights.safetensors"))


@methods
def test_seed_and_names_decide_the_result(
    undisturbed: dict[str, Path], tiny_clip: Path, tmp_path: Path, method: str
) -> None:
    kept = load_file(undisturbed[method] / "weights.safetensors")
    assert not same(run(method, tmp_path / "seed", tiny_clip, seed=1), kept)
    assert not same(run(method, tmp_path / "names", tiny_clip, classes=NAMES[::-1]), kept)


@methods
@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    undisturbed: dict[str, Path],
    tiny_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    after: int,
) -> None:
    save, saved = checkpoint.save, []

    def dying(*arguments: Any, **options: Any) -> None:
        save(*arguments, **options)
        saved.append(1)
        if len(saved) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.checkpoint, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        run(method, tmp_path / "r", tiny_clip)
    monkeypatch.setattr(loop.checkpoint, "save", save)
    assert same(run(method, tmp_path / "r", tiny_clip), load_file(undisturbed[method] / "weights.safetensors"))


def test_a_finished_run_is_not_made_again(
    undisturbed: dict[str, Path], tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProjectionStage, "epoch", None)
    monkeypatch.setattr(WordStage, "epoch", None)
    before = (undisturbed["tki"] / "card.json").stat().st_mtime_ns
    run("tki", undisturbed["tki"], tiny_clip)
    assert (undisturbed["tki"] / "card.json").stat().st_mtime_ns == before


def test_words_become_different_styles_that_leave_the_name(tiny_clip: Path) -> None:
    """Together and in turn; rates are a tiny random tower's."""
    texts = StyledTexts(load_encoder(tiny_clip), NAMES, TEMPLATE)
    for order in ("together", "in_turn"):
        stage = WordStage(texts, WordSettings(count=5, steps=40, order=order, rate=0.5, std=0.02), 0)
        before = float(stage.alike().detach())
        for number in range(stage.epochs):
            told = stage.epoch(number)
        assert float(stage.alike().detach()) < 0.9 * before, order
        assert told["content"] < 2 * np.log(len(NAMES))


def test_a_word_takes_the_gap_and_nothing_else(tiny_clip: Path) -> None:
    encoder = load_encoder(tiny_clip)
    texts = StyledTexts(encoder, NAMES, TEMPLATE)
    red = encoder.embed(encoder.tokenize(["red"]).ids)[0, 1]
    found = texts.features(red.expand(len(NAMES), -1), torch.arange(len(NAMES)))
    whole = encoder.encode_text([f"a red of a {name}" for name in NAMES])
    torch.testing.assert_close(found, torch.nn.functional.normalize(whole, dim=1))
    alone = texts.features(red[None])
    torch.testing.assert_close(alone, torch.nn.functional.normalize(encoder.encode_text(["a red of a"]), dim=1))


def test_of_many_names_each_gets_some_words(tiny_clip: Path) -> None:
    texts = StyledTexts(load_encoder(tiny_clip), NAMES, TEMPLATE)
    words = torch.randn(7, texts.encoder.text_width, generator=torch.Generator().manual_seed(0))
    assert styled_features(texts, words, 1_000, 0).shape == (5, 7, 16)
    some = styled_features(texts, words, 12, 0)
    assert some.shape == (5, 2, 16)
    every = texts.under(words, torch.arange(5)).transpose(0, 1)
    assert any(torch.allclose(some[0, 0], each, atol=1e-6) for each in every[0])
    assert styled_features(texts, words, 1, 0).shape == (5, 1, 16)


def test_names_longer_than_the_context_are_cut_and_said(tiny_clip: Path, tmp_path: Path) -> None:
    long = "a toy of a cat of a dog of a car"
    run("tki", tmp_path / "r", tiny_clip, classes=[*NAMES, long])
    assert samekind.load(tmp_path / "r").card.training["truncated"] == [long]


@methods
def test_what_cannot_be_is_refused(tiny_clip: Path, tmp_path: Path, world: Path, method: str) -> None:
    for wrong, words in (
        ({"data": world}, "learns from names alone"),
        ({"classes_count": 3}, "learns from names alone"),
        ({"classes": None}, "give classes"),
        ({"classes": ["dog"]}, "two or more"),
    ):
        with pytest.raises(UsageError, match=words):
            run(method, tmp_path / "r", tiny_clip, **wrong)
    with pytest.raises(UsageError, match="one gap"):
        run(method, tmp_path / "r", tiny_clip, "words.template=a style of a")
    with pytest.raises(UsageError, match="the gap must stand alone"):
        run(method, tmp_path / "r", tiny_clip, "words.template=an {}ish dog")
    with pytest.raises(UsageError, match="give --classes"):
        run(method, tmp_path / "r", tiny_clip, "model.classes=3")
    with pytest.raises(UsageError, match="tpsnet learns from pictures"):
        samekind.train("tpsnet", world, classes=NAMES)
    with pytest.raises(UsageError, match="tpsnet learns from pictures"):
        samekind.train("tpsnet")


def test_a_loss_that_is_no_number_stops_with_the_step(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = ProjectionStage._loss
    monkeypatch.setattr(ProjectionStage, "_loss", lambda *arguments: loss(*arguments) * float("nan"))
    with pytest.raises(SamekindError, match="loss of projection is nan at step 1 of epoch 1; no epoch was finished"):
        run("tki", tmp_path / "r", tiny_clip)


@pytest.mark.parametrize("geometry", ["poincare", "euclidean"])
def test_learning_brings_styled_names_to_their_proxies(tiny_clip: Path, tmp_path: Path, geometry: str) -> None:
    settings = ("projection.steps=200", "projection.rate=0.003", f"model.geometry={geometry}", "projection.noise=0.05")
    run("tki", tmp_path / "r", tiny_clip, *settings)
    lines = [json.loads(line) for line in (tmp_path / "r" / "training.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["stage"] == "projection"]
    assert losses[-1] < 0.8 * losses[0]


def test_words_may_stay_as_they_are_drawn(tiny_clip: Path, tmp_path: Path) -> None:
    run("tki", tmp_path / "r", tiny_clip, "words.steps=0", "projection.steps=0")
    assert not (tmp_path / "r" / "training.jsonl").exists()
