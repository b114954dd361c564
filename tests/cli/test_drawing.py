"""Tables on a terminal: bold where there is a terminal, plain in a pipe, and no name ever drives it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from samekind.cli import evaluate_table
from samekind.cli.data import overview
from samekind.cli.data_table import checked, overviews
from samekind.cli.drawing import drawn, literal, table
from samekind.datasets import DATASETS, dataset
from samekind.datasets.check import CheckReport

HOSTILE = "\x1b[31m[bold]x\x07"
SHOWN = "\\x1b[31m[bold]x\\x07"
PAIR = {"query": HOSTILE, "gallery": "[red]", "queries": 3, "gallery_size": 4, "without_relevant": 0, "chance": 0.5}
REPORT: dict[str, Any] = {
    "protocol": "ucdir",
    "profile": "clean",
    "retriever": {"name": HOSTILE},
    "data": {"name": "made"},
    "headline": ["P@1"],
    "pairs": [PAIR | {"metrics": {"P@1": 0.25}, "intervals": {"P@1": [0.0, 0.5]}}],
    "mean": {"P@1": 0.25},
    "notes": [HOSTILE],
    "skipped": 0,
    "encoded": 7,
    "cached": 0,
    "seconds": {"encode": 1.0, "score": 1.0},
}


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: request.param)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return bool(request.param)


def test_a_heading_is_bold_on_a_terminal_alone(terminal: bool) -> None:
    found = table("title")
    found.add_column("name")
    found.add_row(literal("a"))
    assert ("\x1b[1m" in drawn(found)) is terminal


def test_a_result_has_bold_headings_and_names_as_they_are(terminal: bool) -> None:
    told = evaluate_table.text(REPORT)
    assert ("\x1b[1m" in told) is terminal
    assert told.count(SHOWN) == 3  # title, query, note
    assert "[red]" in told
    assert "\x1b[31m" not in told
    assert "\\x1b[1m" not in told


def test_a_micro_average_stands_beside_no_chance_of_another_figure() -> None:
    assert "chance" in evaluate_table.text(REPORT)
    assert "chance" not in evaluate_table.text(REPORT | {"profile": "paper"})


def test_sentences_are_wrapped_on_a_terminal_and_whole_in_a_pipe(terminal: bool) -> None:
    told = drawn(literal("word " * 40))
    assert (max(map(len, told.splitlines())) <= 100) is terminal


def test_a_narrow_terminal_is_told_that_intervals_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, said in (("120", "[low, high]: 95 %"), ("60", "too narrow for intervals")):
        monkeypatch.setenv("COLUMNS", columns)
        assert said in evaluate_table.text(REPORT | {"retriever": {"name": "mini"}, "headline": ["P@1"] * 3})


def test_lists_of_data_sets_have_no_control_sequence_as_text(terminal: bool) -> None:
    told = overviews([overview(dataset(name)) for name in DATASETS])
    assert ("\x1b[1m" in told) is terminal
    assert "\\x1b" not in told


def test_findings_of_a_check_cannot_drive_a_terminal(tmp_path: Path) -> None:
    found = {"uri": "x", "reason": "surplus", "detail": f"{HOSTILE}\nsecond"}
    told = checked(CheckReport("made", "made", tmp_path, {}, {}, (), (found,), (), (), (), 0, "0" * 64, 1.0))
    assert f"  {SHOWN}\\nsecond\n" in told
    assert "\x1b" not in told
