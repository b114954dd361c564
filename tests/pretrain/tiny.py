"""Recipes, material and a tower so small that a training run takes a second."""

import numpy as np
import torch
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNet, MobileNetConfig
from samekind.pretrain.head import HeadRecipe
from samekind.pretrain.recipe import Recipe
from samekind.pretrain.visual import NO_DOMAIN, Material, VisualRecipe
from samekind.pretrain.words import WordsRecipe

TINY_WORDS = WordsRecipe(
    vocabulary=700, width=32, layers=1, heads=2, context=24, steps=60, batch=64, rate=5e-3, warmup=5
)
TINY_VISUAL = VisualRecipe(steps=6, batch=8, chunk=4, small=32, large=64, warmup=2, cooldown=2, save_every=2)
TINY = Recipe(
    visual=TINY_VISUAL,
    head=HeadRecipe(batches=2, steps=3, batch=8),
    words=TINY_WORDS,
    image_size=64,
    trust={"sketch": 0.0},
)


def random_material() -> Material:
    """Sixteen random pictures of two captions in two domains, in a space of 32 dimensions."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)

    def unit(n):
        return F.normalize(torch.randn(n, 32, generator=generator), dim=1)

    return Material(
        pictures=rng.integers(0, 256, (16, 160, 160, 3), np.uint8),
        weights=np.full(16, 1 / 16),
        caption=torch.arange(16) % 2,
        domain=torch.arange(16) // 8,
        drawn=torch.arange(16) >= 8,
        texts=unit(2),
        domain_texts=unit(2),
        given=torch.tensor([NO_DOMAIN, 0, 1, NO_DOMAIN]),
        label_texts=unit(3),
        label_logs=torch.log_softmax(torch.randn(16, 3, generator=generator), 1),
        features=torch.rand(16, 1280, generator=generator),
        trusted=torch.ones(16),
    )


def tower(seed: int = 0) -> MobileNet:
    torch.manual_seed(seed)
    return MobileNet(MobileNetConfig(image_size=64, projection_dim=32))
