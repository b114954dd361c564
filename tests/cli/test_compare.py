"""`samekind compare`: what it prints, writes and refuses."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from samekind.cli import app


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "evaluation" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


written = load("written")
GOOD, BAD = written.GOOD, written.BAD


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A result, and one that is better in every query of the second pair."""
    first = written.two_pairs([BAD] * 20).write(tmp_path)
    second = written.two_pairs([BAD] * 20, [GOOD] * 20, name="better").write(tmp_path)
    return [str(first), str(second)]


def run(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=False)
    return found.exit_code, found.stdout, found.stderr


def test_the_table_has_a_line_for_each_pair_with_differences_and_their_marks(files: list[str]) -> None:
    status, out, _ = run(*files)
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["photo", "sketch", ".250", "0.000", "0.000", "+0.000"] in lines
    assert ["sketch", "photo", ".250", "0.000", "1.000", "+1.000*"] in lines
    assert ["mean", ".250", "0.000", "0.500", "+0.500*"] in lines
    assert "*: differs from mini by more than chance" in out


def test_published_figures_have_a_column_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    pairs = [
        (name, "real", [GOOD, BAD], "unseen") for name in ("sketch", "quickdraw", "painting", "infograph", "clipart")
    ]
    made = written.Made(pairs, protocol="ucdr", profile="paper", data="domainnet", split=None, headline=["mAP@200"])
    status, out, _ = run(str(made.write(tmp_path)))
    assert status == 0
    header = next(line for line in out.splitlines() if line.split()[:2] == ["query", "gallery"])
    row = next(line for line in out.splitlines() if line.split()[:1] == ["ProS,"])
    assert header.rstrip().endswith("published")
    assert row.split() == ["ProS,", "CLIP", "ViT-B/32", "0.6052"]
    assert len(row.rstrip()) == len(header.rstrip())
    assert "arXiv:2312.12478" in out


def test_a_published_figure_of_a_pair_stands_in_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    names = ("art", "clipart", "product", "real_world")
    pairs = [(query, gallery, [GOOD, BAD]) for query in names for gallery in names if query != gallery]
    made = written.Made(pairs, profile="paper", data="office_home", split=None, headline=["P@1"])
    status, out, _ = run(str(made.write(tmp_path)))
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["real_world", "art", "0.500", "0.9174"] in lines
    assert ["art", "clipart", "0.500"] in lines
    assert ["TPSNet,", "ViT-B", "0.8453"] in lines


def test_json_is_all_that_standard_output_has(files: list[str], tmp_path: Path) -> None:
    status, out, err = run(*files, "--json", "--out", str(tmp_path / "out"), "--map", "none")
    assert status == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert "index.html" in err


def test_a_report_is_written_and_what_it_lacks_is_said(files: list[str], tmp_path: Path) -> None:
    status, _, err = run(files[0], "--out", str(tmp_path / "out"))
    assert status == 0
    assert (tmp_path / "out" / "index.html").stat().st_size > 1000
    assert "give --data DIR to see them" in err


def test_results_about_something_else_are_refused(files: list[str], tmp_path: Path) -> None:
    other = written.two_pairs([BAD] * 20, name="other", profile="paper", split=None).write(tmp_path)
    status, out, err = run(files[0], str(other))
    assert status == 2
    assert out == ""
    assert "they differ in profile (paper, not clean); split" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "x"], "--data and --cache belong to the report"),
        (["--map", "round"], "There is no map 'round'"),
        (["--out", "FILE"], "is a file; give --out a folder"),
    ],
)
def test_wrong_usage_is_told(files: list[str], arguments: list[str], said: str) -> None:
    status, out, err = run(files[0], *(files[0] if each == "FILE" else each for each in arguments))
    assert (status, out) == (2, "")
    assert said in err


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    status, _, err = run(str(tmp_path / "none.json"))
    assert status == 2
    assert "none.json cannot be read" in err


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    file = written.two_pairs([GOOD, BAD], name="\x1b[31m[bold]red").write(tmp_path, "r")
    status, out, _ = run(str(file))
    assert status == 0
    assert "\x1b" not in out
    assert "[bold]red" in out.replace("\n", "")
