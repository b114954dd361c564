"""Batch norm over the whole batch when several processes share it, so that they train as one."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from samekind.nn.processes import place


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d`; in training its statistics are those of all processes together, with gradients through them.

    torch's own SyncBatchNorm does this on GPUs alone.
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape in and out."""
        if not self.training or place()[1] == 1:
            return super().forward(input)
        count = torch.tensor([input.numel() / input.shape[1]], dtype=input.dtype, device=input.device)
        sums = torch.cat([count, input.sum((0, 2, 3)), input.square().sum((0, 2, 3))])
        total: Tensor = all_reduce(sums)  # type: ignore[no-untyped-call]
        cells, mean, square = total[0], *(part / total[0] for part in total[1:].chunk(2))
        variance = square - mean.square()
        self._remember(mean.detach(), (variance * cells / (cells - 1)).detach())
        scale = (variance + self.eps).rsqrt() * self.weight
        return input * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"]) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
        self.num_batches_tracked += 1
