"""Learnable words in a fixed sentence: token embeddings of prompts, one prompt per class."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

WORDS = 4
STD = 0.02


class Prompts(nn.Module):
    """`classes` sentences that share a template and differ in their own learned words.

    The template's embeddings [l w] stay as they are, but for the `count` places from `slot` on, which the words take.
    The end of the sentence is where the template has it: words replace placeholders, so nothing moves. Words begin
    at N(0, std); 0.02 is the scale of CLIP's own fresh token embeddings (Zhou et al. 2022 start their contexts so).
    """

    template: Tensor

    def __init__(
        self,
        template: Float[Tensor, "l w"],
        slot: int,
        classes: int,
        *,
        count: int = WORDS,
        std: float = STD,
        generator: torch.Generator | None = None,
    ) -> None:
        """Raises ValueError where the words do not fit between `slot` and the template's last place."""
        super().__init__()
        if not 0 < slot <= slot + count < len(template):
            raise ValueError(f"{count} words from place {slot} on do not fit a template of {len(template)} places")
        self.slot = slot
        self.register_buffer("template", template.detach().clone(), persistent=False)
        drawn = torch.randn(classes, count, template.shape[1], generator=generator) * std
        self.words = nn.Parameter(drawn.to(template.dtype))

    def forward(self, classes: Tensor | None = None) -> Float[Tensor, "c l w"]:
        """Embeddings of all prompts, or of the numbered `classes`, with gradients to the words."""
        words = self.words if classes is None else self.words[classes]
        count, last = len(words), self.slot + words.shape[1]
        head = self.template[: self.slot].expand(count, -1, -1)
        tail = self.template[last:].expand(count, -1, -1)
        return torch.cat([head, words, tail], 1)
