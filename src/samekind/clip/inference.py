"""A vision transformer rewritten for encoding alone: the same function, in fewer passes over memory."""

import copy

import torch
from torch import nn

from samekind.clip.transformer import MLP, Layer
from samekind.clip.vit import VisionTransformer


@torch.no_grad()
def encoding_copy(tower: VisionTransformer, dtype: torch.dtype) -> VisionTransformer:
    """A copy of `tower` for encoding: large matrix products in `dtype`, whatever is summed up in float32.

    The layers' linear maps and the convolution of the patches are in `dtype`; the residual stream, norms, positions
    and the projection (or SigLIP's head) stay in float32, which costs little time and leaves the vectors a third as
    far from float32's as bfloat16 throughout does. Quick GELU becomes SiLU (`MLP.fold_quick_gelu`), and sums are made
    in place. Takes and gives float32, without gradients; call it without autocast. What need not change is shared
    with the original, which is left as it is.
    """
    twin = copy.deepcopy(tower, {id(tensor): tensor for tensor in tower.parameters()})
    for module in twin.encoder.modules():
        if isinstance(module, MLP):
            module.fold_quick_gelu()
        if isinstance(module, Layer):
            module.in_place = True
    products: list[nn.Linear | nn.Conv2d] = [twin.embeddings.patch_embedding]
    products += [module for module in twin.encoder.modules() if isinstance(module, nn.Linear)]
    for product in products:
        product.weight = nn.Parameter(product.weight.to(dtype), requires_grad=False)
        if product.bias is not None:
            product.bias = nn.Parameter(product.bias.to(dtype), requires_grad=False)
    return twin
