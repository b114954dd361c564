"""`samekind train` through the application: a retriever, a card on standard output, plain refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samekind.cli import app

QUICK = ["prompts.epochs=1", "prompts.words=2", "synergy.epochs=1", "synergy.steps=1"]
QUICK += ["model.width=16", "model.heads=2"]


def command(pictures: Path, tiny_clip: Path, out: Path, *more: str) -> list[str]:
    settings = [part for pair in QUICK for part in ("--set", pair)]
    start = ["train", "tpsnet", "--data", str(pictures), "--out", str(out), "--backbone", str(tiny_clip)]
    return [*start, "--classes-count", "2", *settings, *more]


def test_it_makes_a_retriever_and_says_what_was_left_out(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    done = runner.invoke(app, command(pictures, tiny_clip, tmp_path / "r", "--domains", "photo, sketch"))
    assert done.exit_code == 0, done.stderr
    assert "3 of photo, 3 of sketch; 2 classes (given)" in done.stdout
    assert "1 pictures were skipped" in done.stderr
    assert "synergy 1 of 1" in done.stderr
    told = json.loads(runner.invoke(app, ["info", str(tmp_path / "r"), "--json"]).stdout)
    assert told["method"] == "tpsnet"


def test_json_is_the_card_alone(runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path) -> None:
    done = runner.invoke(app, command(pictures, tiny_clip, tmp_path / "r", "--json", "--seed", "4"))
    card = json.loads(done.stdout)
    assert (card["method"], card["seed"], card["training"]["settings"]["prompts"]["words"]) == ("tpsnet", 4, 2)
    assert card == json.loads((tmp_path / "r" / "card.json").read_text())


@pytest.mark.parametrize(
    "wrong",
    [
        ["--domains", "photo"],
        ["--domains", "photo,clay"],
        ["--classes-count", "0"],
        ["--classes-count", "many"],
        ["--classes-count", "40"],
        ["--set", "synergy.epoch=3"],
        ["--set", "profile=dirty"],
        ["--config", "no.toml"],
        ["--seed", "-1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path, wrong: list[str]
) -> None:
    done = runner.invoke(app, command(pictures, tiny_clip, tmp_path / "r", *wrong))
    assert (done.exit_code, done.stdout) == (2, "")
    assert not (tmp_path / "r").exists()


def test_an_unknown_method_is_status_2(runner: CliRunner) -> None:
    assert runner.invoke(app, ["train", "magic"]).exit_code == 2


def test_a_cache_that_cannot_be_written_is_told_and_does_not_stop_it(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    done = runner.invoke(app, command(pictures, tiny_clip, tmp_path / "r"))
    assert done.exit_code == 0, done.stderr
    assert "not kept for another run" in done.stderr
    assert str(tmp_path / "file") in done.stderr.replace("\n", "")
