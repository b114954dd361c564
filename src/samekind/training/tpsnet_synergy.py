"""Stage 2 of TPSNet: both priors and the prototypes, over the tokens of the frozen backbone or through it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.encoder import DualEncoder, ImageFeatures
from samekind.clip.mobilenet import MobileNet
from samekind.clip.vit import VisionTransformer
from samekind.errors import UsageError
from samekind.methods.tpsnet import Read, TPSNet
from samekind.nn.matching import without_mean
from samekind.nn.processes import average_gradients, average_numbers, my_part, place, summed
from samekind.nn.prototypes import class_sums, moved
from samekind.retriever.encode import ordered_map
from samekind.training.cache import PictureCache
from samekind.training.checkpoint import load_optimiser, optimiser_tensors
from samekind.training.loop import Means, finite, rate_factor, shuffled
from samekind.training.settings import SynergySettings


class SynergyStage:
    """The network, its prototypes and, where it is tuned, the picture tower."""

    name = "synergy"

    def __init__(
        self,
        method: TPSNet,
        cache: PictureCache,
        targets: Float[Tensor, "n c"],
        settings: SynergySettings,
        seed: int,
    ) -> None:
        """`targets` are each picture's shares of the shared classes; `method.priors` and `method.shared` are set."""
        self.method, self.cache, self.settings, self.seed = method, cache, settings, seed
        self.device = cache.engine.device
        # bfloat16 where products are fast in it and nothing has to be scaled; sums, losses and weights stay float32.
        self.mixed = settings.mixed == "on" or (settings.mixed == "auto" and self.device.type == "cuda")
        batches = -(-len(targets) // settings.batch)
        self.epochs = max(settings.epochs, -(-settings.steps // batches))
        self.domain = torch.from_numpy(cache.data.domain)
        self.targets = targets.cpu()
        method.prototypes.copy_(self._first_prototypes())
        # T' of each domain in the order of the shared classes.
        pairs = zip(method.priors, method.shared, strict=True)
        self._texts = F.normalize(torch.stack([without_mean(each[order.argsort()]) for each, order in pairs]), dim=2)
        self.tuned = tuned_part(cache.engine.encoder, settings.tune)
        groups: list[dict[str, Any]] = [
            {"params": list(method.parameters()), "base": settings.rate},
            {"params": [p for part in self.tuned.values() for p in part.parameters()], "base": settings.tune_rate},
        ]
        for parameter in groups[1]["params"]:
            parameter.requires_grad_(True)
        self.optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=settings.rate, weight_decay=settings.decay
        )

    def _first_prototypes(self) -> Float[Tensor, "c e"]:
        """The mean over the domains of each class's mean direction, as the backbone sees it."""
        total = torch.zeros_like(self.method.prototypes.cpu())
        placed = self.method.places(self.cache.pooled.to(self.device), self.domain.to(self.device)).cpu()
        for domain in range(len(self.cache.data.domains)):
            rows = self.domain == domain
            sums, _ = class_sums(placed[rows], self.targets[rows].argmax(1), len(total))
            total += F.normalize(sums, dim=1)
        return F.normalize(total, dim=1)

    def epoch(self, number: int) -> dict[str, float]:
        """One pass over all pictures of all domains together."""
        told = Means()
        self.method.train()
        parts = shuffled(len(self.targets), self.settings.batch, self.seed, number)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed * 1_000_003 + number)
            for step, (rows, pixels, features) in enumerate(self._batches(parts)):
                self._set_rate(number * len(parts) + step, len(parts))
                self._step(rows, pixels, features, step, told)
        self.method.eval()
        return told.told()

    def _batches(
        self, parts: list[Int[np.ndarray, " _b"]]
    ) -> Iterator[tuple[Int[np.ndarray, " b"], Float[Tensor, "b 3 h w"], ImageFeatures | None]]:
        """This process's part of each batch; one is read in a thread while the one before it is learned from."""
        mine = [my_part(part) for part in parts]
        loaded = ordered_map(self.cache.batch, mine, workers=1, look_ahead=1)
        for part, (pixels, features) in zip(parts, loaded, strict=True):
            yield part, pixels, features

    def _set_rate(self, step: int, per_epoch: int) -> None:
        factor = rate_factor(step, self.settings.warmup * per_epoch, self.epochs * per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor

    def _step(
        self,
        batch: Int[np.ndarray, " b"],
        pixels: Float[Tensor, "mine 3 h w"],
        features: ImageFeatures | None,
        step: int,
        told: Means,
    ) -> None:
        """One step over the part of `batch` that `pixels` and `features` are of."""
        rows = torch.from_numpy(my_part(batch))
        share = len(rows) * place()[1] / len(batch) if len(rows) < len(batch) else 1.0
        domain, target = (each[rows].to(self.device) for each in (self.domain, self.targets))
        read = self._read(pixels, features, domain)
        prototype, text = self._losses(read, domain, target)
        loss = finite(share * (self.settings.alpha * prototype + self.settings.beta * text), step + 1)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(p for group in self.optimiser.param_groups for p in group["params"])
        self.optimiser.step()
        found, likely = F.normalize(read.synergy.detach(), dim=1), target.argmax(1)
        changed = ((found @ self.method.prototypes.T).argmax(1) != likely).double().mean()
        sums, counts = class_sums(found, likely, len(self.method.prototypes))
        fresh = moved(self.method.prototypes, summed(sums), summed(counts), self.settings.momentum)
        self.method.prototypes.copy_(fresh)
        numbers = {"prototype": share * prototype, "text": share * text, "changed": share * changed}
        plain = {name: float(each.detach()) for name, each in {"loss": loss, **numbers}.items()}
        told.add(len(batch), **average_numbers(plain))

    def _read(
        self, pixels: Float[Tensor, "b 3 h w"], features: ImageFeatures | None, domain: Int[Tensor, " b"]
    ) -> Read:
        if features is None:
            with torch.set_grad_enabled(bool(self.tuned)):
                features = self.cache.engine.features(pixels)
        phases = self.method.phases(pixels)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            read = self.method.read(features, phases, domain)
        return Read(*(part.float() for part in read))

    def _losses(self, read: Read, domain: Int[Tensor, " b"], target: Float[Tensor, "b c"]) -> tuple[Tensor, Tensor]:
        """L_pce over the shared prototypes, and L_i2tce over the prompts of the picture's own domain.

        Both without what all pictures of a domain, and all of its prompts, have in common: the modality gap. L_pce is
        that of I' and of I_f, half each: else I_f, which is evaluated beside I', would learn nothing.
        """
        pairs = [F.cross_entropy(self.method.logits(each), target) for each in (read.synergy, read.fused)]
        prototype = (pairs[0] + pairs[1]) / 2
        if not self.method.has_text:
            return prototype, torch.zeros_like(prototype)
        cosines = torch.einsum("be,bce->bc", F.normalize(read.synergy, dim=1), self._texts[domain])
        scaled = cosines / self.method.settings.temperature
        return prototype, F.cross_entropy(scaled, target, label_smoothing=self.settings.smoothing)

    def tensors(self) -> dict[str, Tensor]:
        """The method, what is tuned of the backbone, the optimiser."""
        state = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        for part, module in self.tuned.items():
            state |= {f"tuned.{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        return {**state, **optimiser_tensors(self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As after the epoch that they were taken at."""
        for prefix, module in {"method.": self.method, **{f"tuned.{p}.": m for p, m in self.tuned.items()}}.items():
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        load_optimiser(self.optimiser, tensors)


def tuned_part(encoder: DualEncoder, tune: str) -> dict[str, nn.Module]:
    """The modules of the picture tower that are trained: none, those of the last layer, or the whole tower.

    Raises UsageError for a tower that nobody said the last layer of.
    """
    tower = encoder.vision_model
    if tune == "none":
        return {}
    if tune == "all":
        return {"tower": tower}
    if isinstance(tower, MobileNet):
        return {"head": tower.head, "projection": tower.projection}
    if isinstance(tower, VisionTransformer):
        ends = {
            name: child for name, child in tower.named_children() if name in ("post_layernorm", "projection", "head")
        }
        return {"layer": list(tower.encoder.layers.children())[-1], **ends}
    raise UsageError(f"It is not known what the last layer of a {type(tower).__name__} is: use tune none or all.")
