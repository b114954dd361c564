"""Which device and which number format encode pictures: what the processor does fast without hurting the ranking."""

import copy
from typing import Literal, get_args

import torch
from torch import nn

from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Tower = Literal["transformer", "convolutional"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# What "auto" means. benchmarks/precision.py measures what each choice does to rankings, benchmarks/encode.py its speed.
# A convolutional tower stays in float32 on processors: bfloat16 keeps 8 bits, and its rankings move.
_AUTO: dict[tuple[str, Tower], torch.dtype] = {
    ("cuda", "transformer"): torch.float16,
    ("cuda", "convolutional"): torch.float32,
    ("cpu with bfloat16", "transformer"): torch.bfloat16,
}


def choose_device(device: str = "auto") -> torch.device:
    """The device by torch's name; "auto" is cuda where there is one, else cpu. Raises UsageError on others."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"There is no device {device!r}: use auto, cpu, cuda, or cuda:N.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("The device cuda was asked for, but torch finds no GPU here: use auto or cpu.")
    return chosen


def tower_kind(encoder: DualEncoder) -> Tower:
    """What the picture tower is made of: whatever has layer norms counts as a transformer."""
    has_norm = any(isinstance(module, nn.LayerNorm) for module in encoder.vision_model.modules())
    return "transformer" if has_norm else "convolutional"


def cpu_has_fast_bfloat16() -> bool:
    """True on x86 processors that multiply bfloat16 matrices in hardware (AVX512-BF16 or AMX)."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_dtype(precision: str, encoder: DualEncoder, device: torch.device) -> torch.dtype:
    """The number format for a backbone's picture tower on a device; raises UsageError for an unknown precision."""
    if precision not in get_args(Precision):
        raise UsageError(f"There is no precision {precision!r}: use one of {', '.join(get_args(Precision))}.")
    if precision != "auto":
        return _DTYPES[precision]
    place = "cpu with bfloat16" if device.type == "cpu" and cpu_has_fast_bfloat16() else device.type
    return _AUTO.get((place, tower_kind(encoder)), torch.float32)


def picture_tower(encoder: DualEncoder, dtype: torch.dtype) -> nn.Module:
    """The picture tower for `torch.autocast`: weights of matrix products in `dtype`, everything else shared.

    Autocast alone converts every weight anew at every call (under inference it caches none), which costs a good part
    of a small batch's time; converted once, the numbers are the same. The encoder itself stays in float32.
    """
    tower = encoder.vision_model
    if dtype == torch.float32:
        return tower
    products = [module for module in tower.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    owned = {id(parameter) for module in products for parameter in module.parameters(recurse=False)}
    shared = {id(tensor): tensor for tensor in (*tower.parameters(), *tower.buffers()) if id(tensor) not in owned}
    twin = copy.deepcopy(tower, shared)
    for module in twin.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.to(dtype)
    return twin
