"""Studies beside each other, seed by seed: what is compared, how it is tested, and where it is shown."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, study, two_pairs

from samekind.cli import compare_table
from samekind.errors import UsageError
from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.seed_differences import SeedDifference
from samekind.evaluation.reports.table import markdown
from samekind.evaluation.reports.write import write

# Seeds differ by far more than the two studies do: the second is better by .01, .02, .03, ... with the same seed.
FIRST = [{"P@1": 0.2 + 0.1 * n, "mAP@all": 0.3} for n in range(6)]
SECOND = [{"P@1": each["P@1"] + 0.01 * (n + 1), "mAP@all": 0.3} for n, each in enumerate(FIRST)]


def only(found: tuple[SeedDifference, ...], metric: str) -> SeedDifference:
    (one,) = (each for each in found if each.metric == metric)
    return one


def test_a_difference_is_taken_with_the_same_seed(tmp_path: Path) -> None:
    first, second = study(tmp_path, "first", *FIRST), study(tmp_path, "second", *SECOND)
    one = only(compare([first, second]).by_seed, "P@1")
    assert one.label == "second (6 seeds)"
    assert one.seeds == (0, 1, 2, 3, 4, 5)
    assert one.values == pytest.approx((0.01, 0.02, 0.03, 0.04, 0.05, 0.06))
    assert (one.mean, one.sd) == pytest.approx((0.035, 0.0187083), abs=1e-6)
    assert one.higher == 6
    # All six agree, which two of the 64 ways to swap do.
    assert one.p == pytest.approx(2 / 64)
    assert one.significant


def test_equal_studies_differ_in_nothing(tmp_path: Path) -> None:
    first, second = study(tmp_path, "first", *FIRST), study(tmp_path, "second", *FIRST)
    for one in compare([first, second]).by_seed:
        assert (one.mean, one.sd, one.higher, one.p) == (0, 0, 0, 1)
        assert not one.significant


def test_seeds_are_found_by_their_number(tmp_path: Path) -> None:
    first, second = study(tmp_path, "first", *FIRST), study(tmp_path, "second", *SECOND[:4])
    facts = json.loads(second.read_text())
    second.write_text(json.dumps({**facts, "seeds": [9, 3, 1, 7]}))
    one = only(compare([first, second]).by_seed, "P@1")
    assert one.seeds == (1, 3)
    assert one.values == pytest.approx((SECOND[2]["P@1"] - FIRST[1]["P@1"], SECOND[1]["P@1"] - FIRST[3]["P@1"]))


def test_fewer_than_two_common_seeds_are_no_sample(tmp_path: Path) -> None:
    first, second = study(tmp_path, "first", *FIRST), study(tmp_path, "second", *SECOND[:1])
    assert not compare([first, second]).by_seed


def test_a_single_retriever_has_no_seeds_to_compare(tmp_path: Path) -> None:
    plain = two_pairs([GOOD, BAD]).write(tmp_path, "mini")
    trained = study(tmp_path, "trained", *FIRST)
    assert not compare([plain, trained]).by_seed
    assert not compare([trained, plain]).by_seed


def test_all_that_is_compared_with_the_first_is_one_family(tmp_path: Path) -> None:
    files = [study(tmp_path, "first", *FIRST), *(study(tmp_path, f"other{n}", *SECOND) for n in range(2))]
    of_metric = [each for each in compare(files).by_seed if each.metric == "P@1"]
    assert [each.label for each in of_metric] == ["other0 (6 seeds)", "other1 (6 seeds)"]
    assert [each.corrected for each in of_metric] == pytest.approx([4 / 64, 4 / 64])
    assert not any(each.significant for each in of_metric)


def test_a_reading_is_compared_too(tmp_path: Path) -> None:
    found = compare([study(tmp_path, "first", *FIRST, fused=True)]).by_seed
    assert {each.label for each in found} == {"tpsnet, fused (6 seeds)"}


@pytest.mark.parametrize("values", [[0.1] * 5, [0.1] * 5 + ["x"], [0.1] * 5 + [float("nan")], 7])
def test_damaged_values_are_named(tmp_path: Path, values: object) -> None:
    first, second = study(tmp_path, "first", *FIRST), study(tmp_path, "second", *SECOND)
    facts = json.loads(second.read_text())
    facts["mean_by_seed"]["P@1"] = values
    second.write_text(json.dumps(facts))
    with pytest.raises(UsageError, match=r"second\.json is no study of samekind: its P@1 by seed"):
        compare([first, second])


def test_every_form_of_the_comparison_shows_it(tmp_path: Path) -> None:
    found = compare([study(tmp_path, "first", *FIRST), study(tmp_path, "second", *SECOND)])
    lines = [" ".join(line.split()) for line in compare_table.text(found).splitlines()]
    assert "Differences to first (6 seeds), seed by seed" in lines
    assert "second (6 seeds) P@1 +0.0350 ±0.0187* 6 of 6 .031 .031" in lines
    assert any("With 6 seeds it cannot fall below .031" in line for line in lines)
    assert "| second (6 seeds) | P@1 | +0.0350 ±0.0187\\* | 6 of 6 | .031 | .031 |" in markdown(found).splitlines()
    told = next(each for each in found.to_json()["differences_by_seed"] if each["metric"] == "P@1")
    assert told["by_seed"] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    assert (told["difference"], told["p"], told["significant"]) == (pytest.approx(0.035), 2 / 64, True)
    write(found, tmp_path / "report", way="none")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<caption>Differences to first (6 seeds), seed by seed</caption>" in page
    assert "<td>+0.0350 ±0.0187*</td><td>6 of 6</td>" in page


def test_without_studies_there_is_nothing_of_it(tmp_path: Path) -> None:
    found = compare([two_pairs([GOOD, BAD]).write(tmp_path, "a"), two_pairs([BAD, GOOD]).write(tmp_path, "b")])
    assert found.to_json()["differences_by_seed"] == []
    assert "seed by seed" not in compare_table.text(found) + markdown(found)
