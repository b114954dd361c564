"""Studies in docs/results.md and in a comparison: means with their spread, differences to zero-shot, readings."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, study, two_pairs

from samekind.cli import compare_table, study_table
from samekind.errors import UsageError
from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.files import read_result, readings
from samekind.evaluation.reports.plots import _ends, bars
from samekind.evaluation.reports.results import render
from samekind.evaluation.reports.table import markdown

BACKBONE = {"name": "mini", "sha256": "b" * 64}
# Of zero-shot P@1 is .5 and mAP@all (1 + 5/12) / 2 = .7083 in both pairs.
SEEDS = ({"P@1": 0.40, "mAP@all": 0.72}, {"P@1": 0.44, "mAP@all": 0.74}, {"P@1": 0.48, "mAP@all": 0.76})


def with_backbone(file: Path, backbone: dict[str, str] = BACKBONE) -> Path:
    facts = json.loads(file.read_text())
    facts["retriever"]["backbone"] = backbone
    file.write_text(json.dumps(facts))
    return file


@pytest.fixture
def page(tmp_path: Path) -> Any:
    def rendered(*figures: Any, backbone: dict[str, str] = BACKBONE, **more: Any) -> str:
        with_backbone(two_pairs([GOOD, BAD]).write(tmp_path, "mini", queries=False))
        with_backbone(study(tmp_path, "trained", *(figures or SEEDS), **more), backbone)
        return render(tmp_path)

    return rendered


def rows(page: str, metric: str) -> list[list[str]]:
    """The cells of one table, its header left out."""
    lines = page.split(f"\n{metric}:\n\n", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_study_is_a_row_of_means_with_the_spread_of_the_mean(page: Any) -> None:
    found = page()
    assert "| made | ucdir | clean | 2 | tpsnet (3 seeds) | P@1 0.490 ± 0.040; mAP@all 0.790 ± 0.020 |" in found
    assert "| made | ucdir | clean | 2 | mini | P@1 0.500; mAP@all 0.708 |" in found
    assert ["tpsnet (3 seeds)", "0.4400", "0.5400", "0.4900 ± 0.0400"] in rows(found, "P@1")
    assert "(n - 1) over seeds" in found


def test_below_it_stands_its_difference_to_the_same_backbone_without_training(page: Any) -> None:
    found = page()
    assert ["tpsnet (3 seeds) minus mini", "-0.0600", "+0.0400", "-0.0100"] in rows(found, "P@1")
    told = next(line for line in found.splitlines() if line.startswith("- tpsnet (3 seeds), pairs below"))
    assert told == (
        "- tpsnet (3 seeds), pairs below mini (zero-shot): P@1 1 of 2 (photo → sketch -0.0600); mAP@all 0 of 2."
    )


def test_another_backbone_has_no_difference(page: Any) -> None:
    found = page(backbone={"name": "other", "sha256": "c" * 64})
    assert "tpsnet (3 seeds)" in found
    assert "minus" not in found.split("\n## ", 1)[1]
    assert "pairs below" not in found


def test_each_reading_is_a_row_of_its_own(page: Any) -> None:
    labels = [row[0] for row in rows(page(fused=True), "P@1")]
    assert labels == [
        "mini", "tpsnet (3 seeds)", "tpsnet (3 seeds) minus mini", "tpsnet, fused (3 seeds)",
        "tpsnet, fused (3 seeds) minus mini", "by chance",
    ]  # fmt: skip


def test_one_seed_has_no_spread(page: Any) -> None:
    found = page(SEEDS[0])
    assert "| tpsnet (1 seed) | P@1 0.450; mAP@all 0.770 |" in found
    assert ["tpsnet (1 seed)", "0.4000", "0.5000", "0.4500"] in rows(found, "P@1")


def test_how_it_was_made_is_told(page: Any) -> None:
    found = page(fused=True)
    for line in (
        "- reading: output = fused",
        "- trained: tpsnet, one retriever for each two domains and seed, 3 in all",
        "- seeds: 0, 1, 2",
        "- classes: 2",
        "- recipe: trained, sha256 7777777777777777",
        "- mean by seed: P@1 0.4500, 0.4900, 0.5300; mAP@all 0.7700, 0.7900, 0.8100",
        "- backbone: mini",
    ):
        assert line in found


def test_studies_of_one_name_are_called_as_their_files(tmp_path: Path) -> None:
    for stem in ("both", "text-alone"):
        study(tmp_path, stem, *SEEDS, fused=True)
    labels = [row[0] for row in rows(render(tmp_path), "P@1")]
    assert labels[:4] == [
        "both (3 seeds)",
        "text-alone (3 seeds)",
        "both, fused (3 seeds)",
        "text-alone, fused (3 seeds)",
    ]


def test_a_comparison_has_figures_and_says_why_there_is_no_test(tmp_path: Path) -> None:
    mini = with_backbone(two_pairs([GOOD, BAD]).write(tmp_path, "mini"))
    found = compare([mini, study(tmp_path, "trained", *SEEDS, fused=True)])
    assert found.labels == ("mini", "tpsnet (3 seeds)", "tpsnet, fused (3 seeds)")
    assert not found.differences
    notes = " ".join(found.notes)
    assert (
        "No test over queries for tpsnet (3 seeds); tpsnet, fused (3 seeds): a study over seeds keeps no queries."
        in notes
    )
    assert "standard deviation over seeds" in notes
    told = found.to_json()["methods"]
    assert [each.get("seeds") for each in told] == [None, [0, 1, 2], [0, 1, 2]]
    assert told[1]["sd"][0]["P@1"] == pytest.approx(0.04)
    assert "0.440 ±.040" in compare_table.text(found)
    assert "0.4900 ± 0.0400" in markdown(found)


def test_thin_lines_of_a_plot_are_spreads_where_there_are_no_intervals(tmp_path: Path) -> None:
    trained = read_result(study(tmp_path, "trained", *SEEDS))
    assert _ends(trained.pairs[0], "P@1", 0.44) == pytest.approx((0.40, 0.48))
    plain = two_pairs([GOOD, BAD]).result(tmp_path)
    assert _ends(plain.pairs[0], "P@1", 0.5) == plain.pairs[0].intervals["P@1"]
    assert "one standard deviation over seeds" in bars(compare([trained.file]), "").caption
    assert "over seeds" not in bars(compare([plain.file]), "").caption


def test_a_study_is_not_compared_with_another_question(tmp_path: Path) -> None:
    mini = two_pairs([GOOD, BAD], profile="paper", split=None).write(tmp_path, "mini")
    with pytest.raises(UsageError, match="differ in profile"):
        compare([mini, study(tmp_path, "trained", *SEEDS)])


def test_a_study_that_is_damaged_is_named(tmp_path: Path) -> None:
    file = study(tmp_path, "trained", *SEEDS, fused=True)
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in whole.items() if name != "seeds"}))
    with pytest.raises(UsageError, match=r"trained\.json is no result.*it lacks seeds"):
        read_result(file)
    whole["readings"]["fused"].pop("pairs")
    file.write_text(json.dumps(whole))
    with pytest.raises(UsageError, match=r"trained\.json.*a reading cannot be made out"):
        readings(read_result(file))


def test_a_terminal_shows_spread_only_where_there_is_one() -> None:
    assert study_table.figure(0.6123, 0.0042) == "0.612 ±.004"
    assert study_table.figure(0.6123, None) == "0.612"
    assert (study_table.counted([3]), study_table.counted([0, 1])) == ("seed 3", "2 seeds")
