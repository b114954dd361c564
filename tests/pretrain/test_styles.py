"""Changes of style: what stays in range, what a law fixes, what the marks say."""

import numpy as np
import pytest
import torch
from torch import nn

from samekind.pretrain.augment import DRAWING, MIXED, OWN, PAINTING, Augment, invert
from samekind.pretrain.mixstyle import MixStyle
from samekind.pretrain.styles import Dice, brush, edges, ink, luma, paint, restyled, texture


def dice(count: int, seed: int = 0) -> Dice:
    return Dice(count, torch.Generator().manual_seed(seed))


def test_augmented_pictures_have_the_size_stay_in_range_and_repeat_with_the_seed():
    x, drawn = torch.rand(6, 3, 80, 80), torch.arange(6) % 2 == 0
    twice = [Augment()(x, drawn, 48, torch.Generator().manual_seed(3)).pixels for _ in range(2)]
    assert twice[0].shape == (6, 3, 48, 48)
    assert twice[0].min() >= 0
    assert twice[0].max() <= 1
    assert torch.equal(*twice)
    assert not torch.equal(twice[0], Augment()(x, drawn, 48, torch.Generator().manual_seed(4)).pixels)


def test_each_picture_says_which_style_it_was_given_and_drawings_are_never_painted():
    x, drawn = torch.rand(400, 3, 8, 8), torch.arange(400) % 2 == 0
    style = Augment(edges=0.3, paint=0.4, ink=0.2)(x, drawn, 8, torch.Generator().manual_seed(0)).style
    shares = [float((style[~drawn] == each).float().mean()) for each in (OWN, DRAWING, PAINTING, MIXED)]
    assert shares == pytest.approx([0.1, 0.3, 0.4, 0.2], abs=0.12)
    assert set(style[drawn].tolist()) == {OWN, DRAWING}


def test_without_any_style_a_picture_is_its_own():
    none = Augment(edges=0.0, paint=0.0, ink=0.0)
    style = none(torch.rand(9, 3, 8, 8), torch.zeros(9, dtype=torch.bool), 8, torch.Generator().manual_seed(0)).style
    assert (style == OWN).all()


def test_edges_of_an_even_picture_are_blank_and_a_step_gives_a_dark_line():
    even = torch.full((2, 3, 32, 32), 0.5)
    assert torch.allclose(edges(even, dice(2)), torch.ones(2, 3, 32, 32))
    step = even.clone()
    step[:, :, :, 16:] = 0.05
    drawn = edges(step, dice(2))
    assert drawn[:, :, :, 13:19].min() < 0.5
    assert torch.allclose(drawn[:, :, :, :8], torch.ones(2, 3, 32, 8))


@pytest.mark.parametrize("style", [edges, paint, ink, texture])
def test_a_style_gives_finite_pictures_in_range(style):
    x = torch.rand(5, 3, 40, 32)
    x[0], x[1] = 0.0, 1.0
    y = style(x, dice(5))
    assert y.shape == x.shape
    assert float(y.min()) >= -1e-6
    assert float(y.max()) <= 1 + 1e-6


def kuwahara(x: np.ndarray, radius: int) -> np.ndarray:
    """The definition, pixel by pixel, of one grey picture."""
    padded = np.pad(x, radius, mode="edge")
    out = np.empty_like(x)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            squares = [
                padded[row + top : row + top + radius + 1, column + left : column + left + radius + 1]
                for top in (0, radius)
                for left in (0, radius)
            ]
            out[row, column] = min(squares, key=lambda square: square.var()).mean()
    return out


def test_the_brush_takes_the_mean_of_the_calmest_square_like_its_definition():
    x = torch.rand(1, 1, 12, 14, generator=torch.Generator().manual_seed(0))
    y = brush(x.expand(-1, 3, -1, -1), 2)[0, 0]
    assert np.allclose(y.numpy(), kuwahara(x[0, 0].double().numpy(), 2), atol=1e-4)


def test_a_sharp_edge_survives_the_brush():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1.0
    assert torch.allclose(brush(x, 2), x, atol=1e-6)


def test_a_restyled_picture_has_the_colours_of_the_other():
    generator = torch.Generator().manual_seed(0)
    x, like = (0.4 + 0.2 * torch.rand(2, 3, 20, 20, generator=generator) for _ in range(2))
    y = restyled(x, like)
    assert torch.allclose(y.mean((2, 3)), like.mean((2, 3)), atol=1e-3)
    assert torch.allclose(y.std((2, 3)), like.std((2, 3)), atol=2e-3)


def test_brightness_of_white_is_one_and_inverting_twice_changes_nothing():
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(luma(torch.ones(1, 3, 4, 4)), torch.ones(1, 1, 4, 4))
    assert torch.allclose(invert(invert(x, dice(2)), dice(2)), x)


def test_mixed_styles_keep_the_content_and_lie_between_two_pictures_statistics():
    x = torch.randn(6, 4, 9, 9, generator=torch.Generator().manual_seed(0)) + torch.arange(6.0).view(-1, 1, 1, 1)
    mix = MixStyle(1.0)
    mix.begin(3)
    y = mix(nn.Identity(), (), x)

    def content(z):
        return (z - z.mean((2, 3), keepdim=True)) / z.std((2, 3), keepdim=True)

    assert not torch.allclose(x, y)
    assert torch.allclose(content(x), content(y), atol=1e-4)
    means = x.mean((2, 3))
    assert (y.mean((2, 3)) >= means.min(0).values - 1e-4).all()
    assert (y.mean((2, 3)) <= means.max(0).values + 1e-4).all()
    mix.begin(3)
    assert torch.equal(mix(nn.Identity(), (), x), y)


def test_styles_are_mixed_in_the_share_of_batches_that_is_asked_for():
    x, mix, changed = torch.rand(4, 2, 5, 5), MixStyle(0.3), 0
    for seed in range(200):
        mix.begin(seed)
        changed += not torch.equal(mix(nn.Identity(), (), x), x)
    assert 30 < changed < 95
