"""TPSNet before and after its tensors are moved: what it starts from, who asks, what it ignores."""

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.tpsnet import TPSNet

FACTS = EncoderFacts(dim=12, token_dim=10, size=16)
SMALL = {"domains": ["photo", "sketch"], "classes": 3, "width": 16, "heads": 2, "phase_band": 1}


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


def test_a_picture_asks_the_prompts_of_its_domain() -> None:
    method = made()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        method.places.fit([torch.randn(9, 12) + 2, torch.randn(9, 12) - 2])
    pooled = torch.ones(3, 12)
    asked = method.queries(pooled, torch.tensor([0, 1, -1]))[:, 0]
    assert not torch.allclose(asked[0], asked[1])
    torch.testing.assert_close(asked[2], asked[0])  # it looks like the first domain


def test_the_posterior_is_the_softmax_of_scaled_cosines() -> None:
    method = made(scale=5.0)
    pooled = 3.0 * method.priors[0, 1][None]
    expected = (5.0 * method.priors[0] @ method.priors[0, 1]).softmax(0)
    torch.testing.assert_close(method.posterior(pooled, torch.tensor([0]))[0], expected)


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


@pytest.mark.parametrize("priors", ["both", "text", "phase", "neither"])
def test_shares_add_up_to_one_and_stand_beside_the_pictures_own_vector(priors: str) -> None:
    features, pixels = pictures()
    method = made(priors=priors, own_weight=0.25)
    read = method.read(features, method.phases(pixels), torch.zeros(4, dtype=torch.long))
    torch.testing.assert_close(read.shares.sum(1), torch.ones(4))
    found = method.images(features, pixels, "photo")
    assert found.shape == (4, method.dim) == (4, 15)
    torch.testing.assert_close(found, F.normalize(torch.cat([0.25 * read.placed, read.shares], 1), dim=1))
    assert method.texts(features.pooled).shape == (4, 15)


def test_shares_are_the_softmax_of_cosines_to_the_prototypes() -> None:
    features, pixels = pictures()
    method = made(moved=False, temperature=0.5)
    method.prototypes.copy_(F.normalize(features.pooled[:3], dim=1))
    shares = method.read(features, method.phases(pixels), torch.zeros(4, dtype=torch.long)).shares
    assert shares[:3].argmax(1).tolist() == [0, 1, 2]
    cosines = F.normalize(features.pooled, dim=1) @ method.prototypes.T
    torch.testing.assert_close(shares, (cosines / 0.5).softmax(1))


def test_both_readings_say_half_of_the_shares() -> None:
    features, pixels = pictures()
    method = made(moved=False)
    method.prototypes.copy_(torch.eye(3, 12))
    with torch.no_grad():  # I_f lies all but at the first prototype, I' at the second
        method.to_fused.bias.copy_(1e4 * torch.eye(12)[0])
        method.to_synergy.bias.copy_(1e4 * torch.eye(12)[1])
    shares = method.read(features, method.phases(pixels), torch.zeros(4, dtype=torch.long)).shares
    near, far = torch.tensor([1 / method.settings.temperature, 0.0, 0.0]).softmax(0)[:2]
    expected = torch.stack([(near + far) / 2, (near + far) / 2, far]).expand(4, 3)
    torch.testing.assert_close(shares, expected, atol=1e-3, rtol=0)


def test_a_text_that_is_a_prompt_has_its_class() -> None:
    method = made(scale=50.0)
    shares = method.texts(method.consensus())[:, 12:]
    assert shares.argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"warmth": 1.0}, "no setting 'warmth'"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"query": "loud"}, "soft, hard, all"),
        ({"classes": 2.5}, "type int"),
        ({"classes": 0}, "a class, a domain"),
        ({"width": 10, "heads": 3}, "multiple of the heads"),
        ({"domains": []}, "a class, a domain"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_is_refused(config: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TPSNet.from_config(config, FACTS)
