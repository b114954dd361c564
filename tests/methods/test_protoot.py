"""ProtoOT begins as zero-shot and sends pictures and texts through one map."""

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.protoot import ProtoOT

VECTORS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def images(method: ProtoOT, domain: str | None = None) -> torch.Tensor:
    return method.images(ImageFeatures(torch.zeros(5, 1, 5), VECTORS), torch.zeros(5, 3, 2, 2), domain)


def test_untrained_it_is_zero_shot() -> None:
    torch.testing.assert_close(images(ProtoOT(4)), F.normalize(VECTORS, dim=1))


def test_it_adds_its_projection_and_asks_for_no_domain() -> None:
    method = ProtoOT(4)
    torch.nn.init.constant_(method.projection.weight, 0.5)
    unit = F.normalize(VECTORS, dim=1)
    expected = F.normalize(unit + 0.5 * unit.sum(1, keepdim=True), dim=1)
    for found in (images(method), images(method, "sketch"), method.texts(7 * VECTORS)):
        torch.testing.assert_close(found, expected)


def test_it_has_no_configuration() -> None:
    with pytest.raises(UsageError, match="eps"):
        ProtoOT.from_config({"eps": 1}, EncoderFacts(dim=4, token_dim=5, size=8))
