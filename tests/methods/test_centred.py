"""Centred removes exactly what the pictures of a domain have in common, and from texts what they have of that."""

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.centred import Centred


def images(method: Centred, pooled: torch.Tensor, domain: str | None) -> torch.Tensor:
    features = ImageFeatures(torch.zeros(len(pooled), 1, 5), pooled)
    return method.images(features, torch.zeros(len(pooled), 3, 2, 2), domain)


def two_domains() -> tuple[Centred, torch.Tensor, torch.Tensor]:
    """Things in three dimensions, and the same ones with another constant in the fourth: all of them at norm one."""
    things = 0.6 * F.normalize(torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    things = torch.cat([things, -things])  # their mean is zero
    photos, sketches = (torch.cat([things, torch.full((80, 1), shift)], 1) for shift in (0.8, -0.8))
    method = Centred(["photo", "sketch"], 4)
    method.places.fit([photos, sketches])
    return method, photos, sketches


def test_a_constant_shift_is_removed_exactly() -> None:
    method, photos, sketches = two_domains()
    found = images(method, 3 * photos, "photo")
    torch.testing.assert_close(found, images(method, sketches, "sketch"))
    torch.testing.assert_close(found[:, :3], photos[:, :3] / 0.6)


@pytest.mark.parametrize("domain", [None, "clay"])
def test_a_picture_of_no_known_domain_is_of_the_one_that_it_looks_like(domain: str | None) -> None:
    method, photos, sketches = two_domains()
    mixed = torch.cat([photos[:3], sketches[:3]])
    told = torch.cat([images(method, photos[:3], "photo")] * 2)
    torch.testing.assert_close(images(method, mixed, domain), told)


def test_texts_lose_what_they_have_of_the_means_and_nothing_else() -> None:
    method, _, _ = two_domains()
    text = torch.tensor([[0.0, 1.2, 0.0, 1.6]])
    torch.testing.assert_close(method.texts(text), torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    untaught = Centred(["photo", "sketch"], 4)
    torch.testing.assert_close(untaught.texts(text), text / 2)


def test_its_configuration_is_the_names_of_domains() -> None:
    facts = EncoderFacts(dim=4, token_dim=5, size=8)
    assert Centred.from_config({"domains": ["a", "b", "c"]}, facts).places.means.shape == (3, 4)
    for wrong in ({"domains": []}, {"domains": "photo"}, {"classes": 3}):
        with pytest.raises(UsageError, match="names of its domains alone"):
            Centred.from_config(wrong, facts)
