"""Stage 1 on vectors whose truth is known: prompts name their groups, mend labels, and find each other."""

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import DualEncoder
from samekind.clip.weights import load_encoder
from samekind.errors import UsageError
from samekind.nn.losses import repair
from samekind.nn.matching import match_domains
from samekind.training.settings import PromptSettings
from samekind.training.tpsnet_prompts import PromptStage, template_of

CLASSES, EACH = 4, 24
SETTINGS = PromptSettings(
    rate=0.02, decay=0.0, epochs=60, batch=96, warmup=2, words=4, std=1.0, repair_after=30, template="a photo"
)


@pytest.fixture(scope="module")
def encoder(tiny_clip) -> DualEncoder:
    return load_encoder(tiny_clip)


def known(seed: int, style: torch.Tensor, wrong: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors of one domain around shared directions, their truth, and labels of which a share is wrong."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(CLASSES * EACH) % CLASSES
    centres = torch.linalg.qr(torch.randn(16, CLASSES, generator=torch.Generator().manual_seed(9)))[0].T
    vectors = centres[truth] + style + 0.12 * torch.randn(len(truth), 16, generator=generator)
    flip = torch.rand(len(truth), generator=generator) < wrong
    elsewhere = (truth + torch.randint(1, CLASSES, truth.shape, generator=generator)) % CLASSES
    return vectors, truth, torch.where(flip, elsewhere, truth)


@pytest.fixture(scope="module")
def trained(encoder: DualEncoder):
    """Two domains with their classes in another order, a fifth of the labels wrong."""
    generator = torch.Generator().manual_seed(4)
    styles = [0.1 * torch.randn(16, generator=generator) for _ in range(2)]
    order = torch.tensor([2, 0, 3, 1])
    first, second = known(1, styles[0], 0.2), known(2, styles[1], 0.2)
    second = (second[0], order[second[1]], order[second[2]])
    vectors, truths, labels = zip(first, second, strict=True)
    stage = PromptStage(encoder, vectors, labels, CLASSES, SETTINGS, 0)
    numbers = [stage.epoch(number) for number in range(SETTINGS.epochs)]
    return stage, truths, labels, numbers, order


def test_the_losses_fall_and_re_pairing_begins_after_the_warm_up(trained) -> None:
    numbers = trained[3]
    assert numbers[-1]["loss"] < 0.7 * numbers[0]["loss"]
    assert all(each["repaired"] == 0.0 for each in numbers[: SETTINGS.repair_after])
    assert 0.1 < numbers[-1]["repaired"] < 0.3


def test_re_pairing_with_learned_prompts_raises_the_accuracy_of_pseudo_labels(trained) -> None:
    stage, truths, labels, _, _ = trained
    for place in (0, 1):
        paired, _ = repair(stage.vectors[place], stage.texts(place), labels[place])
        before = float((labels[place] == truths[place]).double().mean())
        after = float((paired == truths[place]).double().mean())
        assert after > before + 0.1


def test_prompts_of_one_class_find_each_other_across_domains(trained) -> None:
    stage, _, _, _, order = trained
    matching = match_domains([stage.texts(0), stage.texts(1)])
    # Class n of the first domain is order[n] of the second: shared[1][order[n]] must be n.
    assert matching.shared[1][order].tolist() == [0, 1, 2, 3]


def test_only_words_are_learned(trained, encoder: DualEncoder) -> None:
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_more_classes_than_a_batch_are_asked_in_part(encoder: DualEncoder) -> None:
    vectors = F.normalize(torch.randn(40, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    settings = PromptSettings(epochs=2, batch=8, words=2, warmup=1, repair_after=1)
    stage = PromptStage(encoder, [vectors], [torch.arange(40) % 20], 20, settings, 0)
    assert stage.epoch(0)["loss"] > 0
    assert stage.epoch(1)["repaired"] > 0


def test_the_words_stand_between_the_template_and_its_end(encoder: DualEncoder) -> None:
    template, slot, end = template_of(encoder, "a photo of a", 3)
    whole = encoder.tokenize(["a photo of a x x x"])
    torch.testing.assert_close(template[: whole.ids.shape[1]], encoder.embed(whole.ids)[0])
    assert int(end) == int(whole.end[0]) == slot + 3


def test_a_template_without_room_is_refused(encoder: DualEncoder) -> None:
    with pytest.raises(UsageError, match="do not fit the backbone's context of 12 tokens"):
        template_of(encoder, "an image of a", 20)
