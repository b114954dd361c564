"""The last stage: the blend is half way, the projection alone learns, the seed decides."""

from dataclasses import replace

import pytest
import torch
from tiny import TINY_VISUAL, random_material, tower

from samekind.pretrain.head import Drawn, HeadRecipe, contrast, finish, fit

TINY_HEAD = HeadRecipe(batches=3, steps=40, batch=16)


def moved() -> tuple[dict[str, torch.Tensor], torch.nn.Module]:
    """A tower's tensors, and the tower with every weight raised by one tenth."""
    model = tower()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    return before, model


def run(recipe: HeadRecipe, told: list) -> tuple[dict, dict]:
    before, model = moved()
    finish(before, model, random_material(), recipe, TINY_VISUAL, seed=1, report=told.append)
    return before, dict(model.state_dict())


@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_the_towers_weights_lie_between_before_and_after_training(keep):
    before, after = run(replace(TINY_HEAD, keep=keep), [])
    for name, tensor in after.items():
        if not name.startswith("projection."):
            assert torch.allclose(tensor, before[name] + keep * 0.1, atol=1e-6), name


def test_the_projection_is_fitted_and_the_loss_falls():
    told = []
    before, after = run(TINY_HEAD, told)
    assert not torch.allclose(after["projection.weight"], before["projection.weight"] + 0.1)
    assert [int(parts["step"]) for parts in told] == list(range(1, 41))
    assert sum(p["caption"] for p in told[-5:]) < sum(p["caption"] for p in told[:5])


def test_the_same_seed_gives_the_same_projection_and_another_one_another():
    first, again, other = (run(replace(TINY_HEAD, seed=seed), [])[1]["projection.weight"] for seed in (-1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_contrast_is_khoslas_equation_over_pictures_of_other_domains():
    vectors = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    caption, domain = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3]), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    z = torch.nn.functional.normalize(vectors, dim=1)
    terms = []
    for i in range(8):
        others = [a for a in range(8) if caption[a] != caption[i] or domain[a] != domain[i]]
        among = torch.stack([torch.exp(z[i] @ z[a] / 0.1) for a in others]).sum()
        own = [
            -torch.log(torch.exp(z[i] @ z[p] / 0.1) / among)
            for p in range(8)
            if caption[p] == caption[i] and domain[p] != domain[i]
        ]
        terms += [torch.stack(own).mean()] if own else []
    assert len(terms) == 5  # the third caption has two pictures, of one domain
    assert torch.allclose(contrast(vectors, caption, domain, 0.1), torch.stack(terms).mean(), atol=1e-5)


@pytest.mark.parametrize(
    ("caption", "domain"),
    [([0, 1, 2, 3], [0, 1, 0, 1]), ([0, 0, 1, 1], [2, 2, 2, 2]), ([0, 0, 0, 0], [2, 2, 2, 2])],
)
def test_without_a_caption_in_two_domains_the_contrast_is_zero_and_its_gradient_finite(caption, domain):
    vectors = torch.randn(4, 3, requires_grad=True)
    loss = contrast(vectors, torch.tensor(caption), torch.tensor(domain), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(vectors.grad, torch.zeros(4, 3))


def test_the_contrast_brings_the_domains_of_a_caption_together():
    material = random_material()
    features = torch.randn(16, 1280, generator=torch.Generator().manual_seed(2))
    drawn = Drawn(features, torch.arange(16), torch.zeros(16, dtype=torch.long))

    def after(weight):
        projection, recipe = tower().projection, replace(TINY_HEAD, contrast_weight=weight, rate=1e-2)
        fit(projection, drawn, material, recipe, TINY_VISUAL, 1, lambda _: None)
        with torch.no_grad():
            return float(contrast(projection(features), material.caption, material.domain, 0.1))

    assert after(4.0) < after(0.0) - 0.1
