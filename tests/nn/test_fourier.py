"""Laws of the phase picture: its energy, what it ignores, and what is left of nothing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.nn.fourier import DG_UCDIR_AMPLITUDE, grey, phase_picture

SIDES = st.tuples(st.integers(2, 17), st.integers(2, 17))


def noise(seed: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(2, height, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), SIDES)
def test_its_root_mean_square_is_one(seed: int, sides: tuple[int, int]) -> None:
    phase = phase_picture(noise(seed, *sides))
    torch.testing.assert_close(phase.square().mean((1, 2)), torch.ones(2), atol=1e-4, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), SIDES)
def test_another_amplitude_spectrum_changes_nothing(seed: int, sides: tuple[int, int]) -> None:
    picture = noise(seed, *sides)
    # Amplitudes of another real picture, so that the changed spectrum is a real picture's too.
    other = torch.fft.rfft2(noise(seed + 1, *sides), norm="ortho").abs() + 0.1
    changed = torch.fft.irfft2(torch.fft.rfft2(picture, norm="ortho") * other, s=picture.shape[1:], norm="ortho")
    torch.testing.assert_close(phase_picture(changed), phase_picture(picture), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("sides", "band"), [((16, 12), 2), ((9, 15), 3), ((16, 16), 4)])
def test_a_band_keeps_the_lowest_frequencies_and_nothing_else(sides: tuple[int, int], band: int) -> None:
    picture = noise(5, *sides)
    small = phase_picture(picture, band=band)
    assert small.shape == (2, sides[0] // band, sides[1] // band)
    kept, whole = (torch.fft.fft2(each, norm="ortho") for each in (small, phase_picture(picture)))
    for row in range(-((small.shape[1] - 1) // 2), (small.shape[1] + 1) // 2):
        for column in range((small.shape[2] + 1) // 2):
            torch.testing.assert_close(kept[:, row, column], whole[:, row, column], atol=1e-4, rtol=0)
    torch.testing.assert_close(phase_picture(7.0 * picture, band=band), small)


def test_a_band_of_one_row_is_the_mean() -> None:
    assert phase_picture(noise(0, 3, 5), band=8).shape == (2, 1, 1)


def test_a_positive_factor_changes_nothing_and_a_negative_one_the_sign() -> None:
    picture = noise(0, 8, 9)
    torch.testing.assert_close(phase_picture(7.0 * picture), phase_picture(picture))
    torch.testing.assert_close(phase_picture(-picture), -phase_picture(picture))


def test_a_shifted_picture_has_a_shifted_phase_picture() -> None:
    picture = noise(3, 8, 12)
    moved = picture.roll((2, 5), (1, 2))
    torch.testing.assert_close(phase_picture(moved), phase_picture(picture).roll((2, 5), (1, 2)), atol=1e-5, rtol=0)


def test_a_blank_picture_is_one_constant_and_zeros_stay_zeros() -> None:
    phase = phase_picture(torch.stack([torch.full((6, 4), 0.7), torch.zeros(6, 4)]))
    torch.testing.assert_close(phase[0], torch.full((6, 4), 1 / math.sqrt(24)))
    assert not phase[1].any()


def test_gradients_of_a_blank_picture_are_finite() -> None:
    picture = torch.zeros(1, 4, 4, requires_grad=True)
    phase_picture(picture).sum().backward()
    assert torch.isfinite(picture.grad).all()


def test_dg_ucdirs_constant_and_bytes() -> None:
    picture = noise(1, 8, 8)
    expected = (phase_picture(picture) * DG_UCDIR_AMPLITUDE / 8).clamp(0, 255) / 255
    torch.testing.assert_close(phase_picture(picture, "dg_ucdir"), expected)
    assert phase_picture(picture, "dg_ucdir").min() == 0.0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_grey_of_grey_is_itself(value: float) -> None:
    torch.testing.assert_close(grey(torch.full((1, 3, 2, 2), value)), torch.full((1, 2, 2), value))
