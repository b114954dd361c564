"""Stage 1 of TPSNet: words of prompts that name the groups of each domain, learned through the frozen text tower."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder
from samekind.errors import UsageError
from samekind.nn.losses import image_text_losses, repair
from samekind.nn.prompts import Prompts
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.loop import Means, finite, rate_factor, shuffled
from samekind.training.settings import PromptSettings

TEXTS = 256  # prompts that pass the text tower together


class PromptStage:
    """The prompts of every domain; each learns from the pooled vectors and pseudo-labels of its own domain alone."""

    name = "prompts"

    def __init__(
        self,
        encoder: DualEncoder,
        vectors: Sequence[Float[Tensor, "_n e"]],
        labels: Sequence[Int[Tensor, " _n"]],
        classes: int,
        settings: PromptSettings,
        seed: int,
    ) -> None:
        """`vectors` and `labels` by domain. Raises UsageError for a template that leaves no room for the words."""
        self.encoder, self.settings, self.seed, self.epochs = encoder, settings, seed, settings.epochs
        device = encoder.logit_scale.device
        self.vectors = [each.to(device) for each in vectors]
        self.labels = [each.to(device) for each in labels]
        self.scale = float(encoder.logit_scale.exp())
        template, slot, end = template_of(encoder, settings.template, settings.words)
        self.end = end
        self.prompts = nn.ModuleList(
            Prompts(
                template,
                slot,
                classes,
                count=settings.words,
                std=settings.std,
                # The same in every domain: what they then differ in, they have learned.
                generator=torch.Generator().manual_seed(seed),
            )
            for _ in vectors
        ).to(device)
        self.optimiser = torch.optim.Adam(self.prompts.parameters(), lr=settings.rate, weight_decay=settings.decay)

    def epoch(self, number: int) -> dict[str, float]:
        """One pass over every domain."""
        told = Means()
        for place in range(len(self.vectors)):
            self._domain(place, number, told)
        return told.told()

    def _domain(self, place: int, number: int, told: Means) -> None:
        settings, labels = self.settings, self.labels[place]
        paired, share = labels, 0.0
        if number >= settings.repair_after:
            paired, share = repair(self.vectors[place], self.texts(place), labels)
        parts = shuffled(len(labels), settings.batch, self.seed, number, place)
        for step, part in enumerate(parts):
            done = number * len(parts) + step
            factor = rate_factor(done, settings.warmup * len(parts), self.epochs * len(parts))
            for group in self.optimiser.param_groups:
                group["lr"] = settings.rate * factor
            rows = torch.from_numpy(part).to(labels.device)
            i2t, t2i = self._losses(place, rows, labels[rows], paired[rows])
            loss = finite(i2t + t2i, step + 1)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            told.add(len(part), loss=float(loss.detach()), i2t=float(i2t.detach()), t2i=float(t2i.detach()))
        told.add(0, repaired=0.0)
        told.sums["repaired"] += share * len(labels)

    def _losses(
        self, place: int, rows: Int[Tensor, " b"], labels: Int[Tensor, " b"], paired: Int[Tensor, " b"]
    ) -> tuple[Tensor, Tensor]:
        """Against all prompts, or where there are more of them than pictures in a batch, those of the batch."""
        prompts = self._prompts(place)
        classes = torch.arange(len(prompts.words), device=rows.device)
        if len(classes) > self.settings.batch:
            classes = torch.unique(torch.cat([labels, paired]))
            labels, paired = torch.searchsorted(classes, labels), torch.searchsorted(classes, paired)
        texts = self._read(prompts(classes))
        return image_text_losses(self.vectors[place][rows], texts, paired, labels, self.scale)

    def _read(self, embeddings: Float[Tensor, "c l w"]) -> Float[Tensor, "c e"]:
        return self.encoder.text(embeddings, self.end.expand(len(embeddings)))

    @torch.no_grad()
    def texts(self, place: int) -> Float[Tensor, "c e"]:
        """T' of one domain at norm one, as it stands."""
        prompts = self._prompts(place)
        every = torch.arange(len(prompts.words), device=self.end.device)
        parts = [self._read(prompts(part)) for part in torch.split(every, TEXTS)]
        return F.normalize(torch.cat(parts).float(), dim=1)

    def _prompts(self, place: int) -> Prompts:
        return cast("Prompts", self.prompts[place])

    def tensors(self) -> dict[str, Tensor]:
        """Words and optimiser."""
        return {**self.prompts.state_dict(), **optimiser_tensors(self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        self.prompts.load_state_dict({name: tensors[name] for name in self.prompts.state_dict()})
        load_optimiser(self.optimiser, tensors)


@torch.no_grad()
def template_of(encoder: DualEncoder, text: str, words: int) -> tuple[Float[Tensor, "l w"], int, Int[Tensor, ""]]:
    """Embeddings of `text` followed by `words` placeholders, the first of their places, and the place that is read.

    The placeholders go where the text's own last word ends, whatever the tokenizer makes of it. Raises UsageError when
    they do not fit the context.
    """
    alone, followed = encoder.tokenize([text, f"{text} x"]).ids
    slot = int((alone != followed).int().argmax())
    ids = torch.cat([alone[:slot], followed[slot].expand(words), alone[slot:]])[: encoder.context]
    if slot == 0 or slot + words >= len(ids):
        raise UsageError(
            f"{words} learned words after {text!r} do not fit the backbone's context of {encoder.context} tokens. Set "
            "fewer (--set prompts.words=2) or a shorter template (--set prompts.template=...)."
        )
    end = encoder.text_model.end(ids[None])[0]
    if encoder.text_model.config.causal:  # what follows the end is not looked at
        ids = ids[: int(end) + 1]
    return encoder.embed(ids[None])[0], slot, end
