"""MixStyle: feature maps with the content of one picture and the style of another, while training."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class MixStyle:
    """Mixes channel means and deviations of feature maps between the pictures of a batch.

    Zhou et al. 2021, equations 4 to 7. Put after early layers by `register_forward_hook`. Mixing weights are
    Beta(alpha, alpha) with the paper's alpha of 0.1; a batch is mixed with probability `share` (0.5 in the paper). No
    gradient goes through the statistics. `begin(seed)` makes the next forward pass a function of that seed.
    """

    def __init__(self, share: float, alpha: float = 0.1) -> None:
        self.share, self.alpha = share, alpha
        self.dice = np.random.default_rng()

    def begin(self, seed: int) -> None:
        """Set the dice of the next forward pass."""
        self.dice = np.random.default_rng(seed)

    def __call__(self, module: nn.Module, inputs: object, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The hook: the layer's output with mixed styles."""
        if self.dice.random() >= self.share:
            return x
        count = len(x)
        partner = torch.from_numpy(self.dice.permutation(count))
        weight = torch.from_numpy(self.dice.beta(self.alpha, self.alpha, count)).float().view(-1, 1, 1, 1)
        with torch.no_grad():
            mean, deviation = x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True) + 1e-6).sqrt()
            scale = weight + (1 - weight) * deviation[partner] / deviation
            shift = weight * mean + (1 - weight) * mean[partner] - mean * scale
        return x * scale + shift
