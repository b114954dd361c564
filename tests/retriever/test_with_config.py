"""The same tensors under another configuration: another retriever by its hash, or a refusal."""

from pathlib import Path

import numpy as np
import pytest
import torch

from samekind.clip.weights import load_encoder
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet, TPSNetConfig
from samekind.retriever.store import Retriever, load


@pytest.fixture(scope="module")
def trained(tiny_clip: Path) -> Retriever:
    """A TPSNet whose two readings differ."""
    encoder = load_encoder(tiny_clip)
    torch.manual_seed(0)
    method = TPSNet(TPSNetConfig(classes=2, width=8, heads=2, output="synergy"), EncoderFacts.of(encoder))
    torch.nn.init.normal_(method.to_synergy.weight)
    return Retriever(encoder, method, device="cpu", precision="float32")


def test_it_is_another_retriever_over_the_same_tensors(trained: Retriever, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    before = trained.encode_pixels(pixels)
    fused = trained.with_config(output="fused")
    assert fused.sha256 != trained.sha256
    assert (fused.card.config["output"], fused.card.config["classes"], fused.ref) == ("fused", 2, None)
    assert fused.precision == trained.precision
    assert np.abs(fused.encode_pixels(pixels) - before).max() > 1e-3
    np.testing.assert_array_equal(trained.encode_pixels(pixels), before)
    back = fused.with_config(output="synergy")
    assert back.sha256 == trained.sha256
    np.testing.assert_array_equal(back.encode_pixels(pixels), before)
    fused.save(tmp_path / "fused")
    assert load(tmp_path / "fused", device="cpu").sha256 == fused.sha256


def test_no_random_numbers_are_used_up(trained: Retriever) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    trained.with_config(output="fused")
    assert torch.equal(torch.rand(2), wanted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outputs": "fused"}, "has no 'outputs' in its configuration; it has domains, classes"),
        ({"output": "both"}, "output is one of shares, synergy, fused"),
        ({"priors": "neither"}, "cannot be read with priors = 'neither': it would have to be trained so"),
        ({"classes": 3}, "classes = 3"),
    ],
)
def test_what_would_need_other_tensors_is_refused(trained: Retriever, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        trained.with_config(**changes)


def test_zero_shot_has_no_configuration(tiny_clip: Path) -> None:
    with pytest.raises(UsageError, match="zero_shot has no 'output' in its configuration; it has nothing"):
        load(tiny_clip).with_config(output="fused")
