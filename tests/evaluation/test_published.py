"""Published figures stand beside a run's own only where both are about the same, and always say what they are."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, Made

from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.files import Result
from samekind.evaluation.reports.published import HELD_OUT, PUBLISHED, left_out, published
from samekind.evaluation.reports.table import markdown, tables

# The protocols' document: mAP@200 / P@200, mean over the five domains, unseen gallery.
FIGURES = {
    "CLIP zero-shot": (0.4435, 0.3840),
    "ProS": (0.6052, 0.5626),
    "UCDR-Adapter": (0.6071, 0.5655),
    "PF-UCDR": (0.6141, 0.5744),
}


def ucdr(domains: tuple[str, ...] = tuple(sorted(HELD_OUT)), **more: Any) -> Made:
    pairs = [(name, "real", [GOOD, BAD], gallery) for gallery in ("unseen", "mixed") for name in domains]
    options: dict[str, Any] = {"protocol": "ucdr", "profile": "paper", "data": "domainnet", "split": None}
    options |= {"pairs": pairs, "headline": ["mAP@200", "P@200"], **more}
    return Made(**options)


def names(result: Result, group: str) -> list[str]:
    return [each.method for each in published(result, group)]


def test_the_figures_are_those_of_the_protocols_document() -> None:
    assert {each.method: (each.mean["mAP@200"], each.mean["P@200"]) for each in PUBLISHED} == FIGURES


def test_every_figure_has_a_source_a_backbone_and_what_it_is_a_mean_of() -> None:
    for each in PUBLISHED:
        assert each.source
        assert "CLIP" in each.backbone
        assert each.over == "mean over five domains, unseen gallery"
        assert "published" in each.label


def test_they_stand_beside_a_run_about_the_same(tmp_path: Path) -> None:
    assert names(ucdr().result(tmp_path), "unseen") == list(FIGURES)
    assert left_out(ucdr().result(tmp_path)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"profile": "clean"}, "profile paper only"),
        ({"domains": ("sketch", "clipart")}, "means over five domains"),
        ({"data": "office_home"}, ""),
        ({"protocol": "udcdr"}, ""),
    ],
)
def test_they_stand_beside_nothing_else(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    result = ucdr(**change).result(tmp_path)
    assert names(result, "unseen") == []
    assert said in left_out(result)
    assert bool(left_out(result)) == bool(said)


def test_they_are_not_those_of_the_mixed_gallery(tmp_path: Path) -> None:
    assert names(ucdr().result(tmp_path), "mixed") == []


def test_in_the_table_they_are_marked_and_have_a_mean_only(tmp_path: Path) -> None:
    comparison = compare([ucdr().write(tmp_path)])
    found = {table.title: table for table in tables(comparison)}
    assert list(found) == [f"{m}, {g} gallery" for g in ("unseen", "mixed") for m in ("mAP@200", "P@200")]
    rows = [row for row in found["mAP@200, unseen gallery"].rows if row.published]
    assert [row.cells for row in rows] == [("",) * 5 + (f"{value:.4f}",) for value, _ in FIGURES.values()]
    text = markdown(comparison)
    assert "| _ProS (published, CLIP ViT-B/32)_ |  |  |  |  |  | _0.6052_ |" in text
    assert "Not measured here" in text
    assert text.count("mean over five domains, unseen gallery") == 4
