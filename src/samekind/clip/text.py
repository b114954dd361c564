"""The text tower of CLIP and SigLIP: from token embeddings, so that a learned word can stand in any place."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.config import TextConfig
from samekind.clip.transformer import Layer, Layers

# transformers' CLIPTextModel reads this id as "configured before the id was right: take the highest id instead".
LEGACY_EOS = 2


class TextEmbeddings(nn.Module):
    """One vector per token and one per position."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)


class TextTower(nn.Module):
    """Transformer over token embeddings; one position of the last layer, projected, is the text's vector.

    Parameter names are those of the checkpoints below `text_model.`, but for `projection`, which the files keep as
    `text_projection` (CLIP) or `text_model.head` (SigLIP, with a bias). Freshly built it is ready for training.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = TextEmbeddings(config)
        self.encoder = Layers(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.hidden_size, config.projection_dim, bias=config.head_bias)
        self.reset_parameters()

    def embed(self, ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l w"]:
        """Token embeddings alone; positions are added in `forward`."""
        return F.embedding(ids, self.embeddings.token_embedding.weight)

    def end(self, ids: Int[Tensor, "b l"]) -> Int[Tensor, " b"]:
        """The position that each text's vector is read from, exactly as transformers chooses it.

        CLIP: the first end token, or the highest id where the configuration has the legacy value (position 0 for
        ids without an end token); SigLIP: the last place, padding or not.
        """
        if not self.config.causal:
            return torch.full((ids.shape[0],), ids.shape[1] - 1, dtype=torch.long, device=ids.device)
        if self.config.eos_token_id == LEGACY_EOS:
            return ids.argmax(dim=-1)
        return (ids == self.config.eos_token_id).int().argmax(dim=-1)

    def forward(self, embeddings: Float[Tensor, "b l w"], end: Int[Tensor, " b"]) -> Float[Tensor, "b e"]:
        """Text vectors, not normalised, with gradients to `embeddings`. Raises ValueError for l above the context."""
        length = embeddings.shape[1]
        if length > self.config.max_position_embeddings:
            raise ValueError(
                f"A text of {length} tokens does not fit the context of {self.config.max_position_embeddings}."
            )
        positions = self.embeddings.position_embedding.weight[:length]
        hidden = self.encoder(embeddings.to(positions.dtype) + positions, causal=self.config.causal)
        # Layer norm works position by position: norming the one that is read gives the same and costs less.
        at_end = hidden[torch.arange(len(end), device=end.device), end]
        vectors: Tensor = self.projection(self.final_layer_norm(at_end))
        return vectors

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start for training: the standard deviations of CLIP's release (Radford et al. 2021, published code)."""
        nn.init.normal_(self.embeddings.token_embedding.weight, std=0.02)
        nn.init.normal_(self.embeddings.position_embedding.weight, std=0.01)
        for layer in self.encoder.layers.children():
            cast("Layer", layer).reset_parameters(self.config.num_hidden_layers)
        nn.init.normal_(self.projection.weight, std=self.config.hidden_size**-0.5)
        if self.projection.bias is not None:
            nn.init.zeros_(self.projection.bias)
