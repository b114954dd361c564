"""Published figures stand beside a run's own only where both are about the same, and always say what they are."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, Made

from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.files import Result
from samekind.evaluation.reports.published import DOMAINNET, HELD_OUT, OFFICE_HOME, PUBLISHED, left_out, published
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


def ucdir(data: str, pairs: frozenset[tuple[str, str]], headline: list[str], **more: Any) -> Made:
    made = [(*pair, [GOOD, BAD]) for pair in sorted(pairs)]
    options: dict[str, Any] = {"profile": "paper", "data": data, "split": None, "headline": headline, **more}
    return Made(made, **options)


def names(result: Result, group: str) -> list[str]:
    return [each.method for each in published(result, group)]


def test_the_figures_are_those_of_the_protocols_document() -> None:
    found = [each for each in PUBLISHED if each.protocol == "ucdr"]
    assert {each.method: (each.mean["mAP@200"], each.mean["P@200"]) for each in found} == FIGURES


def test_every_figure_has_a_source_a_backbone_and_what_it_is_a_mean_of() -> None:
    for each in PUBLISHED:
        assert each.source
        assert each.backbone
        assert "mean over" in each.over
        assert f"(published, {each.backbone})" in each.label
        assert all(0 < value < 1 for value in each.mean.values())


def test_they_stand_beside_a_run_about_the_same(tmp_path: Path) -> None:
    assert names(ucdr().result(tmp_path), "unseen") == list(FIGURES)
    assert left_out(ucdr().result(tmp_path)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"profile": "clean"}, "profile paper only"),
        ({"domains": ("sketch", "clipart")}, "for all 5 pairs"),
        ({"facts": {"options": {"classes": ["cat", "dog"]}}}, "for all classes"),
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


def test_tpsnet_stands_beside_office_home_with_the_pairs_that_are_known(tmp_path: Path) -> None:
    """The document of TPSNet: A->R 89.53, R->A 91.74, A->P 81.17, P->A 88.80, mean 84.53."""
    table, second = tables(compare([ucdir("office_home", OFFICE_HOME, ["P@1", "P@5"]).write(tmp_path)]))
    (row,) = [row for row in table.rows if row.published]
    assert row.label == "TPSNet (published, ViT-B)"
    told = dict(zip(table.columns, row.cells, strict=True))
    assert {name: value for name, value in told.items() if value} == {
        "art → real_world": "0.8953",
        "real_world → art": "0.9174",
        "art → product": "0.8117",
        "product → art": "0.8880",
        "mean": "0.8453",
    }
    assert not any(row.published for row in second.rows)


def test_tpsnet_stands_beside_domainnet_with_its_mean_alone(tmp_path: Path) -> None:
    (table,) = tables(compare([ucdir("domainnet", DOMAINNET, ["P@50"]).write(tmp_path)]))
    (row,) = [row for row in table.rows if row.published]
    assert row.cells == ("",) * 12 + ("0.8533",)
    assert row.label == "TPSNet (published, backbone not known)"


def test_a_part_of_the_pairs_has_no_published_figure_and_says_why(tmp_path: Path) -> None:
    part = ucdir("office_home", frozenset([("art", "product"), ("product", "art")]), ["P@1"]).result(tmp_path)
    assert published(part, "") == ()
    assert "for all 12 pairs" in left_out(part)


def test_the_json_has_the_known_pairs(tmp_path: Path) -> None:
    (told,) = compare([ucdir("office_home", OFFICE_HOME, ["P@1"]).write(tmp_path)]).to_json()["published"]
    assert {"query": "real_world", "gallery": "art", "metric": "P@1", "value": 0.9174} in told["pairs"]
