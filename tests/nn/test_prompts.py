"""Learned words in a template: where they stand, and that only they learn."""

import pytest
import torch

from samekind.nn.prompts import Prompts


def test_only_the_words_differ_between_prompts() -> None:
    template = torch.arange(14.0).view(7, 2)
    prompts = Prompts(template, 2, 3, count=4)
    embedded = prompts()
    assert embedded.shape == (3, 7, 2)
    assert (embedded[:, :2] == template[:2]).all()
    assert (embedded[:, 6:] == template[6:]).all()
    torch.testing.assert_close(embedded[:, 2:6], prompts.words)
    torch.testing.assert_close(prompts(torch.tensor([2, 0])), embedded[[2, 0]])


def test_gradients_reach_the_words_alone_and_the_template_is_not_saved() -> None:
    prompts = Prompts(torch.randn(7, 2), 2, 3, count=4)
    prompts(torch.tensor([1])).sum().backward()
    assert [name for name, _ in prompts.named_parameters()] == ["words"]
    assert list(prompts.state_dict()) == ["words"]
    assert prompts.words.grad[1].eq(1).all()
    assert not prompts.words.grad[[0, 2]].any()


def test_words_begin_small_and_by_the_generator() -> None:
    made = [Prompts(torch.zeros(40, 64), 1, 20, count=4, generator=torch.Generator().manual_seed(5)) for _ in range(2)]
    torch.testing.assert_close(made[0].words, made[1].words)
    assert float(made[0].words.detach().std()) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("slot", "count"), [(0, 1), (5, 2), (6, 1)])
def test_words_that_do_not_fit_are_refused(slot: int, count: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Prompts(torch.zeros(7, 2), slot, 1, count=count)
