"""Phase pictures: what is left of a picture when every frequency is made equally strong."""

from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

Norm = Literal["unit", "dg_ucdir"]

# ITU-R BT.601, the luma of JPEG.
LUMA = (0.299, 0.587, 0.114)
# Below this share of the largest amplitude a coefficient is rounding in float32, and its phase says nothing; the
# rounding of pixels to bytes lies a hundred times above.
FLOOR = 1e-6
# The constant amplitude of DG-UCDIR's published code, before an inverse transform that divides by h * w.
DG_UCDIR_AMPLITUDE = 50_000.0
_BYTE = 255.0


def grey(pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
    """The luma of pictures. For normalised pixels the weights are those of the channels as they come."""
    weights = torch.tensor(LUMA, dtype=pixels.dtype, device=pixels.device)
    return torch.einsum("bchw,c->bhw", pixels, weights)


def phase_picture(picture: Float[Tensor, "b h w"], norm: Norm = "unit", band: int = 1) -> Float[Tensor, "b u v"]:
    """The inverse Fourier transform of phases alone: every amplitude one, every phase kept.

    With the orthonormal transform and no coefficient lost its root mean square is one (Parseval). A coefficient that
    is zero, or so small that its phase is rounding, becomes zero: a blank picture gives one constant, 1 / sqrt(h w),
    and zeros give zeros. Multiplying the spectrum by any positive amplitudes changes nothing.

    With a `band` above one only the lowest frequencies are kept, a band-th of each axis, and the picture has a band-th
    of the height and of the width: what was said holds but for the root mean square, which falls a little, since the
    highest frequency of an even side is left out there.

    `norm="dg_ucdir"` instead sets every amplitude to the 50,000 of DG-UCDIR's public code, clips the result to
    0..255 and divides by 255: half of the information, the negative one, is lost there.
    """
    spectrum = torch.fft.rfft2(picture.float(), norm="ortho")
    amplitude = spectrum.abs()
    tiny = torch.finfo(amplitude.dtype).tiny
    floor = (FLOOR * amplitude.amax((1, 2), keepdim=True)).clamp_min(tiny)
    phases = torch.where(amplitude > floor, spectrum / amplitude.clamp_min(tiny), 0.0)
    height, width = (max(1, side // band) for side in picture.shape[1:])
    if band > 1:
        phases = _lowest(phases, height, width)
    unit: Tensor = torch.fft.irfft2(phases, s=(height, width), norm="ortho")
    if norm == "dg_ucdir":
        # irfft2 with norm="backward" divides by h * w, the orthonormal one by its root.
        size = float(height * width)
        unit = (unit * (DG_UCDIR_AMPLITUDE / size**0.5)).clamp(0.0, _BYTE) / _BYTE
    return unit


def _lowest(spectrum: Complex[Tensor, "b h k"], height: int, width: int) -> Complex[Tensor, "b u l"]:
    """The part of a real picture's half spectrum that one of `height` x `width` has, without its highest frequency."""
    rows, columns = (height - 1) // 2, (width - 1) // 2
    kept = spectrum.new_zeros(len(spectrum), height, width // 2 + 1)
    kept[:, : rows + 1, : columns + 1] = spectrum[:, : rows + 1, : columns + 1]
    if rows:
        kept[:, -rows:, : columns + 1] = spectrum[:, -rows:, : columns + 1]
    return kept
