"""Matching of classes across domains, beside brute force and where the truth is known."""

from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from samekind.nn.matching import hungarian, match_domains
from samekind.nn.prototypes import class_sums, moved


def test_the_assignment_has_the_largest_sum_of_all() -> None:
    similarity = torch.rand(5, 5, generator=torch.Generator().manual_seed(1))
    found = similarity[torch.arange(5), hungarian(similarity)].sum()
    best = max(sum(similarity[row, column] for row, column in enumerate(order)) for order in permutations(range(5)))
    assert float(found) == pytest.approx(float(best), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_classes_in_another_order_and_style_are_found_again(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = F.normalize(torch.randn(6, 16, generator=generator), dim=1)
    orders = [torch.arange(6)] + [torch.randperm(6, generator=generator) for _ in range(count - 1)]
    styles = [0.5 * torch.randn(16, generator=generator) for _ in range(count)]
    domains = [truth[order] + style for order, style in zip(orders, styles, strict=True)]
    matching = match_domains(domains, centred=True)
    for place, order in enumerate(orders):
        assert matching.shared[place].tolist() == order.tolist()
    assert matching.cosine > 0.9


def test_a_third_domain_mends_what_two_could_not_tell() -> None:
    # Classes 0 and 1 look alike in the second domain; the third is clear. The first is the reference in any case.
    first, third = torch.eye(3), torch.eye(3)
    second = torch.tensor([[0.7, 0.71, 0.0], [0.71, 0.72, 0.0], [0.0, 0.0, 1.0]])
    matching = match_domains([first, second, third])
    assert matching.shared[0].tolist() == [0, 1, 2]
    assert matching.shared[2].tolist() == [0, 1, 2]
    assert sorted(matching.shared[1].tolist()) == [0, 1, 2]


def test_one_domain_is_its_own_reference() -> None:
    assert match_domains([torch.eye(3)]).shared.tolist() == [[0, 1, 2]]


def test_prototypes_move_towards_their_class_and_keep_norm_one() -> None:
    prototypes = torch.eye(3)
    vectors = torch.tensor([[0.0, 2.0, 0.0], [0.0, 4.0, 0.0]])
    sums, counts = class_sums(vectors, torch.tensor([0, 0]), 3)
    assert sums.tolist() == [[0.0, 6.0, 0.0], [0.0] * 3, [0.0] * 3]
    assert counts.tolist() == [2.0, 0.0, 0.0]
    found = moved(prototypes, sums, counts, 0.2)
    torch.testing.assert_close(found[0], F.normalize(torch.tensor([0.2, 0.8, 0.0]), dim=0))
    torch.testing.assert_close(found[1:], prototypes[1:])
    torch.testing.assert_close(moved(prototypes, sums, counts, 1.0), prototypes)
