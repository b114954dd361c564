"""`samekind run` on a recipe that trains, for real: a tiny backbone, one epoch, two seeds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from samekind.cli import app

TEXT = """
title = "A tiny world, trained"
command = "samekind run made.toml --data world"
[retriever]
ref = "{ref}"
[data]
name = "made"
[train]
method = "tpsnet"
classes_count = 2
seeds = [0, 1]
[train.settings]
prompts = {{epochs = 1, words = 2}}
synergy.epochs = 1
synergy.steps = 1
model = {{width = 16, heads = 2}}
[readings.fused]
output = "fused"
[evaluate]
protocol = "ucdir"
profile = "paper"
"""

NAMED = """
[train]
method = "tki"
classes = "data"
seeds = [0, 1]
[train.settings]
words = {{count = 2, steps = 1}}
projection = {{steps = 1, batch = 4}}
model.width = 16
[readings.tangent]
output = "tangent"
[readings.projection]
output = "projection"
"""


@pytest.fixture
def recipe(tmp_path: Path, tiny_clip: Path) -> Path:
    path = tmp_path / "made.toml"
    path.write_text(TEXT.format(ref=tiny_clip.as_posix()))
    return path


@pytest.fixture
def invoke(runner: CliRunner, recipe: Path, pictures: Path, tmp_path: Path) -> Any:
    """`samekind run`, its result's folder beside the recipe; pictures one level deeper, as evaluation needs classes."""
    world = tmp_path / "world"
    for file in pictures.glob("*/*.png"):
        target = world / file.parent.name / file.stem / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    def run(*more: str) -> Any:
        places = {"--data": world, "--out": tmp_path / "out", "--work": tmp_path / "work", "--cache": tmp_path / "c"}
        return runner.invoke(app, ["run", str(recipe), *(str(part) for pair in places.items() for part in pair), *more])

    return run


@pytest.mark.slow
def test_two_seeds_are_trained_evaluated_and_written_once(
    invoke: Any, runner: CliRunner, tmp_path: Path, recipe: Path
) -> None:
    done = invoke()
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("A tiny world, trained\n\ntpsnet on world: ucdir, profile paper, 2 seeds\n")
    assert "tpsnet, fused on world" in done.stdout
    assert "2 retrievers trained, one for each two domains and seed" in done.stdout
    for line in ("1 of 2: seed 0, photo and sketch", "2 of 2: seed 1, photo and sketch; about", "synergy 1 of 1"):
        assert line in done.stderr
    file = tmp_path / "out" / "made.json"
    told = json.loads(file.read_text())
    assert (told["kind"], told["seeds"]) == ("study", [0, 1])
    for made in told["training"]["retrievers"]:
        assert made["domains"] == ["photo", "sketch"]
        assert made["facts"]["domains"] == {"photo": 3, "sketch": 3}
    assert told["training"]["settings"]["synergy"]["epochs"] == 1
    assert told["training"]["settings"]["profile"] == "all"
    again = invoke("--json")
    assert "synergy" not in again.stderr
    assert json.loads(again.stdout)["mean_by_seed"] == told["mean_by_seed"]
    shown = runner.invoke(app, ["info", str(file)])
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("kind: study\n")
    assert "tpsnet on world" in shown.stdout
    part = invoke("--seeds", "1")
    assert "One seed has no spread" in part.stdout
    assert json.loads((tmp_path / "out" / "made-seeds-1.json").read_text())["seeds"] == [1]


@pytest.mark.slow
def test_from_names_alone_no_picture_has_to_be_there(
    invoke: Any, tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it trains, the pictures are somewhere else."""
    from samekind.training import run as training

    real, world = training.train, tmp_path / "world"

    def without(*given: Any, **options: Any) -> Any:
        world.rename(tmp_path / "away")
        try:
            return real(*given, **options)
        finally:
            (tmp_path / "away").rename(world)

    monkeypatch.setattr(training, "train", without)
    head, tail = recipe.read_text().split("[train]")
    recipe.write_text(f"{head}{NAMED.format()}[evaluate]{tail.split('[evaluate]')[1]}")
    done = invoke()
    assert done.exit_code == 0, done.stderr
    assert "2 of 2: seed 1; about" in done.stderr
    told = json.loads((tmp_path / "out" / "made.json").read_text())
    assert (told["training"]["classes"], told["training"]["classes_count"]) == ("data", 3)
    assert told["training"]["settings"]["words"]["count"] == 2
    assert [made["facts"]["names"] for made in told["training"]["retrievers"]] == [["blue", "green", "red"]] * 2
    assert {name: each["space"] for name, each in told["readings"].items()} == {
        "tangent": "cosine",
        "projection": "poincare",
    }
    assert "seed 1; known from an earlier run" in invoke().stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("synergy.epochs = 1", "synergy.epoch = 1", "seed 0, photo and sketch: .*no setting 'epoch'"),
        ('"tpsnet"', '"magic"', "magic, for which there is no training here.*tpsnet"),
        ("classes_count = 2", "classes_count = 9", "seed 0, photo and sketch: "),
        ('"tpsnet"', '"tki"', "tki, which learns from names alone"),
        ("classes_count = 2", 'classes = "data"', "tpsnet, which learns from pictures"),
    ],
)
def test_what_cannot_be_trained_is_wrong_usage(invoke: Any, recipe: Path, old: str, new: str, said: str) -> None:
    import re

    recipe.write_text(recipe.read_text().replace(old, new))
    done = invoke()
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(said, done.stderr)


def test_seeds_are_numbers_with_commas_between(invoke: Any) -> None:
    done = invoke("--seeds", "all")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--seeds all: write whole numbers" in done.stderr
