"""Plots: what they show, that they can be told apart, and that they leave nothing behind."""

import io
import subprocess
import sys
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, Made, two_pairs

from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.confusion import class_finder
from samekind.evaluation.reports.look import DARK, HATCHES, LIGHT, MARKERS, Look
from samekind.evaluation.reports.maps import densest, drawn_by_lot, map_plot, pca
from samekind.evaluation.reports.plots import Plot, bars, plots
from samekind.evaluation.reports.vectors import Vectors

SIX = [GOOD, BAD, GOOD] * 2


def contrast(a: str, b: str) -> float:
    """By WCAG 2.1: (lighter + 0.05) / (darker + 0.05)."""

    def bright(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((bright(a), bright(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def check(found: Plot) -> None:
    """Pictures in both looks and an SVG, each of which can be read."""
    for data in (found.light, found.dark):
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "PNG"
            assert image.width > 200
    assert found.light != found.dark
    assert ElementTree.fromstring(found.vector).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (ours)
    assert found.title
    assert found.caption.endswith(".")
    assert found.alt.endswith(".")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Plot]:
    folder = tmp_path_factory.mktemp("plots")
    pairs = [("a_b", "real", SIX, gallery) for gallery in ("unseen", "mixed")]
    files = [Made(pairs, name=name, headline=["P@1"]).write(folder) for name in ("one", "two")]
    comparison = compare(files)
    return plots(comparison, class_finder(comparison.results))


@pytest.mark.parametrize(
    ("look", "n"), list(product((LIGHT, DARK), range(8))), ids=lambda each: getattr(each, "name", each)
)
def test_colours_stand_out_from_the_ground(look: Look, n: int) -> None:
    assert contrast(look.colours[n], look.ground) >= 3
    assert contrast(look.ink, look.ground) >= 7
    assert contrast(look.soft, look.ground) >= 3


def test_colour_is_never_the_only_difference() -> None:
    assert len(set(MARKERS)) == len(set(HATCHES)) == len(LIGHT.colours) == len(DARK.colours) == 8


def test_every_gallery_has_bars_and_curves_and_every_result_a_matrix(drawn: list[Plot]) -> None:
    names = [each.name for each in drawn]
    assert names == ["bars-unseen", "bars-mixed", "curves-unseen", "curves-mixed", "confusion-1", "confusion-2"]
    for each in drawn:
        check(each)


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    comparison = compare([two_pairs(SIX).write(tmp_path)])
    assert bars(comparison, "") == bars(comparison, "")


def test_results_without_curves_or_queries_have_bars_alone(tmp_path: Path) -> None:
    file = two_pairs(SIX).write(tmp_path, queries=False)
    file.write_text(file.read_text().replace('"curve"', '"other"'))
    comparison = compare([file])
    assert [each.name for each in plots(comparison, class_finder(comparison.results))] == ["bars"]


def test_names_with_dollars_and_braces_are_drawn_as_they_are(tmp_path: Path) -> None:
    made = Made([("$a_{", "b$^}", SIX)], name="$x^2$ \\frac{")
    check(bars(compare([made.write(tmp_path, "r")]), ""))


def test_drawing_changes_no_setting_of_matplotlib(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    bars(compare([two_pairs(SIX).write(tmp_path)]), "")
    assert dict(mpl.rcParams) == before


IMPORTS = """
import sys
import samekind.evaluation.reports.write, samekind.evaluation.reports.maps, samekind.evaluation.reports.results
assert not {"matplotlib", "sklearn", "torch"} & {name.split(".")[0] for name in sys.modules}
from samekind.evaluation.reports.look import LIGHT, drawing, figure, png
with drawing(LIGHT):
    made = figure(1.0, 1.0)
    made.subplots()
    png(made)
assert "matplotlib.pyplot" not in sys.modules
"""


def test_importing_the_reports_loads_nothing_heavy_and_drawing_keeps_no_global_state() -> None:
    found = subprocess.run([sys.executable, "-c", IMPORTS], check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_pca_keeps_all_distances_of_what_is_flat() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) * (3, 1)
    turned = flat @ np.linalg.qr(rng.normal(size=(9, 2)))[0].T + rng.normal(size=9)
    found, share = pca(turned, 2)
    assert share == pytest.approx(1)
    apart = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (flat, found)]
    assert np.allclose(*apart)
    assert abs(np.corrcoef(found[:, 0], flat[:, 0])[0, 1]) > 0.95  # the direction of most variance comes first


def test_pca_takes_what_has_fewer_dimensions_than_a_map() -> None:
    found, share = pca(np.array([[1.0], [3.0]]), 2)
    assert np.allclose(np.abs(found), [[1, 0], [1, 0]])
    assert share == 1
    assert np.array_equal(pca(np.ones((3, 4)), 2)[0], np.zeros((3, 2)))


def test_a_lot_takes_as_many_of_each_class_and_domain() -> None:
    label, domain = np.repeat([0, 1, 1], [50, 40, 5]), np.repeat([0, 0, 1], [50, 40, 5])
    rows = drawn_by_lot(label, domain, 24, 0)
    assert sorted(rows.tolist()) == rows.tolist()
    keys, counts = np.unique(label[rows] * 2 + domain[rows], return_counts=True)
    assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) in ({0: 10, 2: 9, 3: 5}, {0: 9, 2: 10, 3: 5})
    assert len(drawn_by_lot(label, domain, 1000, 0)) == 95


def test_a_name_stands_where_its_points_are_densest() -> None:
    points = np.concatenate(
        [np.random.default_rng(0).normal(size=(20, 2)) * 0.1, [[9.0, 9.0], [8.0, -9.0], [-9.0, 5.0]]]
    )
    assert np.linalg.norm(densest(points)) < 0.5
    assert np.array_equal(densest(np.array([[2.0, 3.0]])), [2, 3])


@pytest.mark.parametrize("way", ["pca", "tsne"])
def test_a_map_shows_classes_and_domains(way: str) -> None:
    rng = np.random.default_rng(0)
    label, domain = np.repeat(np.arange(4), 10), np.tile([0, 1], 20)
    held = (np.eye(8)[label] + 0.1 * rng.normal(size=(40, 8))).astype(np.float32)
    found = map_plot("mini", Vectors(held, domain, ("photo", "sketch"), label, ("a", "b", "c_d", "e")), way)  # type: ignore[arg-type]
    check(found)
    assert ("t-SNE" in found.caption) == (way == "tsne")
    assert "every picture" in found.caption
