"""docs/results.md is rendered from the committed results, is that of today, and says how each was made."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, Made, two_pairs

from samekind.errors import UsageError
from samekind.evaluation.reports.results import grouped, hardware, render

ROOT = Path(__file__).resolve().parents[2]
MADE: dict[str, Any] = {
    "date": "2026-11-20",
    "command": "samekind run recipes/x.toml --data x",
    "machine": {"processor": "A Processor", "cores": 2, "memory_gib": 23.5, "gpu": "A GPU"},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "mean_intervals": {"P@1": [0.25, 0.75]},
    "skipped": 3,
}


def write(folder: Path, made: Made, stem: str) -> None:
    made.write(folder, stem, queries=False)


def test_the_page_is_that_of_today() -> None:
    page = ROOT / "docs" / "results.md"
    assert page.read_text(encoding="utf-8") == render(ROOT / "results"), "run `make docs`"


@pytest.mark.parametrize("there", [True, False])
def test_no_results_are_said_to_be_none(tmp_path: Path, there: bool) -> None:
    assert "There are no results yet" in render(tmp_path if there else tmp_path / "missing")


def test_every_result_says_how_it_was_made(tmp_path: Path) -> None:
    write(tmp_path, two_pairs([GOOD, BAD], facts=MADE), "pacs")
    page = render(tmp_path)
    for words in (
        "from [pacs.json](../results/pacs.json)",
        "- date: 2026-11-20",
        "- hardware: A Processor, 2 cores, 23.5 GiB, A GPU",
        "- versions: python 3.11.7, torch 2.13.0",
        "- command: `samekind run recipes/x.toml --data x`",
        "- retriever: mini, zero_shot, sha256 minimini",
        "- mean, 95 % interval: P@1 0.5000 (0.2500 to 0.7500)",
        "- split: 20% held out, sha256 5555555555555555",
        "- not usable: 3 pictures",
        "| made | ucdir | clean | 2 | mini | P@1 0.500; mAP@all 0.708 |",
    ):
        assert words in page


def test_results_about_the_same_stand_in_one_table(tmp_path: Path) -> None:
    write(tmp_path, two_pairs([GOOD, BAD], name="b"), "1")
    write(tmp_path, two_pairs([GOOD, GOOD], name="a"), "2")
    write(tmp_path, two_pairs([GOOD, BAD], profile="paper", split=None), "3")
    write(tmp_path, two_pairs([GOOD, BAD], data="qc24", sha256="e" * 64), "4")
    page = render(tmp_path)
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "## made: ucdir, profile clean",
        "## made: ucdir, profile paper",
        "## qc24: ucdir, profile clean",
    ]
    table = page.split("P@1:\n\n", 1)[1].splitlines()
    assert [line.split(" | ")[0] for line in table[2:5]] == ["| a", "| b", "| by chance"]


def test_results_of_other_pictures_never_share_a_table(tmp_path: Path) -> None:
    found = [two_pairs([GOOD], sha256=sign * 64).result(tmp_path, sign) for sign in "ab"]
    assert [len(group.results) for group in grouped(found)] == [1, 1]


def test_a_changed_figure_changes_the_page(tmp_path: Path) -> None:
    write(tmp_path, two_pairs([GOOD, BAD]), "r")
    before = render(tmp_path)
    values = json.loads((tmp_path / "r.json").read_text())
    values["pairs"][0]["metrics"]["P@1"] = 0.4999
    (tmp_path / "r.json").write_text(json.dumps(values))
    assert render(tmp_path) != before


def test_what_is_no_result_among_them_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UsageError, match=r"other\.json is no result"):
        render(tmp_path)


def test_commands_and_names_cannot_break_the_page(tmp_path: Path) -> None:
    write(tmp_path, two_pairs([GOOD], name="a|b\n# c", facts={"command": "x `y`\n\n# z"}), "r")
    page = render(tmp_path)
    assert "\n# c" not in page
    assert "\n# z" not in page


def test_hardware_leaves_out_what_is_not_known() -> None:
    assert hardware({}) == ""
    assert hardware({"processor": "P", "memory_gib": None}) == "P"
