"""`samekind data list | show | check`, through the application that the console script runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samekind.cli import app
from samekind.datasets import DATASETS, dataset

Paint = Callable[..., Path]


@pytest.fixture(scope="module")
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def world(tmp_path: Path, paint: Paint) -> Path:
    return paint(
        tmp_path / "[bold]world", *(f"{d}/{c}/{n}.png" for d in ("photo", "sketch") for c in "ab" for n in "12")
    )


def test_list_names_every_data_set_with_its_sizes(runner: CliRunner) -> None:
    done = runner.invoke(app, ["data", "list"])
    assert done.exit_code == 0
    for name in DATASETS:
        assert name in done.stdout
    assert "586,575" in done.stdout
    assert "15,588 *" in done.stdout
    assert "* wholly or partly from memory" in done.stdout
    told = json.loads(runner.invoke(app, ["data", "list", "--json"]).stdout)
    assert [each["name"] for each in told] == list(DATASETS)
    assert {each["name"]: each["classes"] for each in told}["domainnet"] == 345


def test_show_tells_every_fact_and_where_it_is_from(runner: CliRunner) -> None:
    done = runner.invoke(app, ["data", "show", "domainnet"])
    declared = dataset("domainnet")
    assert done.exit_code == 0
    for part in (declared.citation, declared.source, "48,129 or 48,837", "The_Eiffel_Tower", *declared.notes):
        assert part in done.stdout
    assert declared.split_hashes["test"] in done.stdout
    told = json.loads(runner.invoke(app, ["data", "show", "domainnet", "--json"]).stdout)
    assert told["class_splits"]["ucdir"] == list(declared.class_splits["ucdir"])
    assert told["archives"][0]["name"] == "clipart.zip"


def test_a_whole_folder_leaves_with_0_and_says_so(runner: CliRunner, world: Path) -> None:
    done = runner.invoke(app, ["data", "check", "folder", str(world)])
    assert done.exit_code == 0
    assert "is whole: 8 pictures" in done.stdout


def test_a_folder_that_is_not_whole_leaves_with_1_and_says_what_is_wrong(
    runner: CliRunner, world: Path, paint: Paint
) -> None:
    (world / "photo" / "a" / "1.png").write_bytes(b"")
    (world / "photo" / "a" / "2.png").write_bytes((world / "sketch" / "b" / "1.png").read_bytes())
    paint(world, "photo/[red]c/1.png")
    done = runner.invoke(app, ["data", "check", "folder", str(world)])
    assert done.exit_code == 1
    for part in (
        "photo/a/1.png is empty (0 bytes)",
        "sketch/[red]c (a class) is not there",
        "photo/a/2.png = sketch/b/1.png (classes a, b)",
        "not whole: 1 missing, 1 broken, 1 there twice",
    ):
        assert part in done.stdout


def test_json_is_the_report_alone(runner: CliRunner, world: Path) -> None:
    (world / "photo" / "a" / "1.png").write_bytes(b"")
    done = runner.invoke(app, ["data", "check", "folder", str(world), "--json"])
    assert done.exit_code == 1
    assert [each["uri"] for each in json.loads(done.stdout)["broken"]] == ["photo/a/1.png"]


def test_long_lists_are_cut_for_people_and_whole_in_json(runner: CliRunner, tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "clipart/zebra/1.png")
    told = runner.invoke(app, ["data", "check", "domainnet", str(tmp_path)]).stdout
    assert "missing: 350" in told  # 344 classes, 5 domains, the number of pictures
    assert "and 338 more; --json lists all of them" in told
    found = json.loads(runner.invoke(app, ["data", "check", "domainnet", str(tmp_path), "--json"]).stdout)
    assert len(found["missing"]) == 350


@pytest.mark.parametrize("arguments", [["check", "imagenet", "."], ["check", "pacs", "none"], ["show", "imagenet"]])
def test_what_does_not_exist_leaves_with_2(runner: CliRunner, arguments: list[str]) -> None:
    done = runner.invoke(app, ["data", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: There is no ")
