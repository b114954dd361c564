"""The worked example of docs/evaluation.md, computed by the code that computes every result."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import table

from samekind.evaluation import run_score
from samekind.evaluation.features import Features
from samekind.evaluation.protocols import Plan, Rules, Task
from samekind.evaluation.run_intervals import figure
from samekind.evaluation.run_score import METRICS, Scored, score_task

PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"


def rows(header: str) -> list[list[str]]:
    """The cells of the table below a header."""
    lines = PAGE.read_text(encoding="utf-8").split(header, 1)[1].splitlines()[2:]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return found[: next(n for n, cells in enumerate(found) if len(cells) < 2)]


RANKS = [
    [int(cell) for cell in cells[1:6]] for cells in rows("| query | rank 1 | 2 | 3 | 4 | 5 | relevant in the gallery |")
]
FIGURES = {cells[0]: float(cells[1]) for cells in rows("| figure | value | how |")}


def example(rules: Rules) -> Scored:
    """Vectors that rank as the table says: query n has its own order of five pictures of three classes.

    Classes are dog, cat, other; the order is dog, cat, other for every query, up to places.
    """
    names = ["dog", "cat", "car"]
    gallery = ["dog", "dog", "cat", "cat", "cat"]
    data = table([f"ask/{name}/1.png" for name in names] + [f"have/{name}/{n}.png" for n, name in enumerate(gallery)])
    asked, had = data.rows("ask"), data.rows("have")
    vectors = np.zeros((len(data.files), 5), np.float32)
    vectors[had] = np.eye(5)
    for row in asked:
        name = data.classes[data.label[row]]
        relevant = [n for n, g in enumerate(had) if data.classes[data.label[g]] == name]
        others = [n for n in range(5) if n not in relevant]
        order = [relevant.pop(0) if mark else others.pop(0) for mark in RANKS[names.index(name)]]
        vectors[row, order] = np.arange(5, 0, -1)
    plan = Plan(data, (Task("ask", "have", asked, had),), rules, ())
    return score_task(plan.tasks[0], plan, Features(vectors), "cosine")


def test_the_example_is_the_one_on_the_page() -> None:
    assert RANKS == [[1, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert len(FIGURES) == 8
    assert [int(n) for n in sorted(example(Rules()).scores.relevant)] == [0, 2, 3]


@pytest.mark.parametrize(
    ("name", "metric", "rules"),
    [
        ("P@1, clean", "P@1", Rules()),
        ("P@5, clean", "P@5", Rules()),
        ("P@15, clean", "P@15", Rules()),
        ("P@1, paper", "P@1", Rules(average="micro")),
        ("P@5, paper", "P@5", Rules(average="micro")),
        ("mAP@all", "mAP@all", Rules()),
        ("mAP@all", "mAP@all", Rules(average="micro")),
        ("mAP@all", "mAP@all", Rules(denominator="found")),
    ],
)
def test_the_figures_of_the_example(name: str, metric: str, rules: Rules) -> None:
    assert figure(example(rules).metrics[metric]) == pytest.approx(FIGURES[name], abs=5e-5)


@pytest.mark.parametrize(
    ("name", "rules"),
    [("mAP@2, clean", Rules()), ("mAP@2, ProS family's paper", Rules(denominator="found"))],
)
def test_the_short_average_precision_of_the_example(name: str, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code with 2 in the place of 200."""
    monkeypatch.setattr(run_score, "MAP_KS", (2, 200, None))
    assert example(rules).scores.values["AP@2"].mean() == pytest.approx(FIGURES[name], abs=5e-5)


def test_the_page_names_every_metric_and_the_limit_of_the_cache() -> None:
    from samekind.evaluation.features_store import LIMIT_GIB

    text = PAGE.read_text(encoding="utf-8")
    assert all(metric in text for metric in METRICS)
    assert re.search(rf"{LIMIT_GIB:g} GiB", text)


def test_every_trap_is_guarded_by_a_test_that_exists() -> None:
    tests = Path(__file__).resolve().parents[1]
    defined = {
        name for file in tests.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    guards = [re.findall(r"`(test_\w+)`", cells[1]) for cells in rows("| trap | guarded by |")]
    assert all(guards)
    assert {name for names in guards for name in names} <= defined
