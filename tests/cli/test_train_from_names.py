"""`samekind train tki` through the application: names in, a retriever out, and what was odd about the names said."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samekind.cli import app

QUICK = ["words.template=a {} of a", "words.count=4", "words.steps=2", "projection.steps=2", "projection.batch=4"]
SETTINGS = [part for pair in QUICK for part in ("--set", pair)]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    file = tmp_path / "names.txt"
    file.write_text("dog\ncat\nDOG\n\ncar\nö\n" + "toy " * 40 + "\n", encoding="utf-8")
    return file


def command(names: Path, tiny_clip: Path, *more: str) -> list[str]:
    out = str(names.with_name("r"))
    return ["train", "tki", "--classes", str(names), "--out", out, "--backbone", str(tiny_clip), *SETTINGS, *more]


def test_it_makes_a_retriever_and_says_what_was_odd(runner: CliRunner, names: Path, tiny_clip: Path) -> None:
    done = runner.invoke(app, command(names, tiny_clip))
    assert done.exit_code == 0, done.stderr
    assert "holds the retriever: 5 names;" in done.stdout
    assert "Named more than once, and counted once: 1." in done.stderr
    assert "Longer than the text tower reads, and cut (1): toy toy" in done.stderr
    assert "know badly (1): ö" in done.stderr
    told = runner.invoke(app, ["info", str(names.with_name("r"))]).stdout
    assert "names: dog, cat, car, ö, toy" in told


def test_a_gallery_finds_in_the_ball(runner: CliRunner, names: Path, tiny_clip: Path, pictures: Path) -> None:
    made = runner.invoke(app, command(names, tiny_clip, "--set", "model.output=projection", "--json"))
    assert json.loads(made.stdout)["space"] == "poincare"
    gallery = str(names.with_name("g"))
    retriever = str(names.with_name("r"))
    done = runner.invoke(app, ["index", str(pictures), "--gallery", gallery, "--retriever", retriever, "--json"])
    assert done.exit_code == 0, done.stderr
    for query in (str(next(iter(sorted(pictures.rglob("*.png"))))), "a dog"):
        found = json.loads(runner.invoke(app, ["search", query, "--gallery", gallery, "--json"]).stdout)
        scores = [hit["score"] for hit in found["hits"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--set", "words.order=backwards"], "order is one of together, in_turn"),
        (["--set", "model.curvature=0"], "curvature must be above 0"),
        (["--set", "projection.step=3"], "no setting 'step'"),
        (["--classes", "no.txt"], "There is no file no.txt"),
        (["--data", "somewhere"], "No such option"),
    ],
    ids=lambda each: each[-1] if isinstance(each, list) else "",
)
def test_wrong_usage_is_status_2(runner: CliRunner, names: Path, tiny_clip: Path, wrong: list[str], words: str) -> None:
    done = runner.invoke(app, command(names, tiny_clip, *wrong))
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert not names.with_name("r").exists()


def test_info_shows_the_first_of_many_names(runner: CliRunner, names: Path, tiny_clip: Path) -> None:
    names.write_text("\n".join(f"dog {number}" for number in range(40)))
    runner.invoke(app, command(names, tiny_clip))
    told = runner.invoke(app, ["info", str(names.with_name("r"))]).stdout
    assert "dog 19, ... 40 in all" in told
    assert "dog 20" not in told
