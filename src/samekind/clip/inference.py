"""A vision transformer rewritten for encoding alone: the same function, in fewer passes over memory."""

import copy

import torch
from torch import nn

from samekind.clip.transformer import MLP
from samekind.clip.vit import VisionTransformer


@torch.no_grad()
def encoding_copy(tower: VisionTransformer, dtype: torch.dtype) -> VisionTransformer:
    """A copy of `tower` for encoding: large matrix products in `dtype`, whatever is summed up in float32.

    The layers' linear maps and the convolution of the patches are in `dtype`; the residual stream, norms, positions
    and the projection (or SigLIP's head) stay in float32, which costs little time and leaves the vectors a third as
    far from float32's as bfloat16 throughout does. Quick GELU becomes SiLU (`MLP.fold_quick_gelu`). Takes and gives
    float32; call it without autocast. The original is left as it is, and it is the one to save.
    """
    twin = copy.deepcopy(tower).requires_grad_(False)
    for module in twin.modules():
        if isinstance(module, MLP):
            module.fold_quick_gelu()
    twin.embeddings.patch_embedding.to(dtype)
    for module in twin.encoder.modules():
        if isinstance(module, nn.Linear):
            module.to(dtype)
    return twin
