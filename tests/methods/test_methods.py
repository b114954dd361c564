"""The registry of methods, and zero-shot, the one that changes nothing but the length."""

import pytest
import torch

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods import METHODS, method_class
from samekind.methods.base import EncoderFacts
from samekind.methods.zero_shot import ZeroShot

FACTS = EncoderFacts(dim=3, token_dim=5, size=8)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no method 'telepathy'.*zero_shot"):
        method_class("telepathy")


def test_every_registered_class_is_called_as_registered() -> None:
    for name in METHODS:
        assert method_class(name).name == name


@pytest.mark.parametrize("name", [name for name in METHODS if method_class(name).needs == "pooled"])
def test_a_method_that_needs_pooled_vectors_alone_looks_at_nothing_else(name: str) -> None:
    method = method_class(name).from_config({}, FACTS)
    nothing = torch.full((1, 1, 1), torch.nan)
    features = ImageFeatures(nothing.expand(2, 4, 5), torch.tensor([[3.0, 0.0, 4.0], [0.0, -2.0, 0.0]]))
    assert torch.isfinite(method.images(features, nothing[None].expand(2, 3, 8, 8))).all()


def test_zero_shot_keeps_the_direction_of_pictures_and_texts() -> None:
    method = ZeroShot.from_config({}, FACTS)
    pooled = torch.tensor([[3.0, 0.0, 4.0], [0.0, -2.0, 0.0]])
    features = ImageFeatures(torch.zeros(2, 4, 5), pooled)
    expected = torch.tensor([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]])
    torch.testing.assert_close(method.images(features, torch.zeros(2, 3, 8, 8), "sketch"), expected)
    torch.testing.assert_close(method.texts(pooled), expected)


def test_zero_shot_of_nothing_is_finite() -> None:
    assert torch.isfinite(ZeroShot(3).texts(torch.zeros(1, 3))).all()


def test_zero_shot_has_no_settings() -> None:
    with pytest.raises(UsageError, match="temperature"):
        ZeroShot.from_config({"temperature": 1}, FACTS)


def test_the_facts_are_read_off_an_encoder(tiny_clip: object) -> None:
    from samekind.clip.weights import load_encoder

    assert EncoderFacts.of(load_encoder(tiny_clip)) == EncoderFacts(dim=16, token_dim=32, size=32)  # type: ignore[arg-type]
