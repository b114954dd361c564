"""Contrastive losses of vectors whose answer can be worked out, and what re-pairing mends."""

import math

import pytest
import torch
import torch.nn.functional as F

from samekind.nn.losses import image_text_losses, repair, supervised_contrastive


def test_equal_logits_cost_the_logarithm_of_their_number() -> None:
    for columns in (2, 5):
        positives = torch.eye(2, columns).bool()
        found = supervised_contrastive(torch.zeros(2, columns), positives)
        assert float(found) == pytest.approx(math.log(columns))


def test_with_one_positive_a_row_it_is_cross_entropy() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 1, 1])
    found = supervised_contrastive(logits, F.one_hot(labels, 4).bool())
    torch.testing.assert_close(found, F.cross_entropy(logits, labels))


def test_several_positives_share_the_row_and_rows_without_one_do_not_count() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [9.0, 0.0, 0.0]])
    positives = torch.tensor([[True, True, False], [False, False, False]])
    rows = logits[0] - logits[0].logsumexp(0)
    torch.testing.assert_close(supervised_contrastive(logits, positives), -(rows[0] + rows[1]) / 2)
    assert float(supervised_contrastive(logits, torch.zeros(2, 3).bool())) == 0.0


def test_both_directions_vanish_when_every_picture_lies_at_its_own_text() -> None:
    texts = torch.eye(3)
    labels = torch.tensor([0, 1, 2])
    i2t, t2i = image_text_losses(2.0 * texts, texts, labels, labels, 100.0)
    assert float(i2t) == pytest.approx(0.0, abs=1e-6)
    assert float(t2i) == pytest.approx(0.0, abs=1e-6)


def test_re_pairing_moves_only_the_direction_from_pictures_to_texts() -> None:
    texts, images = torch.eye(2), torch.tensor([[1.0, 0.1], [0.9, 0.2], [0.1, 1.0]])
    labels, paired = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
    before = image_text_losses(images, texts, labels, labels, 5.0)
    after = image_text_losses(images, texts, paired, labels, 5.0)
    assert float(after[0]) < float(before[0])
    torch.testing.assert_close(after[1], before[1])


def test_re_pairing_mends_labels_where_the_texts_are_right_and_tells_their_share() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(200) % 5
    images = F.one_hot(truth, 8).float() + 0.15 * torch.randn(200, 8, generator=generator)
    wrong = torch.rand(200, generator=generator) < 0.3
    labels = torch.where(wrong, (truth + 1) % 5, truth)
    paired, share = repair(images, torch.eye(5, 8), labels)
    assert (paired == truth).double().mean() > (labels == truth).double().mean()
    assert share == pytest.approx(float((paired != labels).double().mean()))
    assert share == pytest.approx(float(wrong.double().mean()), abs=0.03)
