"""PromptStyler's classifier as a retriever."""

import pytest
import torch
import torch.nn.functional as F

from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.promptstyler import PromptStyler, PromptStylerConfig


def test_shares_stand_beside_the_own_vector() -> None:
    method = PromptStyler(PromptStylerConfig(classes=3, scale=2.0, own_weight=0.5), EncoderFacts(4, 8, 16))
    with torch.no_grad():
        method.weight.copy_(torch.eye(3, 4) * 5)
        found = method.texts(torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
    shares = torch.softmax(torch.tensor([2.0, 0.0, 0.0]), 0)
    expected = F.normalize(torch.cat([torch.tensor([0.5, 0.0, 0.0, 0.0]), shares]), dim=0)
    torch.testing.assert_close(found[0], expected)


def test_a_configuration_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="a scale above 0"):
        PromptStylerConfig.read({"scale": 0.0})
    with pytest.raises(UsageError, match="no setting 'margin'"):
        PromptStylerConfig.read({"margin": 0.5})
