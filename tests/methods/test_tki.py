"""TKI before it has learned: it starts at the backbone, and a picture gains what the names near to it know."""

import math

import pytest
import torch
import torch.nn.functional as F

from samekind.clip.encoder import ImageFeatures
from samekind.errors import UsageError
from samekind.methods.base import EncoderFacts
from samekind.methods.tki import TKI, TKIConfig
from samekind.nn import poincare

FACTS = EncoderFacts(dim=12, token_dim=8, size=16)


def made(**config: object) -> TKI:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TKI.from_config({"classes": 5, **config}, FACTS).eval()


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(7, 12, generator=torch.Generator().manual_seed(1))


def read(method: TKI, vectors: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return method.images(
            ImageFeatures(torch.full((7, 1, 8), torch.nan), vectors), torch.full((7, 3, 1, 1), torch.nan)
        )


@pytest.mark.parametrize(("geometry", "close"), [("poincare", 0.03), ("euclidean", 1e-6)])
def test_fresh_layers_leave_directions_nearly_as_they_are(geometry: str, close: float, vectors: torch.Tensor) -> None:
    found = read(made(geometry=geometry, output="tangent"), vectors)
    assert ((found * F.normalize(vectors, dim=1)).sum(1) > 1 - close).all()


def test_knowledge_is_the_mean_of_the_names_by_their_nearness(vectors: torch.Tensor) -> None:
    method, unit = made(weight=0.5), F.normalize(vectors, dim=1)
    with torch.no_grad():
        points, proxies = method.project(unit), method.project(method.names)
    expected = []
    for point, own in zip(points, unit, strict=True):
        far = torch.stack([poincare.distance(point, proxy, 0.1) for proxy in proxies])
        shares = torch.softmax(-far * math.log(5) / 0.5, 0)
        centred = F.normalize(method.names - method.names.mean(0), dim=1)
        expected.append(F.normalize(own + 0.5 * (shares[:, None] * centred).sum(0), dim=0))
    torch.testing.assert_close(read(method, vectors), torch.stack(expected), atol=1e-5, rtol=0)


def test_without_weight_the_backbone_answers(vectors: torch.Tensor) -> None:
    torch.testing.assert_close(read(made(weight=0.0), vectors), F.normalize(vectors, dim=1))


def test_in_the_ball_points_are_inside_that_of_radius_one(vectors: torch.Tensor) -> None:
    method = made(output="projection", curvature=0.5)
    assert method.space == "poincare"
    found = read(method, 1e6 * vectors)
    assert (found.norm(dim=1) < 1).all()
    torch.testing.assert_close(found, method.project(F.normalize(vectors, dim=1)).detach() * 0.5**0.5)


def test_texts_go_the_way_that_pictures_go(vectors: torch.Tensor) -> None:
    for output in ("knowledge", "projection", "tangent"):
        method = made(output=output)
        with torch.no_grad():
            torch.testing.assert_close(method.texts(vectors), read(method, vectors))


def test_only_the_projection_of_the_ball_needs_its_distance() -> None:
    spaces = {
        (geometry, output): made(geometry=geometry, output=output).space
        for geometry in ("poincare", "euclidean")
        for output in ("knowledge", "projection", "tangent")
    }
    assert [each for each, space in spaces.items() if space == "poincare"] == [("poincare", "projection")]


def test_settling_projects_the_names_anew() -> None:
    method = made()
    with torch.no_grad():
        method.second.weight.mul_(2.0)
    before = method.proxies.clone()
    method.settle()
    torch.testing.assert_close(method.proxies, method.project(method.names).detach())
    assert not torch.allclose(method.proxies, before)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"geometry": "flat"}, "geometry is one of poincare, euclidean"),
        ({"output": 3}, "output must be of type str"),
        ({"depth": 3}, "no setting 'depth'"),
        ({"temperature": 0.0}, "above 0"),
        ({"classes": 0}, "a class or more"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TKIConfig.read(config)
