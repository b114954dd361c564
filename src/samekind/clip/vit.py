"""The vision transformers of CLIP and SigLIP: one token per patch, and one vector per picture."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.config import VisionConfig
from samekind.clip.transformer import MLP, Layers


class PatchEmbeddings(nn.Module):
    """Patches cut out by a strided convolution, the class token in front (CLIP), one vector per position added."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.class_embedding = nn.Parameter(torch.zeros(width)) if config.class_token else None
        self.patch_embedding = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=not config.class_token)
        patches = (config.image_size // patch) ** 2
        self.position_embedding = nn.Embedding(patches + config.class_token, width)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n d"]:
        """Row by row, the class token first."""
        tokens = self.patch_embedding(pixels.to(self.patch_embedding.weight.dtype)).flatten(2).transpose(1, 2)
        if self.class_embedding is not None:
            tokens = torch.cat([self.class_embedding.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        embedded: Tensor = tokens + self.position_embedding.weight
        return embedded


class AttentionPooling(nn.Module):
    """SigLIP's head: one learned query looks at all tokens, then a residual MLP (Zhai et al. 2022, "MAP" head)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.probe = nn.Parameter(torch.zeros(1, 1, width))
        # nn.MultiheadAttention only for its parameter names: the checkpoints keep q, k and v in one matrix here.
        self.attention = nn.MultiheadAttention(width, config.num_attention_heads, batch_first=True)
        self.layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(config)

    def forward(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
        """One vector per picture."""
        attention, (batch, _, width) = self.attention, tokens.shape
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        q = F.linear(self.probe, weight[:width], bias[:width]).expand(batch, -1, -1)
        k, v = F.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
        heads = (attention.num_heads, width // attention.num_heads)
        q, k, v = (part.reshape(*part.shape[:2], *heads).transpose(1, 2) for part in (q, k, v))
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, width)
        seen = F.linear(seen, attention.out_proj.weight, attention.out_proj.bias)
        pooled: Tensor = seen + self.mlp(self.layernorm(seen))
        return pooled


class VisionTransformer(nn.Module):
    """CLIP's or SigLIP's visual tower; parameter names are those of the checkpoints below `vision_model.`.

    What the checkpoints call `visual_projection` (CLIP) is `projection` here. Nothing is initialised for training.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = PatchEmbeddings(config)
        # The spelling is the checkpoints'.
        self.pre_layrnorm = _layer_norm(config) if config.class_token else nn.Identity()
        self.encoder = Layers(config)
        self.post_layernorm = _layer_norm(config)
        if config.class_token:
            self.projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)
        else:
            self.head = AttentionPooling(config)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b e"]]:
        """Tokens and pooled vectors, neither normalised; raises ValueError for pictures of another size.

        The tokens are transformers' `last_hidden_state`. For CLIP that is the last layer's output before
        `post_layernorm`, class token first, then the patches row by row (n = 1 + patches); the pooled vector is the
        class token after norm and projection. For SigLIP it is after `post_layernorm`, patches only, and the pooled
        vector is the attention head's (e = d).
        """
        size = self.config.image_size
        if pixels.shape[-2:] != (size, size):
            height, width = pixels.shape[-2:]
            raise ValueError(f"This tower takes pictures of {size} x {size} pixels, not of {height} x {width}.")
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        if self.config.class_token:
            normed = self.post_layernorm(tokens[:, 0])
            return tokens, self.projection(normed.to(self.projection.weight.dtype))
        tokens = self.post_layernorm(tokens)
        return tokens, self.head(tokens)


def _layer_norm(config: VisionConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
