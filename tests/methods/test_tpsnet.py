"""TPSNet before and after its tensors are moved: what it starts from, who asks, what it ignores."""

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet

FACTS = EncoderFacts(dim=12, token_dim=10, size=16)
SMALL = {"domains": ["photo", "sketch"], "classes": 3, "width": 16, "heads": 2}


def made(*, moved: bool = True, **config: object) -> TPSNet:
    """A network whose last maps are no longer zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method = TPSNet.from_config({**SMALL, **config}, FACTS).eval()
        if moved:
            for last in (method.to_fused, method.to_synergy):
                torch.nn.init.normal_(last.weight, std=0.3)
    return method


def pictures(count: int = 4) -> tuple[ImageFeatures, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(count, 5, 10, generator=generator)
    pixels = torch.randn(count, 3, 16, 16, generator=generator)
    return ImageFeatures(tokens, torch.randn(count, 12, generator=generator)), pixels


@pytest.mark.parametrize("output", ["synergy", "fused"])
@pytest.mark.parametrize("priors", ["both", "text", "phase", "neither"])
def test_untrained_it_is_zero_shot(output: str, priors: str) -> None:
    features, pixels = pictures()
    method = made(moved=False, output=output, priors=priors)
    torch.testing.assert_close(method.images(features, pixels, "photo"), F.normalize(features.pooled, dim=1))
    torch.testing.assert_close(method.texts(features.pooled), F.normalize(features.pooled, dim=1))


@pytest.mark.parametrize("query", ["soft", "hard", "all"])
def test_another_text_prior_changes_the_synergy_and_not_the_fused_vector(query: str) -> None:
    features, pixels = pictures()
    method = made(query=query)
    asked = torch.zeros(4, dtype=torch.long)
    before = method.read(features, method.phases(pixels), asked)
    method.priors.copy_(F.normalize(torch.randn_like(method.priors), dim=2))
    after = method.read(features, method.phases(pixels), asked)
    assert (after.synergy - before.synergy).abs().max() > 1e-3
    torch.testing.assert_close(after.fused, before.fused)


@pytest.mark.parametrize("query", ["soft", "hard", "all"])
def test_the_domain_matters_where_it_is_told_and_a_strange_one_counts_as_unknown(query: str) -> None:
    features, pixels = pictures()
    method = made(query=query)
    photo, sketch, unknown, strange = (
        method.images(features, pixels, name) for name in ("photo", "sketch", None, "clay")
    )
    assert not torch.allclose(photo, sketch)
    torch.testing.assert_close(strange, unknown)


def test_a_picture_asks_only_the_prompts_of_its_domain() -> None:
    features, _ = pictures(2)
    weights = made().posterior(features.pooled, torch.tensor([1, -1]))
    assert weights.shape == (2, 6)
    assert not weights[0, :3].any()
    assert (weights[1] > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2))


def test_the_posterior_is_the_softmax_of_scaled_cosines() -> None:
    method = made(scale=5.0)
    pooled = 3.0 * method.priors[0, 1][None]
    expected = (5.0 * method.priors[0] @ method.priors[0, 1]).softmax(0)
    torch.testing.assert_close(method.posterior(pooled, torch.tensor([0]))[0, :3], expected)


def test_another_amplitude_spectrum_changes_nothing_that_the_phase_branch_says() -> None:
    _, pixels = pictures()
    method = made()
    grey = pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    spectrum = torch.fft.rfft2(grey)
    other = torch.fft.rfft2(torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))).abs() + 0.1
    changed = torch.fft.irfft2(spectrum * other, s=(16, 16))
    said, again = (method.phase(method.phases(each)) for each in (grey, changed))
    assert (changed - grey).abs().max() > 0.1
    torch.testing.assert_close(again, said, atol=2e-3, rtol=0)


def test_without_the_phase_prior_the_pixels_do_not_matter() -> None:
    features, pixels = pictures()
    for priors, matter in (("both", True), ("phase", True), ("text", False), ("neither", False)):
        method = made(priors=priors)
        same = torch.allclose(method.images(features, pixels), method.images(features, pixels.flip(3)), atol=1e-6)
        assert same is not matter


def test_a_blank_picture_has_a_finite_vector() -> None:
    features, pixels = pictures()
    assert torch.isfinite(made().images(features, torch.zeros_like(pixels))).all()


def test_the_consensus_follows_the_matched_classes() -> None:
    method = made()
    method.shared.copy_(torch.tensor([[0, 1, 2], [2, 0, 1]]))
    expected = F.normalize(method.priors[0] + method.priors[1][[1, 2, 0]], dim=1)
    torch.testing.assert_close(method.consensus(), expected)


def test_pictures_and_texts_get_the_same_share_of_the_text_prior() -> None:
    features, pixels = pictures()
    method = made(moved=False, prior_weight=1.0)
    torch.testing.assert_close(method.images(features, pixels), method.texts(features.pooled))
    assert not torch.allclose(method.texts(features.pooled), F.normalize(features.pooled, dim=1))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"temperature": 1.0}, "no setting 'temperature'"),
        ({"query": "loud"}, "soft, hard, all"),
        ({"classes": 2.5}, "type int"),
        ({"classes": 0}, "one class or more"),
        ({"width": 10, "heads": 3}, "multiple of the heads"),
        ({"domains": []}, "one domain or more"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_is_refused(config: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TPSNet.from_config(config, FACTS)
