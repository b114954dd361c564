"""Tables in the shape of the papers': rows, columns, marks, and names that can do no harm."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, NONE, Made, two_pairs

from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.table import cell, markdown, metric_markdown, tables

TWENTY = [GOOD, BAD] * 10


def cells(line: str) -> list[str]:
    return [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_a_row_for_each_result_and_a_column_for_each_pair_and_the_mean(tmp_path: Path) -> None:
    files = [two_pairs(TWENTY, [GOOD] * 20).write(tmp_path), two_pairs([BAD] * 20, name="worse").write(tmp_path)]
    lines = metric_markdown(tables(compare(files))[0]).splitlines()
    assert cells(lines[0]) == ["method", "photo → sketch", "sketch → photo", "mean"]
    assert cells(lines[2]) == ["mini", "0.5000", "1.0000", "0.7500"]
    assert cells(lines[3]) == ["worse", "0.0000*", "0.0000*", "0.0000*"]
    assert cells(lines[4]) == ["by chance", "0.2500", "0.2500", "0.2500"]


@pytest.mark.parametrize("headline", [["P@1", "P@5", "P@15"], ["mAP@200", "P@200"]])
def test_the_metrics_are_those_of_the_result(tmp_path: Path, headline: list[str]) -> None:
    comparison = compare([two_pairs(TWENTY, headline=headline).write(tmp_path)])
    assert [table.metric for table in tables(comparison)] == headline


def test_a_result_without_a_headline_has_the_protocols(tmp_path: Path) -> None:
    comparison = compare([two_pairs(TWENTY, facts={"headline": None}).write(tmp_path)])
    assert [table.metric for table in tables(comparison)] == ["P@1", "P@5", "P@15"]


def test_only_significant_differences_are_marked(tmp_path: Path) -> None:
    almost = [GOOD] * 19 + [BAD]
    files = [two_pairs([GOOD] * 20).write(tmp_path), two_pairs(almost, [BAD] * 20, name="other").write(tmp_path)]
    table = tables(compare(files))[0]
    assert [each.endswith("*") for each in table.rows[1].cells] == [False, True, True]


def test_chance_stands_beside_precision_and_not_beside_other_means(tmp_path: Path) -> None:
    clean = compare([two_pairs(TWENTY).write(tmp_path, "a")])
    assert [[row.label for row in table.rows] for table in tables(clean)] == [["mini", "by chance"], ["mini"]]
    paper = compare([two_pairs([GOOD, NONE], profile="paper", split=None).write(tmp_path, "b")])
    assert [[row.label for row in table.rows] for table in tables(paper)] == [["mini"], ["mini"]]


def test_every_difference_is_listed_with_interval_and_p(tmp_path: Path) -> None:
    files = [two_pairs([BAD] * 20).write(tmp_path), two_pairs([GOOD] * 20, name="other").write(tmp_path)]
    text = markdown(compare(files))
    assert "| other | photo → sketch | +1.0000* | [+1.0000, +1.0000] | < .001 | < .001 |" in text
    assert "| other | mean | +1.0000* | [+1.0000, +1.0000] | < .001 | < .001 |" in text
    assert "Holm's correction covers the 2 tests" in text


def test_one_result_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    text = markdown(compare([two_pairs(TWENTY).write(tmp_path)]))
    assert "Differences" not in text
    assert text.startswith("# made: ucdir, profile clean\n")
    assert text.endswith("\n")


@pytest.mark.parametrize(
    "name", ["a|b", "x\ny", "<script>alert(1)</script>", "[a](http://x)", "`rm`", "**b**", "a\\|b"]
)
def test_hostile_names_stay_in_their_cell(tmp_path: Path, name: str) -> None:
    made: dict[str, Any] = {"name": name, "pairs": [(name, "photo", TWENTY)]}
    file = Made(**made).write(tmp_path, "r")
    lines = metric_markdown(tables(compare([file]))[0]).splitlines()
    assert [len(cells(line)) for line in lines] == [3, 3, 3, 3]
    assert "<" not in "".join(lines)


def test_a_cell_escapes_what_markdown_reads() -> None:
    assert cell("a|b*c`d[e]<f>&\n") == r"a\|b\*c\`d\[e]&lt;f>&amp; "
