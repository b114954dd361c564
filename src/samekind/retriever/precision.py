"""Which device and which number format encode pictures: what the processor does fast without hurting the ranking."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder
from samekind.clip.inference import encoding_copy
from samekind.clip.vit import VisionTransformer
from samekind.errors import UsageError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Tower = Literal["transformer", "convolutional"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# What "auto" means, on processors only where `cpu_is_fast_in` says so, and float32 for all others.
# benchmarks/precision.py measures what each choice does to rankings, benchmarks/encode.py its speed. The convolutions
# of `mini` keep .996 of the ten nearest in float16 and .933 in bfloat16 (benchmarks/results/precision-mini.json).
_AUTO: dict[tuple[str, Tower], torch.dtype] = {
    ("cuda", "transformer"): torch.float16,
    ("cpu", "transformer"): torch.bfloat16,
    ("cpu", "convolutional"): torch.float16,
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


def cpu_is_fast_in(dtype: torch.dtype) -> bool:
    """Whether the processor has instructions for `dtype`: AVX512-BF16 or AMX for bfloat16, AVX512-FP16 for float16."""
    if dtype == torch.bfloat16:
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if dtype == torch.float16:
        known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not say
        return bool(known.get("avx512_fp16", False))
    return True


def choose_dtype(precision: str, encoder: DualEncoder, device: torch.device) -> torch.dtype:
    """The number format for a backbone's picture tower on a device; raises UsageError for an unknown precision."""
    if precision not in get_args(Precision):
        raise UsageError(f"There is no precision {precision!r}: use one of {', '.join(get_args(Precision))}.")
    if precision != "auto":
        return _DTYPES[precision]
    dtype = _AUTO.get((device.type, tower_kind(encoder)), torch.float32)
    return torch.float32 if device.type == "cpu" and not cpu_is_fast_in(dtype) else dtype


def picture_tower(encoder: DualEncoder, dtype: torch.dtype) -> nn.Module:
    """The picture tower for encoding in `dtype`, float32 in and out; weights that stay as they are are shared."""
    tower = encoder.vision_model
    if dtype == torch.float32:
        return tower
    return encoding_copy(tower, dtype) if isinstance(tower, VisionTransformer) else Autocast(tower, dtype)


class Autocast(nn.Module):
    """A tower that runs under `torch.autocast`: what is safe in `dtype` runs in it, the answer is float32 again."""

    def __init__(self, tower: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.tower = tower
        self.dtype = dtype

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b e"]]:
        """Tokens and pooled vectors."""
        with torch.autocast(pixels.device.type, dtype=self.dtype):
            tokens, pooled = self.tower(pixels)
        return tokens.float(), pooled.float()
