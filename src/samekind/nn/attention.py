"""The parts that read a picture twice: its phase as one more token, and a query that asks all tokens."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samekind.nn.batch_norm import SharedBatchNorm2d

CHANNELS = 64
GRID = 7


class PhaseEncoder(nn.Module):
    """A phase picture to one vector: 3 x 3 convolution, batch norm, ReLU, average pool to 7 x 7, linear."""

    def __init__(self, width: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, channels, 3, stride=2, padding=1, bias=False)
        self.norm = SharedBatchNorm2d(channels)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.linear = nn.Linear(channels * GRID * GRID, width)

    def forward(self, phase: Float[Tensor, "b h w"]) -> Float[Tensor, "b a"]:
        """One vector of the given width per picture."""
        cells = self.pool(torch.relu(self.norm(self.convolution(phase[:, None]))))
        vectors: Tensor = self.linear(cells.flatten(1))
        return vectors


class Fusion(nn.Module):
    """Image tokens and, where there is one, the phase token, mixed by one layer of self-attention."""

    def __init__(self, token_dim: int, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.project = nn.Linear(token_dim, width)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(self, tokens: Float[Tensor, "b n d"], phase: Float[Tensor, "b a"] | None) -> Float[Tensor, "b m a"]:
        """The fused sequence; m is n + 1 with a phase token, which comes last."""
        sequence = self.project(tokens)
        if phase is not None:
            sequence = torch.cat([sequence, phase[:, None]], 1)
        normed = self.norm(sequence)
        mixed, _ = self.attention(normed, normed, normed, need_weights=False)
        fused: Tensor = sequence + mixed
        return fused


class Reading(nn.Module):
    """Cross-attention: what queries find in a sequence; each query's answer, without the query itself."""

    def __init__(self, query_dim: int, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, width)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(self, queries: Float[Tensor, "b q e"], sequence: Float[Tensor, "b m a"]) -> Float[Tensor, "b q a"]:
        """One answer of the sequence's width per query."""
        keys = self.norm(sequence)
        answers, _ = self.attention(self.query(queries), keys, keys, need_weights=False)
        found: Tensor = answers
        return found
