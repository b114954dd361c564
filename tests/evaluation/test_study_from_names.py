"""Recipes that train from names alone: which names, how often, what is kept and written. Training is faked."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import Colours, paint

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.recipes import Recipe
from samekind.evaluation.recipes_run import Outcome, run_recipe
from samekind.evaluation.recipes_train import spelled
from samekind.evaluation.reports.files import read_result, readings
from samekind.evaluation.run_by_name import prompt
from samekind.evaluation.study_trainer import Trainer

TEXT = """
title = "made"
command = "samekind run made.toml --data PATH"
[retriever]
ref = "{ref}"
[data]
name = "made"
[train]
method = "tki"
classes = "data"
seeds = [0, 1]
[train.settings]
words.steps = 0
[readings.projection]
output = "projection"
[evaluate]
protocol = "ucdir"
profile = "paper"
"""
CLASSES = {"cat": (30, 200, 30), "dog": (200, 30, 30), "Fire_Truck": (30, 30, 200)}
DATA, LISTED = 'classes = "data"', 'classes = ["{}", "{}"]'
GENERIC = 2_000  # names that the faked training has of its own


class Ball(Colours):
    """Colours with a little noise of the seed; read as `projection` they are points of the ball."""

    def __init__(self, seed: int, classes: int, output: str = "knowledge") -> None:
        super().__init__(f"{seed}{output}")
        self.seed, self.classes, self.output = seed, classes, output
        self.space = self.card.space = "poincare" if output == "projection" else "cosine"  # type: ignore[assignment]
        self.card.method, self.card.seed, self.card.config = "tki", seed, {"classes": classes, "output": output}
        self.card.training = {"key": "k", "classes": classes, "seconds": {"words": 1.0, "projection": 0.5}}

    def with_config(self, output: str) -> "Ball":
        return Ball(self.seed, self.classes, output)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        dice = np.random.default_rng(self.seed)
        found = super().encode_pixels(pixels, domain) + dice.normal(0, 0.4, (len(pixels), 3))
        return np.asarray(0.5 * found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


class Faked:
    """Stands for `samekind.train` as far as it learns from names: there is no parameter for pictures."""

    def __init__(self) -> None:
        self.asked: list[SimpleNamespace] = []
        self.lines: list[str] = []
        self.fails = 10**6

    def train(
        self, method: str, *, classes: Any, out: Path, backbone: str, seed: int, settings: Any, progress: Any
    ) -> Any:
        self.asked.append(SimpleNamespace(method=method, classes=classes, out=out, seed=seed, settings=settings))
        if len(self.asked) > self.fails:
            raise SamekindError("The loss is nan.")
        return Ball(seed, GENERIC if classes == "generic" else len(classes))

    @property
    def trainer(self) -> Trainer:
        return Trainer(("tpsnet",), self.train, self.lines.append, text_methods=("tki",))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names") / "world"
    for at, domain in enumerate(("clay", "photo", "sketch")):
        for name, colour in CLASSES.items():
            for n in range(3):
                paint(folder / domain / name / f"{n}.png", colour, 20 * at + n)
    return folder


@pytest.fixture
def faked() -> Faked:
    return Faked()


@pytest.fixture
def run(tmp_path: Path, tiny_clip: Path, root: Path, faked: Faked) -> Any:
    def ran(*changes: tuple[str, str], **options: Any) -> Outcome:
        places = {"out": tmp_path / "results", "work": tmp_path / "work", "cache": tmp_path / "cache"}
        recipe = read(tmp_path, tiny_clip, *changes)
        return run_recipe(recipe, trainer=faked.trainer, **{**places, "data": root, **options})

    return ran


def read(folder: Path, tiny_clip: Path, *changes: tuple[str, str]) -> Recipe:
    text = TEXT.format(ref=tiny_clip.as_posix())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "made.toml").write_text(text)
    return Recipe.read(folder / "made.toml")


def test_each_seed_is_trained_once_from_the_names_of_the_data(run: Any, faked: Faked, tmp_path: Path) -> None:
    run()
    assert [(each.method, each.seed) for each in faked.asked] == [("tki", 0), ("tki", 1)]
    assert all(each.classes == ["cat", "dog", "fire truck"] for each in faked.asked)
    assert all(each.settings == ("words.steps=0",) for each in faked.asked), "pictures are no part of the settings"
    assert len({each.out for each in faked.asked}) == 2
    assert all(each.out.is_relative_to(tmp_path / "work") for each in faked.asked)
    assert faked.lines[0] == "1 of 2: seed 0"


def test_names_are_spelled_as_the_figures_by_name_spell_them() -> None:
    for name in ("Fire_Truck", "dog", " T-shirt ", "a_b"):
        assert prompt(name) == f"a {spelled(name)}"


def test_the_document_says_which_names_and_how_many(run: Any, tmp_path: Path) -> None:
    told = run().report.to_json()
    training = told["training"]
    assert (training["per"], training["classes"], training["classes_count"]) == ("once", "data", 3)
    made = training["retrievers"]
    assert [(each["seed"], each["domains"], each["classes"]) for each in made] == [(0, [], 3), (1, [], 3)]
    assert len(told["pairs"]) == 6
    assert all(len(pair["by_seed"]["P@1"]) == 2 for pair in told["pairs"])
    assert told["mean_sd"]["mAP@all"] > 0
    assert told["seconds"]["train"] == 3.0
    read_back = read_result(tmp_path / "results" / "made.json")
    assert read_back.seeds == (0, 1)
    assert [each.facts["retriever"]["name"] for each in readings(read_back)] == ["tki, projection"]


def test_a_reading_has_a_space_of_its_own(run: Any, faked: Faked) -> None:
    told = run(('profile = "paper"', 'profile = "clean"')).report.to_json()
    assert told["retriever"]["space"] == "cosine"
    assert told["readings"]["projection"]["space"] == "poincare"
    assert len(faked.asked) == 2


def test_a_list_is_given_as_it_stands_and_spelled_alike(run: Any, faked: Faked) -> None:
    told = run((DATA, LISTED.format("Fire_Truck", "cat"))).report.to_json()
    assert faked.asked[0].classes == ["fire truck", "cat"]
    assert (told["training"]["classes"], told["training"]["classes_count"]) == (["Fire_Truck", "cat"], 2)


def test_generic_names_are_those_of_the_training(run: Any, faked: Faked) -> None:
    told = run((DATA, 'classes = "generic"')).report.to_json()
    assert [each.classes for each in faked.asked] == ["generic", "generic"]
    assert (told["training"]["classes"], told["training"]["classes_count"]) == ("generic", GENERIC)


def test_classes_can_be_held_out(run: Any, faked: Faked) -> None:
    held_out = ('profile = "paper"', 'profile = "paper"\nclasses = ["Fire_Truck", "dog"]')
    told = run((DATA, 'classes = ["cat", "bird"]'), held_out).report.to_json()
    assert faked.asked[0].classes == ["cat", "bird"]
    assert told["options"]["classes"] == ["Fire_Truck", "dog"]
    assert told["data"]["classes"] == 2
    assert {(pair["queries"], pair["gallery_size"]) for pair in told["pairs"]} == {(6, 6)}


def test_the_names_of_the_data_are_all_of_them_whatever_is_evaluated(run: Any, faked: Faked) -> None:
    told = run(('profile = "paper"', 'profile = "paper"\nclasses = ["dog", "cat"]')).report.to_json()
    assert faked.asked[0].classes == ["cat", "dog", "fire truck"]
    assert told["data"]["classes"] == 2


def test_only_the_pairs_that_are_asked_for_are_evaluated(run: Any, faked: Faked) -> None:
    found = run(('profile = "paper"', 'profile = "paper"\npairs = "sketch:clay,photo:clay"'))
    assert len(faked.asked) == 2
    asked = [(each["query"], each["gallery"]) for each in found.report.to_json()["pairs"]]
    assert asked == [("sketch", "clay"), ("photo", "clay")]


def test_nothing_is_trained_twice_and_other_names_are_another_training(run: Any, faked: Faked) -> None:
    run()
    first = [each.out for each in faked.asked]
    run()
    assert len(faked.asked) == 2
    assert faked.lines[-1] == "2 of 2: seed 1; known from an earlier run"
    for names in (LISTED.format("cat", "dog"), LISTED.format("cat", "cup"), 'classes = "generic"'):
        faked.asked.clear()
        run((DATA, names))
        assert len(faked.asked) == 2
        assert not {each.out.parent for each in faked.asked} & {each.parent for each in first}
        first += [each.out for each in faked.asked]


def test_figures_over_some_classes_are_not_taken_for_those_over_all(run: Any, faked: Faked) -> None:
    run()
    told = run(('profile = "paper"', 'profile = "paper"\nclasses = ["dog", "cat", "Fire_Truck"]')).report.to_json()
    assert told["options"]["classes"] == ["dog", "cat", "Fire_Truck"]


def test_a_failure_names_the_seed_and_keeps_what_is_finished(run: Any, faked: Faked) -> None:
    faked.fails = 1
    with pytest.raises(SamekindError, match=r"seed 1 \(2 of 2\): The loss is nan\. .* goes on"):
        run()
    faked.fails = 10**6
    run()
    assert [each.seed for each in faked.asked] == [0, 1, 1]


def test_some_seeds_are_a_file_of_their_own(run: Any, faked: Faked) -> None:
    assert run(seeds=[1]).file.name == "made-seeds-1.json"
    assert [each.seed for each in faked.asked] == [1]


def test_unseen_classes_of_a_declared_set_are_asked_about_by_its_own_protocol(
    run: Any, faked: Faked, tmp_path: Path
) -> None:
    """Sketchy with two of its test classes and one of its training's: the names are all three."""
    root = tmp_path / "sketchy"
    for n, name in enumerate(("bat", "cow", "alarm_clock")):
        for domain in ("photo", "sketch"):
            for picture in range(2):
                paint(root / domain / name / f"{picture}.png", (200 - 80 * n, 80 * n, 50), picture)
    about = ('protocol = "ucdir"', 'protocol = "uccdr"\nclasses = ["bat", "cow"]')
    told = run(('name = "made"', 'name = "sketchy"'), about, data=root).report.to_json()
    assert faked.asked[0].classes == ["alarm clock", "bat", "cow"]
    (pair,) = told["pairs"]
    assert (pair["query"], pair["gallery"], pair["queries"]) == ("sketch", "photo", 4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([('"tki"', '"magic"')], r"magic, for which there is no training here\. There is for: tki, tpsnet"),
        ([('"tki"', '"tpsnet"')], "tpsnet, which learns from pictures: .* write classes_count"),
        ([(DATA, "classes_count = 3")], r"tki, which learns from names alone: .* write classes = .data.*generic"),
    ],
)
def test_a_method_of_the_other_sort_is_refused_before_anything_is_read(
    tmp_path: Path, tiny_clip: Path, faked: Faked, changes: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        run_recipe(read(tmp_path, tiny_clip, *changes), data=tmp_path / "missing", trainer=faked.trainer)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            DATA,
            "",
            r"lacks classes_count or classes\. Write .*classes_count = .* from pictures; classes = .* names alone",
        ),
        (DATA, f"{DATA}\nclasses_count = 3", "has classes_count and classes. Write one of them"),
        ("seeds = [0, 1]", "", r"lacks seeds\. Write seeds = "),
        (DATA, 'classes = "names.txt"', "a list of different names, not 'names.txt'"),
        (DATA, "classes = []", "a list of different names"),
        (DATA, 'classes = ["dog", 1]', "a list of different names"),
        (DATA, 'classes = ["dog", "_"]', "a list of different names"),
        (DATA, 'classes = ["fire truck", "Fire_Truck"]', "a list of different names"),
        (DATA, "classes = 7", "classes of .* must be str"),
        (DATA, f'{DATA}\nper = "pair"', "per of .* is 'pair', and .* from names alone .* leave it out"),
        ('protocol = "ucdir"', 'protocol = "ucdr"', "ucdr has two galleries"),
    ],
)
def test_what_a_recipe_may_not_say_of_names(tmp_path: Path, tiny_clip: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as told:
        read(tmp_path, tiny_clip, (old, new))
    assert "made.toml" in str(told.value)


def test_once_may_be_said(tmp_path: Path, tiny_clip: Path) -> None:
    recipe = read(tmp_path, tiny_clip, (DATA, f'{DATA}\nper = "once"'))
    assert recipe.train is not None
    assert recipe.train.per == "once"


def test_beside_the_retrievers_it_is_said_of_which_names_they_are(run: Any, tmp_path: Path) -> None:
    run()
    (whole,) = [json.loads(file.read_text()) for file in (tmp_path / "work").rglob("study.json")]
    assert whole["classes"] == ["cat", "dog", "fire truck"]
    assert "classes_count" not in whole
