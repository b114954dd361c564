"""Means of domains, the guess of an unknown one beside scikit-learn's ridge, and what texts lose."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge

from samekind.nn.domains import RIDGE, UNKNOWN, Domains


def drawn(*counts: int, dim: int = 8) -> list[torch.Tensor]:
    """Vectors of several domains, some units apart, of no particular length."""
    generator = torch.Generator().manual_seed(0)
    shifts = torch.randn(len(counts), dim, generator=generator)
    return [
        3.0 * (torch.randn(count, dim, generator=generator) + shift)
        for count, shift in zip(counts, shifts, strict=True)
    ]


def fitted(domains: list[torch.Tensor]) -> Domains:
    places = Domains(len(domains), domains[0].shape[1])
    places.fit(domains)
    return places


def test_the_means_are_those_of_vectors_at_norm_one() -> None:
    domains = drawn(30, 5)
    expected = torch.stack([F.normalize(each, dim=1).mean(0) for each in domains])
    torch.testing.assert_close(fitted(domains).means, expected)


@pytest.mark.parametrize("counts", [(40, 40), (60, 7), (20, 30, 5)])
def test_the_guess_is_balanced_ridge_regression(counts: tuple[int, ...]) -> None:
    domains = drawn(*counts)
    vectors = F.normalize(torch.cat(domains), dim=1).double()
    numbers = torch.repeat_interleave(torch.tensor(counts))
    weights = 1 / (len(counts) * torch.tensor(counts).double()[numbers])
    theirs = Ridge(alpha=RIDGE / vectors.shape[1]).fit(
        vectors.numpy(), F.one_hot(numbers).double().numpy(), sample_weight=weights.numpy()
    )
    places = fitted(domains)
    torch.testing.assert_close(places.weight, torch.from_numpy(theirs.coef_).float(), atol=1e-4, rtol=1e-4)
    said = places.told(vectors.float(), torch.full((len(vectors),), UNKNOWN))
    assert said.tolist() == theirs.predict(vectors.numpy()).argmax(1).tolist()


def test_a_told_domain_is_believed() -> None:
    domains = drawn(20, 20)
    told = torch.arange(20) % 2
    assert fitted(domains).told(F.normalize(domains[0], dim=1), told).tolist() == told.tolist()


def test_pictures_lose_their_domains_mean_and_end_at_norm_one() -> None:
    domains = drawn(20, 20)
    places = fitted(domains)
    found = places(domains[1], torch.ones(20, dtype=torch.long))
    torch.testing.assert_close(found, F.normalize(F.normalize(domains[1], dim=1) - places.means[1], dim=1))


def test_untaught_it_changes_nothing() -> None:
    vectors = drawn(5)[0]
    places = Domains(2, 8)
    torch.testing.assert_close(places(vectors, torch.full((5,), UNKNOWN)), F.normalize(vectors, dim=1))
    torch.testing.assert_close(places.texts(vectors), F.normalize(vectors, dim=1))


def test_texts_lose_what_they_have_of_the_means_and_nothing_else() -> None:
    places = Domains(2, 4)
    places.means.copy_(torch.tensor([[0.0, 0.0, 0.0, 0.8], [0.0, 0.0, 0.3, -0.8]]))
    torch.testing.assert_close(places.texts(torch.tensor([[0.0, 1.2, 5.0, 1.6]])), torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
