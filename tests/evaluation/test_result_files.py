"""Result files are read back as they were written, and refused where they are anything else."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, NONE, Made, two_pairs

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.reports.files import read_result


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    return file


def test_a_result_is_read_with_its_queries(tmp_path: Path) -> None:
    found = two_pairs([GOOD, BAD, GOOD]).result(tmp_path)
    assert [pair.title for pair in found.pairs] == ["photo → sketch", "sketch → photo"]
    assert found.headline == ("P@1", "mAP@all")
    queries = found.queries[0]
    assert queries.files == ("photo/cat/0.png", "photo/dog/1.png", "photo/cat/2.png")
    assert queries.values["P@1"].tolist() == [1, 0, 1]
    assert queries.first.tolist() == [1, 3, 1]
    assert queries.shown(1, 2) == [("sketch/cat/1.png", False), ("sketch/cat/2.png", False)]


def test_means_are_those_of_the_pairs_with_one_gallery_name(tmp_path: Path) -> None:
    made = Made([("a", "real", [GOOD], "unseen"), ("b", "real", [BAD], "unseen"), ("a", "real", [BAD], "mixed")])
    found = made.result(tmp_path)
    assert found.groups == ("unseen", "mixed")
    assert found.mean["unseen"]["P@1"] == 0.5
    assert found.mean["mixed"]["P@1"] == 0.0


def test_a_result_without_its_table_says_so(tmp_path: Path) -> None:
    found = read_result(two_pairs([GOOD]).write(tmp_path, queries=False))
    assert found.queries == ()
    assert found.lacking == "mini.queries.parquet is not there"


def test_queries_with_nothing_relevant_are_in_no_p_of_the_paper_profile(tmp_path: Path) -> None:
    found = two_pairs([GOOD, NONE], profile="paper", split=None).result(tmp_path)
    assert found.pairs[0].metrics["P@1"] == 1.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "no JSON"),
        ("[]", "several results"),
        ("3", "it lacks schema"),
        ('{"schema": 1}', "it lacks protocol"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_result(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read"):
        read_result(tmp_path / "nowhere.json")


def break_metric(values: dict[str, Any], value: Any) -> None:
    values["pairs"][0]["metrics"]["P@1"] = value


@pytest.mark.parametrize("value", ["high", 1.5, -1, float("nan"), None, {}])
def test_a_figure_that_is_no_share_is_refused(tmp_path: Path, value: Any) -> None:
    file = changed(two_pairs([GOOD]).write(tmp_path), lambda values: break_metric(values, value))
    with pytest.raises(UsageError, match="a pair cannot be made out"):
        read_result(file)


@pytest.mark.parametrize("name", ["retriever", "data"])
def test_a_result_without_hashes_is_refused(tmp_path: Path, name: str) -> None:
    file = changed(two_pairs([GOOD]).write(tmp_path), lambda values: values[name].pop("sha256"))
    with pytest.raises(UsageError, match=f"it lacks {name}.sha256"):
        read_result(file)


def test_a_result_of_a_newer_samekind_is_refused(tmp_path: Path) -> None:
    file = changed(two_pairs([GOOD]).write(tmp_path), lambda values: values.update(schema=2))
    with pytest.raises(SamekindError, match="schema 2, and this samekind reads 1"):
        read_result(file)


def test_the_table_of_another_run_is_refused(tmp_path: Path) -> None:
    file = two_pairs([GOOD, GOOD]).write(tmp_path)
    other = two_pairs([GOOD, BAD], name="other").write(tmp_path)
    other.with_suffix(".queries.parquet").replace(file.with_suffix(".queries.parquet"))
    with pytest.raises(SamekindError, match="does not belong to"):
        read_result(file)


def test_a_table_with_fewer_queries_is_refused(tmp_path: Path) -> None:
    file = two_pairs([GOOD, GOOD]).write(tmp_path)
    table = file.with_suffix(".queries.parquet")
    pq.write_table(pq.read_table(table).slice(1), table)
    with pytest.raises(SamekindError, match="does not belong to"):
        read_result(file)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"PAR1" + data])
def test_a_damaged_table_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = two_pairs([GOOD, BAD]).write(tmp_path)
    table = file.with_suffix(".queries.parquet")
    table.write_bytes(damage(table.read_bytes()))
    with pytest.raises(SamekindError, match=r"mini\.queries\.parquet cannot be read"):
        read_result(file)


def test_a_table_without_a_column_is_named(tmp_path: Path) -> None:
    file = two_pairs([GOOD, BAD]).write(tmp_path)
    table = file.with_suffix(".queries.parquet")
    pq.write_table(pq.read_table(table).drop_columns(["first"]), table)
    with pytest.raises(SamekindError, match="cannot be read"):
        read_result(file)
