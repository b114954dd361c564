"""`samekind evaluate`, `run` and `info RESULT.json`: what they print, write and refuse, and with which status."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from samekind.cli import app
from samekind.cli.evaluate import class_names
from samekind.errors import UsageError

COLOURS = {"dog": (200, 30, 30), "cat": (30, 200, 30), "car": (30, 30, 200)}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Three classes in two domains, twelve noisy pictures of one colour each."""
    rng = np.random.default_rng(0)
    for domain in ("photo", "sketch"):
        for name, colour in COLOURS.items():
            folder = tmp_path / "world" / domain / name
            folder.mkdir(parents=True)
            for n in range(12):
                pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n:02}.png")
    return tmp_path / "world"


@pytest.fixture
def invoke(runner: CliRunner, tiny_clip: Path, world: Path, tmp_path: Path) -> Any:
    def run(*arguments: str, retriever: bool = True, data: bool = True) -> Any:
        command = ["evaluate", *arguments, "--cache", str(tmp_path / "cache")]
        command += ["--retriever", str(tiny_clip)] if retriever else []
        command += ["--data", str(world)] if data else []
        return runner.invoke(app, command)

    return run


def test_a_table_for_people_has_a_line_for_each_pair_and_their_mean(invoke: Any) -> None:
    done = invoke()
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny on world: ucdir, profile clean"
    assert any(line.split()[:2] == ["photo", "sketch"] for line in lines)
    assert any(line.split()[:2] == ["sketch", "photo"] for line in lines)
    assert any(line.split()[:1] == ["mean"] for line in lines)
    assert "By class name" in done.stdout
    assert "bootstrap" in done.stdout


def test_a_narrow_terminal_gets_the_figures_without_intervals(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, shown in (("120", True), ("70", False)):
        monkeypatch.setenv("COLUMNS", columns)
        table = invoke().stdout.split("By class name")[0]
        assert ("[" in table) is shown
        assert "…" not in table
        assert max(map(len, table.splitlines())) <= int(columns)


def test_json_is_the_result_alone(invoke: Any) -> None:
    done = invoke("--json", "--profile", "paper", "--seed", "5")
    told = json.loads(done.stdout)
    assert (told["schema"], told["protocol"], told["profile"], told["seed"]) == (1, "ucdir", "paper", 5)
    assert [pair["queries"] for pair in told["pairs"]] == [36, 36]


def test_out_writes_the_same_and_prints_the_table(invoke: Any, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "r.json"
    first = invoke("--out", str(out), "--pairs", "sketch:photo")
    assert first.exit_code == 0
    assert "mean" in first.stdout
    told = json.loads(out.read_text())
    assert [(pair["query"], pair["gallery"]) for pair in told["pairs"]] == [("sketch", "photo")]
    again = json.loads(invoke("--json", "--pairs", "sketch:photo").stdout)
    assert (again["pairs"], again["encoded"]) == (told["pairs"], 0)


def test_several_retrievers_are_a_list_after_one_flag_or_after_several(
    invoke: Any, runner: CliRunner, tiny_clip: Path, tmp_path: Path, world: Path
) -> None:
    import samekind

    samekind.load(tiny_clip).save(tmp_path / "mine")
    other = tmp_path / "other"
    from samekind.clip.weights import load_encoder, save_encoder

    encoder = load_encoder(tiny_clip)
    encoder.vision_model.get_parameter("post_layernorm.weight").data += 0.1
    save_encoder(encoder, other)
    for given in (
        ["--retriever", str(tiny_clip), "--retriever", str(other)],
        ["--retriever", str(tiny_clip), str(other)],
    ):
        done = runner.invoke(
            app, ["evaluate", *given, "--data", str(world), "--cache", str(tmp_path / "cache"), "--json"]
        )
        assert done.exit_code == 0, done.stderr
        assert [each["retriever"]["name"] for each in json.loads(done.stdout)] == ["tiny", "other"]
    done = runner.invoke(app, ["evaluate", *given, "--data", str(world), "--out", str(tmp_path / "r.json")])
    assert {path.name for path in tmp_path.glob("r-*.json")} == {"r-tiny.json", "r-other.json"}
    assert done.stdout.count("profile clean") == 2


def test_classes_are_named_in_a_row_or_in_a_file(invoke: Any, tmp_path: Path) -> None:
    listed = tmp_path / "names.txt"
    listed.write_text("dog\n\ncat\n")
    for given in ("dog,cat", str(listed)):
        told = json.loads(invoke("--classes", given, "--json", "--profile", "paper").stdout)
        assert told["data"]["classes"] == 2
        assert [pair["queries"] for pair in told["pairs"]] == [24, 24]
    with pytest.raises(UsageError, match="names no class"):
        class_names(",")
    with pytest.raises(UsageError, match="cannot be read"):
        class_names(str(tmp_path / "missing.txt"))


def test_skipped_pictures_are_told_on_standard_error_and_in_the_result(
    invoke: Any, world: Path, tmp_path: Path
) -> None:
    (world / "photo" / "dog" / "03.png").write_bytes(b"no picture")
    out = tmp_path / "r.json"
    done = invoke("--out", str(out), "--profile", "paper")
    assert done.exit_code == 0
    assert "1 file was skipped, such as photo/dog/03.png" in done.stderr
    assert "1 file was skipped, and in no figure." in done.stdout
    assert json.loads(out.read_text())["skipped"] == 1
    assert json.loads(out.with_suffix(".skipped.jsonl").read_text())["uri"].endswith("photo/dog/03.png")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--protocol", "best"], "ucdir"),
        (["--profile", "best"], "clean or paper"),
        (["--pairs", "photo"], "photo:sketch"),
        (["--pairs", "photo:drawing"], "photo, sketch"),
        (["--classes", "horse"], "car, cat, dog"),
        (["--out", "result.txt"], ".json"),
        (["--protocol", "ucdr"], "domainnet"),
        (["--seen", "all"], "train"),
        (["--seed", "-1"], "from 0 on"),
        (["--no-such-flag"], "no-such-flag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2_with_what_to_do(invoke: Any, wrong: list[str], said: str) -> None:
    done = invoke(*wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_wrong_limit_of_the_cache_is_refused_before_anything_is_done(
    invoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", "much")
    assert invoke().exit_code == 2
    assert not (tmp_path / "cache").exists()


def test_data_that_are_missing_or_not_given_are_wrong_usage(invoke: Any, tmp_path: Path) -> None:
    assert "--data" in invoke(data=False).stderr
    done = invoke("--data", str(tmp_path / "nothing"), data=False)
    assert (done.exit_code, done.stdout) == (2, "")


def test_classes_that_differ_between_domains_are_named(invoke: Any, world: Path) -> None:
    os.rename(world / "photo" / "dog", world / "photo" / "hound")  # noqa: PTH104
    done = invoke()
    assert done.exit_code == 2
    assert "photo lacks dog; sketch lacks hound" in done.stderr
    assert invoke("--classes", "car,cat").exit_code == 0


def test_a_retriever_that_cannot_be_loaded_or_a_domain_that_cannot_be_opened_is_status_1(
    invoke: Any, world: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert invoke("--retriever", str(empty), retriever=False).exit_code == 1
    for file in (world / "sketch").rglob("*.png"):
        file.write_bytes(b"no picture")
    done = invoke()
    assert (done.exit_code, done.stdout) == (1, "")
    assert "No picture of sketch" in done.stderr


def test_info_of_a_result_is_its_table(invoke: Any, runner: CliRunner, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    table = invoke("--out", str(out)).stdout
    told = runner.invoke(app, ["info", str(out)]).stdout
    assert told.startswith("kind: evaluation\n")
    assert table.split("[low, high]")[0] in told
    facts = json.loads(runner.invoke(app, ["info", str(out), "--json"]).stdout)
    assert facts == {"kind": "evaluation", **json.loads(out.read_text())}


@pytest.fixture
def recipe(tmp_path: Path, tiny_clip: Path) -> Path:
    path = tmp_path / "made.toml"
    path.write_text(
        'title = "A made-up world"\ncommand = "samekind run made.toml --data world"\n[retriever]\n'
        f'ref = "{tiny_clip.as_posix()}"\n[data]\nname = "made"\n[evaluate]\nprotocol = "ucdir"\nprofile = "paper"\n'
    )
    return path


def test_run_writes_the_result_of_a_recipe_and_compares_its_score(
    runner: CliRunner, recipe: Path, world: Path, tmp_path: Path
) -> None:
    command = [
        "run",
        str(recipe),
        "--data",
        str(world),
        "--out",
        str(tmp_path / "results"),
        "--cache",
        str(tmp_path / "c"),
    ]
    done = runner.invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("A made-up world\n")
    assert "No score was compared: made expects none." in done.stderr
    result = tmp_path / "results" / "made.json"
    found = json.loads(result.read_text())["mean"]["P@1"]
    plain = recipe.read_text()
    for value, status, said in ((found, 0, ": within 0.01"), (found / 2 - 0.1, 1, ": NOT within 0.01")):
        recipe.write_text(f'{plain}[expected."P@1"]\nvalue = {value}\ntolerance = 0.01\nsource = "measured"\n')
        done = runner.invoke(app, command)
        assert done.exit_code == status
        assert said in done.stderr


def test_run_refuses_what_is_no_recipe_and_a_method_that_is_not_there(
    runner: CliRunner, recipe: Path, tmp_path: Path
) -> None:
    assert runner.invoke(app, ["run", str(tmp_path / "none.toml")]).exit_code == 2
    named = runner.invoke(app, ["run", str(tmp_path / "none.toml"), "--out", str(tmp_path / "r.json")])
    assert named.exit_code == 2
    assert "give a folder" in named.stderr
    recipe.write_text(recipe.read_text() + '[train]\nmethod = "no_such_method"\nclasses_count = 3\nseeds = [0]\n')
    done = runner.invoke(app, ["run", str(recipe), "--data", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no_such_method" in done.stderr
