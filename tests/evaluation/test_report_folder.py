"""From an evaluation to a report: the folder with page, table, plots and maps, made from what evaluate really wrote."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import Colours, paint, world
from written import BAD, GOOD, two_pairs

from samekind.errors import SamekindError
from samekind.evaluation.reports import write as writing
from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.files import read_result
from samekind.evaluation.reports.vectors import cached_vectors, same_table
from samekind.evaluation.reports.write import write
from samekind.evaluation.run import evaluate_all


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world, evaluated in the profile paper: r.json, data/, cache/."""
    folder = tmp_path_factory.mktemp("evaluated")
    data = world(folder / "data", per_class=4)
    evaluate_all([Colours()], data, profile="paper", out=folder / "r.json", cache=folder / "cache")
    return folder


def test_a_report_has_every_part(evaluated: Path, tmp_path: Path) -> None:
    comparison = compare([evaluated / "r.json"])
    heard: list[str] = []
    written = write(comparison, tmp_path / "new" / "out", data=evaluated / "data", cache=evaluated / "cache", way="pca",
                    tell=heard.append)  # fmt: skip
    names = {file.relative_to(tmp_path / "new/out").as_posix() for file in written.files}
    plots = {f"plots/{name}.{kind}" for name in ("bars", "curves", "confusion-1", "map-1") for kind in ("png", "svg")}
    assert names == {"index.html", "table.md", "compare.json", *plots}
    assert all(file.stat().st_size for file in written.files)
    assert written.left_out == []
    assert len(heard) == 2
    page = (tmp_path / "new/out/index.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert "The pictures as colours sees them" in page
    told = json.loads((tmp_path / "new/out/compare.json").read_text())
    assert told["methods"][0]["means"][""]["P@1"] == 1.0


def test_cached_vectors_are_those_of_the_pictures(evaluated: Path) -> None:
    result = read_result(evaluated / "r.json")
    table = same_table(evaluated / "data", result)
    found = cached_vectors(result, table, evaluated / "cache")
    assert len(found.vectors) == 2 * 3 * 4
    assert found.domains == ("photo", "sketch")
    # Colours encodes nothing but the class's colour: one vector for each class.
    for label in range(3):
        mine = found.vectors[found.label == label]
        assert np.allclose(mine, mine[0], atol=0.01)


def test_other_pictures_are_refused(evaluated: Path, tmp_path: Path) -> None:
    data = world(tmp_path / "data", per_class=4)
    paint(data / "photo" / "dog" / "00.png", (1, 2, 3))
    with pytest.raises(SamekindError, match=r"is not what .*r\.json was made with"):
        write(compare([evaluated / "r.json"]), tmp_path / "out", data=data)


def test_vectors_that_are_not_there_are_asked_for(evaluated: Path, tmp_path: Path) -> None:
    result = read_result(evaluated / "r.json")
    with pytest.raises(SamekindError, match="evaluate again with the same --cache"):
        cached_vectors(result, same_table(evaluated / "data", result), tmp_path)


def test_another_retrievers_vectors_are_not_taken(evaluated: Path) -> None:
    result = read_result(evaluated / "r.json")
    result.facts["retriever"]["sha256"] = "0" * 64  # type: ignore[index]
    with pytest.raises(SamekindError, match="no vectors"):
        cached_vectors(result, same_table(evaluated / "data", read_result(evaluated / "r.json")), evaluated / "cache")


def test_what_is_missing_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "find_spec", lambda name: None)
    file = two_pairs([GOOD, BAD]).write(tmp_path, queries=False)
    written = write(compare([file]), tmp_path / "out")
    assert {each.name for each in written.files} == {"index.html", "table.md", "compare.json"}
    said = " ".join(written.left_out)
    for words in ("samekind[plots]", "give --data DIR", "no queries of mini"):
        assert words in said


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "find_spec", lambda name: None)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SamekindError, match="cannot be written"):
        write(compare([two_pairs([GOOD]).write(tmp_path)]), tmp_path / "out")
