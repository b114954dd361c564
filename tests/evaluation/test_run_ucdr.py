"""UCDR from folders to the result, on made-up pictures with DomainNet's layout and class names."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import paint, run

from samekind.retriever.store import load


@pytest.fixture(scope="module")
def domainnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DomainNet's layout and class names, one picture a class: the test classes everywhere, the seen ones in real."""
    from samekind.datasets import dataset

    root, splits = tmp_path_factory.mktemp("data") / "domainnet", dataset("domainnet").class_splits
    for n, name in enumerate(splits["test"]):
        for domain in ("sketch", "quickdraw", "painting", "infograph", "clipart", "real"):
            paint(root / domain / name / "0.png", (250 - 5 * n, 30 + 4 * n, 10), n)
    for n, name in enumerate((*splits["train"], *splits["val"])):
        paint(root / "real" / name / "0.png", (n % 200, 250 - n % 240, n % 100), n)
    return root


def test_ucdr_writes_both_galleries_and_its_list_which_can_be_given_again(domainnet: Path, tmp_path: Path) -> None:
    options = {"protocol": "ucdr", "cache": tmp_path / "cache"}
    first = run(domainnet, out=tmp_path / "a.json", **options)
    assert [each.name for each in first.pairs] == ["unseen"] * 5 + ["mixed"] * 5
    assert {each.gallery_size for each in first.pairs} == {45, 345}
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["means"].keys() == {"unseen", "mixed"}
    assert told["mean"] == told["means"]["unseen"]
    assert told["mean_intervals"] == told["means_intervals"]["unseen"]
    assert told["means_intervals"].keys() == {"unseen", "mixed"}
    stored = tmp_path / "a.mixed.txt"
    assert len(stored.read_text().splitlines()) == 300
    again = run(domainnet, out=tmp_path / "b.json", mixed=stored, **options)
    assert (tmp_path / "b.mixed.txt").read_text() == stored.read_text()
    assert [each.metrics for each in again.pairs] == [each.metrics for each in first.pairs]


def test_ucdr_in_paper_encodes_negatives_of_sketches_and_quickdraw_and_nothing_else(
    domainnet: Path, tmp_path: Path
) -> None:
    """The same colours everywhere: what is not inverted finds itself, what is inverted does not."""
    for profile in ("clean", "paper"):
        report = run(domainnet, protocol="ucdr", profile=profile, cache=tmp_path / "cache")
        for each in report.pairs[:5]:
            inverted = profile == "paper" and each.query in ("sketch", "quickdraw")
            assert (each.metrics["P@1"] > 0.9) is not inverted
    assert report.to_json()["options"]["inverted"] == ["quickdraw", "sketch"]


def test_ucdr_in_paper_compares_a_zero_shot_retriever_by_raw_vectors(
    domainnet: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    retriever = load(tiny_clip, device="cpu", precision="float32")
    pairs = "clipart:real"
    for profile, raw in (("paper", True), ("clean", False)):
        report = run(domainnet, retriever, protocol="ucdr", profile=profile, pairs=pairs, cache=tmp_path / "cache")
        assert report.to_json()["options"]["raw"] is raw
    note = report.to_json()["metrics_note"]
    assert "norm one" in note["compared by"]
