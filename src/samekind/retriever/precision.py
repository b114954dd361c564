"""Which device and which number format encode pictures: what the processor does fast without hurting the ranking."""

from typing import Literal, get_args

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
