"""`samekind index --ann`, and what search and info tell of an index."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samekind.cli import app
from samekind.gallery.ann import build as ann_build
from samekind.gallery.ann import measure as ann_measure
from samekind.gallery.ann.finder import Finder

sys.path.insert(0, str(Path(__file__).parents[1] / "gallery"))

from rows import appended, clustered


@pytest.fixture
def indexed(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The command that indexes six pictures, into a gallery that has 2,000 rows more, of no pictures at all."""
    monkeypatch.setattr(ann_build, "AUTOMATIC", 10**9)
    monkeypatch.setattr(ann_measure, "PICTURES", 32)
    monkeypatch.setattr(ann_measure, "AIM", 0.3)  # of so few numbers bits tell little; this is about what is told
    command = ["index", str(pictures), "--gallery", str(tmp_path / "g"), "--retriever", str(tiny_clip)]
    assert runner.invoke(app, command).exit_code == 0
    dim = json.loads((tmp_path / "g" / "gallery.json").read_text())["retriever"]["dim"]
    appended(tmp_path / "g", clustered(2000, dim))
    return command


def test_an_index_is_built_told_used_and_removed(
    runner: CliRunner, pictures: Path, indexed: list[str], tmp_path: Path
) -> None:
    gallery, red = str(tmp_path / "g"), str(pictures / "photo" / "red.png")
    facts = json.loads(runner.invoke(app, ["info", gallery, "--json"]).stdout)
    assert facts["index"] is None
    done = runner.invoke(app, [*indexed, "--ann", "--json"])
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ann"]["state"] == "ready"
    assert "recall@10" in done.stderr
    facts = json.loads(runner.invoke(app, ["info", gallery, "--json"]).stdout)
    assert facts["index"]["state"] == "ready"
    assert facts["index"]["recall"] == report["ann"]["recall"]
    assert "recall@10" in runner.invoke(app, ["info", gallery]).stdout

    command = ["search", red, "--gallery", gallery, "--json", "-k", "5"]
    exact = json.loads(runner.invoke(app, [*command, "--exact"]).stdout)
    assert exact["exact"] is True
    found = json.loads(runner.invoke(app, command).stdout)
    assert found["hits"][0] == exact["hits"][0]

    done = runner.invoke(app, [*indexed, "--no-ann"])
    assert done.exit_code == 0
    assert "as asked for" in done.stderr
    assert json.loads(runner.invoke(app, command).stdout)["exact"] is True


def test_search_says_truthfully_whether_it_compared_with_every_picture(
    runner: CliRunner, pictures: Path, indexed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner.invoke(app, [*indexed, "--ann"]).exit_code == 0
    command = ["search", str(pictures / "photo" / "red.png"), "--gallery", str(tmp_path / "g"), "-k", "3"]
    asked = []
    find = Finder.find
    monkeypatch.setattr(Finder, "find", lambda *given: asked.append(find(*given)) or asked[-1])
    told = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert len(asked) == 1
    assert told["exact"] is (asked[0] is None)
    assert ("by the index" in runner.invoke(app, command).stderr) is not told["exact"]
    assert "by the index" not in runner.invoke(app, [*command, "--exact"]).stderr
    assert len(asked) == 2, "--exact asks no index"


def test_a_damaged_index_is_told_and_the_search_is_exact(
    runner: CliRunner, pictures: Path, indexed: list[str], tmp_path: Path
) -> None:
    assert runner.invoke(app, [*indexed, "--ann"]).exit_code == 0
    (tmp_path / "g" / "ann.json").write_text("{")
    command = ["search", str(pictures / "photo" / "red.png"), "--gallery", str(tmp_path / "g"), "--json"]
    done = runner.invoke(app, command)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["exact"] is True
    assert "damaged" in done.stderr
    assert "--ann" in done.stderr
    facts = json.loads(runner.invoke(app, ["info", str(tmp_path / "g"), "--json"]).stdout)
    assert facts["index"]["state"] == "damaged"
