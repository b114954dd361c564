"""Recipes that train: what is trained, with what, what is kept, and the document over seeds. Training is faked."""

import json
import statistics
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import Colours, world

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.recipes import Recipe
from samekind.evaluation.recipes_run import Outcome, run_recipe
from samekind.evaluation.reports.files import read_result, readings
from samekind.evaluation.study import spread
from samekind.evaluation.study_run import Trainer

TEXT = """
title = "made"
command = "samekind run made.toml --data PATH"
[retriever]
ref = "{ref}"
[data]
name = "made"
[train]
method = "tpsnet"
classes_count = 3
seeds = [0, 1]
[train.settings]
synergy.epochs = 2
[readings.fused]
output = "fused"
[evaluate]
protocol = "ucdir"
profile = "paper"
"""


class Noisy(Colours):
    """Colours with noise that follows from the seed, the reading and the picture."""

    def __init__(self, seed: int, output: str = "synergy") -> None:
        super().__init__(f"{seed}{output}")
        self.seed, self.output = seed, output
        self.card.method, self.card.seed, self.card.config = "tpsnet", seed, {"classes": 3, "output": output}
        self.card.training = {"seconds": {"encode": 1.0, "synergy": 2.0}, "repaired": [0.1, 0.2], "key": "k"}

    def with_config(self, output: str) -> "Noisy":
        return Noisy(self.seed, output)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        clean = super().encode_pixels(pixels, domain)
        dice = [np.random.default_rng([self.seed, len(self.output), int(each.sum())]) for each in pixels]
        return clean + np.stack([rng.normal(0, 0.6, 3) for rng in dice]).astype(np.float32)


class Faked:
    """Stands for `samekind.train`; notes what it was asked, and fails from call number `fails` on."""

    def __init__(self) -> None:
        self.asked: list[SimpleNamespace] = []
        self.lines: list[str] = []
        self.fails = 10**6

    def train(self, method: str, data: Any, *, out: Path, seed: int, **options: Any) -> Any:
        self.asked.append(SimpleNamespace(method=method, data=data, out=out, seed=seed, **options))
        if len(self.asked) > self.fails:
            raise SamekindError("The loss is nan.")
        return Noisy(seed)

    @property
    def trainer(self) -> Trainer:
        return Trainer(("tpsnet",), self.train, self.lines.append)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world(tmp_path_factory.mktemp("studies") / "world", ("clay", "photo", "sketch"), per_class=4)


@pytest.fixture
def faked() -> Faked:
    return Faked()


@pytest.fixture
def run(tmp_path: Path, tiny_clip: Path, root: Path, faked: Faked) -> Any:
    def ran(*changes: tuple[str, str], seeds: list[int] | None = None, **options: Any) -> Outcome:
        recipe = read(tmp_path, tiny_clip, *changes)
        places = {"out": tmp_path / "results", "work": tmp_path / "work", "cache": tmp_path / "cache"}
        return run_recipe(recipe, data=root, trainer=faked.trainer, seeds=seeds, **{**places, **options})

    return ran


def read(folder: Path, tiny_clip: Path, *changes: tuple[str, str]) -> Recipe:
    text = TEXT.format(ref=tiny_clip.as_posix())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "made.toml").write_text(text)
    return Recipe.read(folder / "made.toml")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path, root: Path) -> tuple[Faked, dict[str, Any], Path]:
    """The recipe as it stands: what was trained, the document, and the folder of it all."""
    folder, faked = tmp_path_factory.mktemp("whole"), Faked()
    places = {"out": folder / "results", "work": folder / "work", "cache": folder / "cache"}
    run_recipe(read(folder, tiny_clip), data=root, trainer=faked.trainer, command="samekind run x", **places)
    return faked, json.loads((folder / "results" / "made.json").read_text()), folder


def test_each_two_domains_are_trained_alone_with_each_seed(whole: Any, root: Path) -> None:
    faked, _, folder = whole
    pairs = [("clay", "photo"), ("clay", "sketch"), ("photo", "sketch")]
    assert [(each.seed, each.domains) for each in faked.asked] == [(seed, pair) for seed in (0, 1) for pair in pairs]
    first = faked.asked[0]
    assert (first.method, first.data, first.classes_count) == ("tpsnet", str(root), 3)
    assert first.settings == ("profile=all", "synergy.epochs=2")
    assert all(each.out.is_relative_to(folder / "work") for each in faked.asked)
    assert len({each.out for each in faked.asked}) == 6
    assert faked.lines[0] == "1 of 6: seed 0, clay and photo"
    assert faked.lines[5].startswith("6 of 6: seed 1, photo and sketch; about ")


def test_the_document_has_figures_over_seeds_and_where_they_are_from(whole: Any) -> None:
    _, told, _ = whole
    assert (told["schema"], told["kind"], told["seeds"], told["profile"]) == (1, "study", [0, 1], "paper")
    assert [(pair["query"], pair["gallery"]) for pair in told["pairs"]][:2] == [("clay", "photo"), ("clay", "sketch")]
    assert len(told["pairs"]) == 6
    for pair in told["pairs"]:
        assert (pair["queries"], pair["gallery_size"]) == (12, 12)
        for metric, values in pair["by_seed"].items():
            assert pair["metrics"][metric] == pytest.approx(sum(values) / 2, abs=1e-5)
            assert pair["sd"][metric] == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=1e-5)
    of_seed = [statistics.fmean(pair["by_seed"]["P@1"][seed] for pair in told["pairs"]) for seed in (0, 1)]
    assert told["mean_by_seed"]["P@1"] == pytest.approx(of_seed, abs=1e-5)
    assert told["mean"]["P@1"] == pytest.approx(sum(of_seed) / 2, abs=1e-5)
    assert 0 < told["mean_sd"]["P@1"] < 1
    assert told["retriever"]["name"] == told["retriever"]["method"] == "tpsnet"
    made = told["training"]["retrievers"]
    assert [(each["seed"], each["domains"]) for each in made[:2]] == [(0, ["clay", "photo"]), (0, ["clay", "sketch"])]
    assert made[0]["facts"] == {"seconds": {"encode": 1.0, "synergy": 2.0}, "repaired": [0.1, 0.2]}
    assert (told["training"]["classes_count"], told["training"]["per"]) == (3, "pair")
    assert told["seconds"]["train"] == 18.0
    assert "[readings.fused]" in told["recipe"]["text"]
    assert told["command"] == "samekind run x"
    assert {"data", "versions", "machine", "date", "split", "headline", "metrics_note"} <= told.keys()
    assert "intervals" not in told["metrics_note"]


def test_a_reading_is_a_second_group_of_figures_of_the_same_retrievers(whole: Any) -> None:
    faked, told, folder = whole
    fused = told["readings"]["fused"]
    assert fused["config"] == {"output": "fused"}
    assert fused.keys() >= {"pairs", "mean", "mean_sd", "mean_by_seed", "sha256"}
    assert fused["mean"] != told["mean"]
    assert len(faked.asked) == 6
    result = read_result(folder / "results" / "made.json")
    assert (result.seeds, result.queries) == ((0, 1), ())
    assert "keeps no queries" in result.lacking
    (other,) = readings(result)
    assert other.facts["retriever"]["name"] == "tpsnet, fused"
    assert other.pairs[0].metrics == fused["pairs"][0]["metrics"]


def test_vectors_of_retrievers_that_are_asked_once_are_not_kept(whole: Any) -> None:
    _, _, folder = whole
    assert not list(folder.rglob("*.npz"))
    assert not (folder / "cache").exists()


def test_a_study_is_a_small_file(whole: Any) -> None:
    _, _, folder = whole
    size = (folder / "results" / "made.json").stat().st_size
    assert size < 40_000  # 6 pairs, 2 seeds: 12 pairs with 3 stay far below 100 KB
    assert list((folder / "results").iterdir()) == [folder / "results" / "made.json"]


def test_nothing_is_trained_twice(run: Any, faked: Faked, whole: Any) -> None:
    _, told, folder = whole
    again = run(work=folder / "work").report.to_json()
    assert not faked.asked
    assert {name: again[name] for name in told if name != "command"} == {
        name: told[name] for name in told if name != "command"
    }
    assert faked.lines[-1] == "6 of 6: seed 1, photo and sketch; known from an earlier run"
    run(("[readings.fused]", "[readings.other]"), ('title = "made"', 'title = "b"'), work=folder / "work")
    assert not faked.asked, "a name or a title is nothing that training depends on"
    run(("synergy.epochs = 2", "synergy.epochs = 3"), seeds=[0], work=folder / "work")
    assert len(faked.asked) == 3


def test_a_failure_names_seed_and_domains_and_keeps_what_is_finished(run: Any, faked: Faked) -> None:
    faked.fails = 4
    with pytest.raises(
        SamekindError, match=r"seed 1, clay and sketch \(5 of 6\): The loss is nan\. .* goes on"
    ) as told:
        run()
    assert not isinstance(told.value, UsageError)
    faked.fails = 10**6
    run()
    assert [(each.seed, each.domains) for each in faked.asked[5:]] == [
        (1, ("clay", "sketch")),
        (1, ("photo", "sketch")),
    ]


def test_figures_that_were_damaged_on_disk_are_made_again(run: Any, faked: Faked, tmp_path: Path) -> None:
    run(seeds=[0])
    kept = sorted((tmp_path / "work").rglob("tpsnet-0-clay-photo.*.json"))
    kept[0].write_text("{")
    run(seeds=[0])
    assert len(faked.asked) == 4


def test_one_retriever_over_all_domains(run: Any, faked: Faked) -> None:
    found = run(("seeds = [0, 1]", 'seeds = [5]\nper = "all"'), ("[readings.fused]", "[readings.f]"))
    assert [(each.seed, each.domains) for each in faked.asked] == [(5, ("clay", "photo", "sketch"))]
    assert len(found.report.to_json()["pairs"]) == 6


def test_only_the_pairs_that_are_asked_for_are_trained_for(run: Any, faked: Faked) -> None:
    found = run(('profile = "paper"', 'profile = "paper"\npairs = "sketch:clay"'))
    assert [each.domains for each in faked.asked] == [("clay", "sketch")] * 2
    assert [(each["query"], each["gallery"]) for each in found.report.to_json()["pairs"]] == [("sketch", "clay")]


def test_the_clean_profile_trains_on_the_training_part(run: Any, faked: Faked) -> None:
    run(('profile = "paper"', 'profile = "clean"\npairs = "clay:photo"'), seeds=[0])
    assert faked.asked[0].settings[0] == "profile=clean"


def test_some_seeds_are_a_file_of_their_own_without_spread(run: Any, whole: Any, tmp_path: Path) -> None:
    found = run(seeds=[1], work=whole[2] / "work")
    assert found.file == tmp_path / "results" / "made-seeds-1.json"
    told = found.report.to_json()
    assert (told["seeds"], told["mean_sd"], told["pairs"][0]["sd"]) == ([1], None, None)
    assert "not all seeds" in found.unchecked
    assert run(seeds=[1, 0], work=whole[2] / "work").file.name == "made.json"


@pytest.mark.parametrize("seeds", [[], [2], [0, 0]])
def test_seeds_that_the_recipe_does_not_have_are_refused(run: Any, seeds: list[int]) -> None:
    with pytest.raises(UsageError, match=r"seeds of made are 0, 1.*--seeds 0"):
        run(seeds=seeds)


def test_what_is_expected_is_expected_of_the_mean_over_seeds(run: Any, whole: Any) -> None:
    mean = whole[1]["mean"]["P@1"]
    for value, good in ((mean, True), (mean + 0.02, False)):
        entry = f'[expected."P@1"]\nvalue = {value}\ntolerance = 0.01\nsource = "measured"\n[evaluate]'
        assert run(("[evaluate]", entry), work=whole[2] / "work").good is good


def test_another_backbone_is_another_training_of_which_nothing_is_expected(
    run: Any, faked: Faked, tiny_clip: Path, tmp_path: Path
) -> None:
    from samekind.clip.weights import load_encoder, save_encoder

    run(seeds=[0])
    encoder = load_encoder(tiny_clip)
    encoder.vision_model.get_parameter("post_layernorm.weight").data += 0.1
    save_encoder(encoder, tmp_path / "other")
    found = run(seeds=[0], retriever=tmp_path / "other")
    assert len(faked.asked) == 6
    assert faked.asked[-1].backbone == str(tmp_path / "other")
    assert "not the recipe's" in found.unchecked


def test_a_method_without_training_is_refused_before_anything_is_read(
    tmp_path: Path, tiny_clip: Path, faked: Faked
) -> None:
    recipe = read(tmp_path, tiny_clip, ('"tpsnet"', '"no_such_method"'))
    with pytest.raises(UsageError, match=r"no_such_method, for which there is no training here.*tpsnet"):
        run_recipe(recipe, data=tmp_path / "missing", trainer=faked.trainer)


def test_without_a_trainer_nothing_is_trained(tmp_path: Path, tiny_clip: Path, root: Path) -> None:
    with pytest.raises(UsageError, match="no trainer was given"):
        run_recipe(read(tmp_path, tiny_clip), data=root, out=tmp_path)


def test_other_data_than_the_recipe_was_made_with_are_not_trained_on(run: Any, faked: Faked) -> None:
    with pytest.raises(SamekindError, match="cannot be compared"):
        run(('name = "made"', f'name = "made"\nsha256 = "{"0" * 64}"'))
    assert not faked.asked


def test_pictures_that_training_would_see_and_the_protocol_does_not_ask_about_are_refused(
    run: Any, faked: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samekind.evaluation import study_run

    real = study_run.read_data
    monkeypatch.setattr(study_run, "read_data", lambda data: (range(1 + len(real(data)[0])), None))
    with pytest.raises(UsageError, match="training would see all the others"):
        run()
    assert not faked.asked


def test_wrong_usage_in_a_training_stays_wrong_usage(run: Any, faked: Faked, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise UsageError("--set synergy.epoch=2: there is no setting 'epoch'")

    monkeypatch.setattr(faked, "train", refused)
    with pytest.raises(UsageError, match=r"seed 0, clay and photo: --set synergy\.epoch"):
        run()


def test_one_value_has_no_spread_and_of_two_it_is_their_distance_over_root_two() -> None:
    assert spread([0.5]) is None
    assert spread([0.5, 0.7]) == pytest.approx(0.2 / 2**0.5)
    assert spread([1.0, 2.0, 3.0]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("classes_count = 3", "", "lacks classes_count"),
        ("seeds = [0, 1]", "", "lacks seeds"),
        ("seeds = [0, 1]", "seeds = []", "different whole numbers"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "different whole numbers"),
        ("seeds = [0, 1]", "seeds = [-1]", "different whole numbers"),
        ("seeds = [0, 1]", "seeds = [true]", "different whole numbers"),
        ("seeds = [0, 1]", 'seeds = ["0"]', "different whole numbers"),
        ("seeds = [0, 1]", "seeds = 0", "seeds of .* must be list"),
        ("seeds = [0, 1]", "seeds = [0]\nseed = 1", "has no entry 'seed'"),
        ("classes_count = 3", "classes_count = 0", "above 0"),
        ("classes_count = 3", 'classes_count = "many"', "above 0"),
        ("classes_count = 3", 'classes_count = 3\nper = "class"', 'is "pair"'),
        ("synergy.epochs = 2", 'profile = "clean"', "leave it out, it is set by itself"),
        ("synergy.epochs = 2", "synergy.when = 2026-01-01", "synergy.when of"),
        ('output = "fused"', "", "each reading is a table"),
        ('profile = "paper"', 'profile = "paper"\nclasses = ["dog"]', "training sees whole domains"),
        ('protocol = "ucdir"', 'protocol = "ucdr"', "training sees whole domains"),
        ('method = "tpsnet"', 'method = "zero_shot"', "nothing is trained"),
    ],
)
def test_what_a_recipe_may_not_say_of_training(tmp_path: Path, tiny_clip: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as told:
        read(tmp_path, tiny_clip, (old, new))
    assert "made.toml" in str(told.value)


def test_settings_travel_as_toml_writes_them(tmp_path: Path, tiny_clip: Path) -> None:
    wide = 'synergy.epochs = 2\nsynergy.match = "prompts"\nprompts.words = 2\nmodel = {dropout = 1e-5, query = "all"}'
    recipe = read(tmp_path, tiny_clip, ("synergy.epochs = 2", wide))
    assert recipe.train is not None
    assert recipe.train.settings == (
        "profile=all",
        "synergy.epochs=2",
        'synergy.match="prompts"',
        "prompts.words=2",
        "model.dropout=1e-05",
        'model.query="all"',
    )
    values = [tomllib.loads(pair) for pair in recipe.train.settings[1:]]
    assert values[1:4] == [{"synergy": {"match": "prompts"}}, {"prompts": {"words": 2}}, {"model": {"dropout": 1e-5}}]
