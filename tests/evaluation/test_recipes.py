"""Recipes: what their files may say, that all of ours can be run as they stand, and that a wrong score is noticed."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

sys.path.insert(0, str(Path(__file__).parent))

from made import world

from samekind.cli import app
from samekind.datasets import DATASETS, dataset
from samekind.errors import SamekindError, UsageError
from samekind.evaluation.protocols import load_protocol
from samekind.evaluation.recipes import Expected, Recipe
from samekind.evaluation.recipes_run import Check, located, run_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path for path in (ROOT / "recipes").glob("*.toml") if path.name != "mini.toml")

GOOD = """
title = "made"
command = "samekind run made.toml --data PATH"
[retriever]
ref = "{ref}"
[data]
name = "made"
[evaluate]
protocol = "ucdir"
profile = "paper"
"""


@pytest.fixture
def write(tmp_path: Path, tiny_clip: Path) -> Any:
    def made(more: str = "", name: str = "made.toml", **replaced: str) -> Path:
        text = GOOD.format(ref=tiny_clip.as_posix()) + more
        for old, new in replaced.items():
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return world(tmp_path / "world", per_class=8)


def test_there_is_a_recipe_for_each_table_of_the_papers_and_for_the_data_at_hand() -> None:
    rows = {
        (recipe.data, recipe.evaluate["protocol"], recipe.evaluate["profile"]) for recipe in map(Recipe.read, RECIPES)
    }
    for data, protocol in (
        ("office_home", "ucdir"), ("domainnet", "ucdir"), ("domainnet", "ucdr"), ("sketchy", "uccdr"),
        ("tu_berlin", "uccdr"), ("pacs", "ucdir"), ("qc24", "ucdir"),
    ):  # fmt: skip
        assert {(data, protocol, "paper"), (data, protocol, "clean")} <= rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_can_be_read_and_its_command_typed(path: Path) -> None:
    recipe = Recipe.read(path)
    assert recipe.name == path.stem
    assert recipe.cost.keys() == {"hardware", "time"}
    assert recipe.data in {*DATASETS, "qc24"}
    if recipe.data in DATASETS and recipe.evaluate["protocol"] != "ucdir":
        assert "test" in dataset(recipe.data).class_splits
    load_protocol(recipe.evaluate["protocol"])
    program, verb, *arguments = shlex.split(recipe.command)
    assert (program, verb) == ("samekind", "run")
    assert ROOT / arguments[0] == path
    group = get_command(app)
    group.commands[verb].make_context(verb, arguments, parent=typer.Context(group))


def test_clip_zero_shot_on_ucdr_is_expected_to_be_what_pros_prints() -> None:
    expected = Recipe.read(ROOT / "recipes" / "domainnet-ucdr-paper.toml").expected
    assert {name: (each.value, each.source) for name, each in expected.items()} == {
        "mAP@200": (0.4435, "published"),
        "P@200": (0.3840, "published"),
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_we_measured_is_the_committed_result(path: Path) -> None:
    recipe = Recipe.read(path)
    measured = {name: each for name, each in recipe.expected.items() if each.source == "measured"}
    result = ROOT / "results" / f"{recipe.name}.json"
    assert result.exists() or not measured
    if measured:
        told = json.loads(result.read_text())
        assert (told["protocol"], told["profile"]) == (recipe.evaluate["protocol"], recipe.evaluate["profile"])
        assert told["data"]["name"] == recipe.data
        assert all(Check(name, each, told["mean"][name]).within for name, each in measured.items())


def test_a_recipe_is_evaluated_and_written_under_its_name(write: Any, root: Path, tmp_path: Path) -> None:
    outcome = run_recipe(Recipe.read(write()), data=root, out=tmp_path / "results", cache=tmp_path / "cache")
    assert outcome.file == tmp_path / "results" / "made.json"
    assert json.loads(outcome.file.read_text())["mean"] == dict(outcome.report.mean)
    assert outcome.good
    assert not outcome.checks


def test_a_score_is_within_its_tolerance_or_not(write: Any, root: Path, tmp_path: Path) -> None:
    found = run_recipe(Recipe.read(write()), data=root, out=tmp_path, cache=tmp_path / "cache").report.mean["P@5"]
    for value, good in ((found, True), (found + 0.009, True), (found + 0.011, False), (found - 0.011, False)):
        entry = f'[expected."P@5"]\nvalue = {value}\ntolerance = 0.01\nsource = "measured"\n'
        outcome = run_recipe(Recipe.read(write(entry)), data=root, out=tmp_path, cache=tmp_path / "cache")
        assert outcome.good is good


def test_the_tolerance_itself_is_within() -> None:
    assert Check("P@1", Expected(0.5, 0.1, "measured"), 0.6).within
    assert not Check("P@1", Expected(0.5, 0.1, "measured"), 0.601).within


def test_a_recipe_that_trains_nothing_has_no_seeds(write: Any, root: Path) -> None:
    with pytest.raises(UsageError, match="made trains nothing"):
        run_recipe(Recipe.read(write()), data=root, seeds=[0])


def test_of_another_retriever_nothing_is_expected(write: Any, root: Path, tmp_path: Path, tiny_clip: Path) -> None:
    recipe = Recipe.read(write('[expected."P@5"]\nvalue = 9\ntolerance = 0\nsource = "measured"\n'))
    outcome = run_recipe(recipe, data=root, retriever=tiny_clip, out=tmp_path, cache=tmp_path / "cache")
    assert outcome.good
    assert "not the recipe's" in outcome.unchecked


def test_zero_shot_has_nothing_to_train(write: Any, root: Path, tmp_path: Path) -> None:
    recipe = Recipe.read(write('[train]\nmethod = "zero_shot"\n'))
    assert run_recipe(recipe, data=root, out=tmp_path, cache=tmp_path / "cache").good


def test_other_data_than_the_recipe_was_made_with_are_a_failure(write: Any, root: Path, tmp_path: Path) -> None:
    path = write()
    path.write_text(path.read_text().replace('name = "made"', f'name = "made"\nsha256 = "{"0" * 64}"'))
    with pytest.raises(SamekindError, match="cannot be compared"):
        run_recipe(Recipe.read(path), data=root, out=tmp_path, cache=tmp_path / "cache")


def test_data_are_found_where_they_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMEKIND_DATA", raising=False)
    assert located("pacs", "there") == "pacs:there"
    assert located("pacs", None) == "pacs"
    assert located("mine", "there") == "there"
    with pytest.raises(UsageError, match="Where is mine"):
        located("mine", None)
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("SAMEKIND_DATA", str(tmp_path))
    assert located("mine", None) == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[cost]\nprice = 3\n", r"\[cost\] has no entry 'price'"),
        ("[whatever]\n", r"no table \[whatever\]"),
        ("[cost]\ntime = 3\n", "time of .* must be str"),
        ("[train]\nseeds = [1]\n", "lacks method"),
        ('[train]\nmethod = "tpsnet"\nclasses_count = true\n', "classes_count of .* must be int"),
        ('[readings.fused]\noutput = "fused"\n', "nothing is trained"),
        ('[expected.best]\nvalue = 1\ntolerance = 0\nsource = "measured"\n', "no metric 'best'"),
        ('[expected."P@1"]\nvalue = 1\ntolerance = 0\n', "needs value, tolerance and source"),
        ('[expected."P@1"]\nvalue = "1"\ntolerance = 0\nsource = "measured"\n', "needs value, tolerance and source"),
        ('[expected."P@1"]\nvalue = 1\ntolerance = 0\nsource = "hoped"\n', "published or measured"),
        ("no toml", "is no TOML"),
    ],
)
def test_what_a_recipe_may_not_say_is_refused_with_the_file_and_the_entry(write: Any, more: str, said: str) -> None:
    path = write(more)
    with pytest.raises(UsageError, match=said) as caught:
        Recipe.read(path)
    assert "made.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('protocol = "ucdir"', 'protocol = "best"', "protocol is one of"),
        ('profile = "paper"', 'profile = "best"', "profile clean or paper"),
        ('profile = "paper"', 'profile = "paper"\npairs = "a"', "QUERY:GALLERY"),
        ('name = "made"', "", r"\[data\] lacks name"),
        ('title = "made"', "", "the head lacks title"),
        ('[data]\nname = "made"', "", r"\[data\] lacks name"),
    ],
)
def test_what_a_recipe_must_say_is_asked_for(write: Any, old: str, new: str, said: str) -> None:
    path = write(**{old: new})
    with pytest.raises(UsageError, match=said):
        Recipe.read(path)


def test_a_recipe_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recipe"):
        Recipe.read(tmp_path / "none.toml")
