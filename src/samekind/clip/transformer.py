"""The pre-norm transformer that CLIP's and SigLIP's towers share, with the parameter names of their checkpoints."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samekind.clip.config import Activation, TextConfig, VisionConfig

QUICK = 1.702  # Hendrycks, Gimpel 2016, section 2


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x): the approximation of GELU that OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(QUICK * x)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "quick_gelu": quick_gelu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
}


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: TextConfig | VisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Float[Tensor, "b l w"], *, causal: bool) -> Float[Tensor, "b l w"]:
        """Mix the positions; with `causal`, each sees itself and those before it."""
        x = x.to(self.q_proj.weight.dtype)
        shape = (*x.shape[:2], self.heads, x.shape[-1] // self.heads)
        q, k, v = (project(x).view(shape).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(x.shape))
        return out


class MLP(nn.Module):
    """Two linear layers with an activation between them, position by position."""

    def __init__(self, config: TextConfig | VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Float[Tensor, "*b w"]) -> Float[Tensor, "*b w"]:
        """Same shape in and out."""
        out: Tensor = self.fc2(self.activation(self.fc1(x.to(self.fc1.weight.dtype))))
        return out

    @torch.no_grad()
    def fold_quick_gelu(self) -> None:
        """Rewrite quick GELU as SiLU, one pass over memory instead of three: x s(1.702 x) = silu(1.702 x) / 1.702.

        The factor goes into new weights, so that the result is the same, but they are no checkpoint's any more.
        """
        if self.activation is quick_gelu:
            self.fc1.weight, self.fc1.bias = (_frozen(QUICK * tensor) for tensor in (self.fc1.weight, self.fc1.bias))
            self.fc2.weight = _frozen(self.fc2.weight / QUICK)
            self.activation = F.silu


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


class Layer(nn.Module):
    """One residual block: attention, then the MLP, each behind its own layer norm.

    With `in_place` it writes over its input, which saves a tenth of the time and forbids gradients.
    """

    in_place = False

    def __init__(self, config: TextConfig | VisionConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = Attention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Float[Tensor, "b l w"], *, causal: bool) -> Float[Tensor, "b l w"]:
        """Same shape in and out."""
        x = self._plus(x, self.self_attn(self.layer_norm1(x), causal=causal))
        return self._plus(x, self.mlp(self.layer_norm2(x)))

    def _plus(self, x: Tensor, more: Tensor) -> Tensor:
        return x.add_(more) if self.in_place else x + more

    @torch.no_grad()
    def reset_parameters(self, depth: int) -> None:
        """Start for training in a stack of `depth`: the standard deviations of CLIP's release, biases zero."""
        attention, mlp = self.self_attn, self.mlp
        width = attention.q_proj.in_features
        inward, deep = width**-0.5, width**-0.5 * (2 * depth) ** -0.5
        scales = [(part, inward) for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        scales += [(attention.out_proj, deep), (mlp.fc1, (2 * width) ** -0.5), (mlp.fc2, deep)]
        for linear, std in scales:
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)


class Layers(nn.Module):
    """The stack of layers (`encoder.layers.N` in the checkpoints)."""

    def __init__(self, config: TextConfig | VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Float[Tensor, "b l w"], *, causal: bool = False) -> Float[Tensor, "b l w"]:
        """Same shape in and out."""
        for layer in self.layers:
            x = layer(x, causal=causal)
        return x
