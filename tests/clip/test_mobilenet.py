"""MobileNetV2 and EfficientNet-Lite: padding, names of the weights, tokens whose mean is the answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

from samekind.clip.mobilenet import STAGES, MobileNet, MobileNetConfig, SameConv
from samekind.errors import SamekindError

WEIGHTS = "weights/mobilenet_v2_imagenet.safetensors"


def same_padded(x: torch.Tensor, stride: int, kernel: int) -> torch.Tensor:
    """TensorFlow's rule, written out: as many rows as ceil(n / stride) windows need, the odd one at the end."""
    pads = []
    for n in (x.shape[-1], x.shape[-2]):
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 17), width=st.integers(1, 17), stride=st.sampled_from([1, 2]), kernel=st.sampled_from([3, 5])
)
def test_padding_is_that_of_tensorflow_for_every_size(height, width, stride, kernel):
    conv = SameConv(2, 3, stride, kernel=kernel)
    x = torch.randn(1, 2, height, width)
    expected = F.conv2d(same_padded(x, stride, kernel), conv.weight, conv.bias, stride)
    assert torch.allclose(conv(x), expected, atol=1e-6)


@pytest.mark.parametrize("network", STAGES)
def test_there_is_a_token_for_each_32_pixels_and_their_mean_is_the_pooled_vector(network):
    tower = MobileNet(MobileNetConfig(image_size=96, projection_dim=8, network=network))
    tokens, pooled = tower(torch.rand(2, 3, 96, 128) * 2 - 1)
    assert tokens.shape == (2, 3 * 4, 8)
    assert torch.allclose(tokens.mean(1), pooled, atol=1e-6)


@pytest.mark.parametrize(
    "values", [{"image_size": 16}, {"projection_dim": 0}, {"image_size": "160"}, {"projection_dim": True}]
)
def test_sizes_that_no_tower_can_have_are_refused(values):
    with pytest.raises(SamekindError):
        MobileNetConfig.from_dict({"model_type": "samekind_mobilenet_v2", **values})


@pytest.mark.parametrize("network", STAGES)
def test_a_configuration_comes_back_as_it_was(network):
    config = MobileNetConfig(image_size=96, projection_dim=8, network=network)
    assert MobileNetConfig.from_dict(config.to_dict()) == config


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(SamekindError, match="samekind_efficientnet_lite0"):
        MobileNetConfig.from_dict({"model_type": "samekind_resnet"})


def test_the_imagenet_weights_fit_by_name_and_know_a_guitar(shared):
    tensors = {name: tensor.float() for name, tensor in load_file(shared / WEIGHTS).items()}
    classifier, bias = tensors.pop("classifier.weight").flatten(1), tensors.pop("classifier.bias")
    tower = MobileNet(MobileNetConfig()).eval()
    missing, unexpected = tower.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert set(missing) == {"projection.weight", "projection.bias"}
    names = (shared / "weights/imagenet_labels.txt").read_text().splitlines()
    files = sorted((shared / "data/pacs/photo/guitar").iterdir())[:24]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])
    with torch.inference_mode():
        maps = tower.features(torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1)
        best = F.linear(maps.mean((2, 3)), classifier, bias).argmax(1)
    assert np.mean(["guitar" in names[i] for i in best]) > 0.7
