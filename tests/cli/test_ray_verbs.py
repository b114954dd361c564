"""`--ray` of `samekind search --queries` and `samekind evaluate`: on a real cluster they find what they find here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from samekind.cli import app
from samekind.clip.weights import load_encoder
from samekind.datasets import read_data
from samekind.evaluation.features import encode_table
from samekind.evaluation.features_treated import Treatment
from samekind.methods.centred import Centred
from samekind.reading.cluster import work
from samekind.retriever.store import Retriever

pytest.importorskip("ray", reason="needs Ray, which is not installed: pip install ray")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster with two processors, of whatever this machine has."""
    from samekind.reading.cluster.local import local_cluster

    with local_cluster(2) as found:
        yield found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK", 4)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Three classes in two domains, noisy pictures of one colour each, and a file that is no picture."""
    rng = np.random.default_rng(0)
    for domain in ("photo", "sketch"):
        for name, colour in {"dog": (200, 30, 30), "cat": (30, 200, 30), "car": (30, 30, 200)}.items():
            folder = tmp_path / "world" / domain / name
            folder.mkdir(parents=True)
            for n in range(8):
                pixels = np.clip(np.array(colour) + rng.integers(-90, 90, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n:02}.png")
    (tmp_path / "world" / "photo" / "dog" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "world"


@pytest.fixture
def told(tiny_clip: Path) -> Retriever:
    """Its vectors depend on the domain that it is told."""
    encoder = load_encoder(tiny_clip)
    method = Centred(["photo", "sketch"], encoder.dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for tensor in method.state_dict().values():
            tensor.copy_(torch.randn_like(tensor) / 2)
    return Retriever(encoder, method, device="cpu", precision="bfloat16")


def test_many_searches_find_the_same(
    runner: CliRunner, gallery: Path, world: Path, address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["search", "--queries", str(world), "--gallery", str(gallery), "-k", "3"]
    out = tmp_path / "hits.jsonl"
    done = runner.invoke(app, [*words, "--ray", address, "--workers", "1", "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert not capfd.readouterr().out
    here = [json.loads(line) for line in runner.invoke(app, words).stdout.splitlines()]
    there = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum("error" in each for each in here) == 1
    assert len(here) == 49
    for one, other in zip(here, there, strict=True):
        scores = [[hit.pop("score") for hit in each.get("hits", [])] for each in (one, other)]
        assert one == other
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_an_evaluation_has_the_same_figures(
    runner: CliRunner, told: Retriever, world: Path, address: str, tmp_path: Path
) -> None:
    told.save(tmp_path / "told")
    words = ["evaluate", str(tmp_path / "told"), "--data", str(world), "--profile", "paper", "--json", "--with-domains"]
    found: list[dict[str, Any]] = []
    for name, ray in (("here", []), ("there", ["--ray", address])):
        done = runner.invoke(app, [*words, "--cache", str(tmp_path / name), *ray], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        assert "photo/dog/broken.png (unsupported)" in done.stderr
        found.append(json.loads(done.stdout))
    here, there = found
    assert here["encoded"] == there["encoded"] == 48
    assert [pair["metrics"] for pair in here["pairs"]] == [pair["metrics"] for pair in there["pairs"]]
    assert 0.4 < here["mean"]["mAP@all"] < 1
    again = runner.invoke(app, [*words, "--cache", str(tmp_path / "there")], catch_exceptions=False)
    assert json.loads(again.stdout)["cached"] == 49, "the cache knows what a cluster has opened"


def test_treated_pictures_have_the_same_vectors(told: Retriever, world: Path, address: str, tmp_path: Path) -> None:
    from samekind.reading.cluster.reader import Cluster

    data, treatment = read_data(world)[0], Treatment(inverted=True, raw=True)
    found = [
        encode_table(
            told, data, np.arange(14, 34), cache=tmp_path / name, data_sha256="0", treatment=how, reader=reader
        )
        for name, reader, how in (
            ("here", None, treatment),
            ("there", Cluster(address, 1), treatment),
            ("plain", None, Treatment(raw=True)),
            ("not raw", None, Treatment(inverted=True)),
        )
    ]
    np.testing.assert_allclose(found[1].vectors, found[0].vectors, atol=1e-5)
    assert all(np.abs(other.vectors - found[0].vectors).max() > 0.01 for other in found[2:])
    assert found[0].skipped == found[1].skipped
    assert [each.uri for each in found[0].skipped.values()] == ["photo/dog/broken.png"]
