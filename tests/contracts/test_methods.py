"""What every registered method must do, fresh from the registry; an addition is tested without writing a test."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from samekind.clip.weights import load_encoder
from samekind.methods import METHODS, method_class
from samekind.methods.base import EncoderFacts
from samekind.retriever.store import Retriever, load

pytestmark = pytest.mark.parametrize("name", sorted(METHODS))

TEXTS = ["a dog", "a red car", "the sketch of a toy"]


def build(name: str, folder: Path) -> Retriever:
    """The method as its class builds it without settings, over the tiny backbone."""
    encoder = load_encoder(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method = method_class(name).from_config({}, EncoderFacts.of(encoder))
    return Retriever(encoder, method, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_saved_and_loaded_it_gives_equal_vectors(
    name: str, tiny_clip: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    first = build(name, tiny_clip)
    first.save(tmp_path / "r")
    again = load(tmp_path / "r", device="cpu", precision="float32")
    assert (again.sha256, again.dim, again.space, again.card.method) == (first.sha256, first.dim, first.space, name)
    np.testing.assert_array_equal(again.encode_pixels(pixels), first.encode_pixels(pixels))
    np.testing.assert_array_equal(again.encode_texts(TEXTS), first.encode_texts(TEXTS))


def test_its_configuration_travels_as_json_and_builds_it_again(name: str, tiny_clip: Path) -> None:
    method = build(name, tiny_clip).method
    config = json.loads(json.dumps(method.config()))
    again = method_class(name).from_config(config, EncoderFacts.of(load_encoder(tiny_clip)))
    assert again.config() == method.config()
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in method.state_dict().items()}


def test_an_unknown_domain_works(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    vectors = build(name, tiny_clip).encode_pixels(pixels, domain=None)
    assert np.isfinite(vectors).all()


def test_vectors_are_float32_and_as_wide_as_said(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    retriever = build(name, tiny_clip)
    for vectors, count in ((retriever.encode_pixels(pixels), len(pixels)), (retriever.encode_texts(TEXTS), len(TEXTS))):
        assert vectors.shape == (count, retriever.dim)
        assert vectors.dtype == np.float32


def test_cosine_vectors_have_norm_one(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    retriever = build(name, tiny_clip)
    assert retriever.space in ("cosine", "poincare")
    if retriever.space == "cosine":
        for vectors in (retriever.encode_pixels(pixels), retriever.encode_texts(TEXTS)):
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_encoding_is_deterministic(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    retriever = build(name, tiny_clip)
    np.testing.assert_array_equal(retriever.encode_pixels(pixels), retriever.encode_pixels(pixels))
    np.testing.assert_array_equal(retriever.encode_texts(TEXTS), retriever.encode_texts(TEXTS))


def test_a_vector_does_not_depend_on_the_batch(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    retriever = build(name, tiny_clip)
    alone = np.concatenate([retriever.encode_pixels(pixels[i : i + 1]) for i in range(len(pixels))])
    np.testing.assert_allclose(retriever.encode_pixels(pixels), alone, atol=1e-5)
    single = np.concatenate([retriever.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(retriever.encode_texts(TEXTS), single, atol=1e-5)


def test_pictures_and_texts_lie_in_one_space(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    retriever = build(name, tiny_clip)
    assert retriever.encode_pixels(pixels).shape[1] == retriever.encode_texts(TEXTS).shape[1]


def test_different_pictures_get_different_vectors(name: str, tiny_clip: Path, pixels: np.ndarray) -> None:
    vectors = build(name, tiny_clip).encode_pixels(pixels)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-6


def test_training_mode_is_off(name: str, tiny_clip: Path) -> None:
    retriever = build(name, tiny_clip)
    assert not retriever.method.training
    assert not retriever.encoder.training
