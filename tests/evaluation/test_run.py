"""The figures of an evaluation, in worlds whose answers are known."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import COLOURS, Colours, paint, pair, run, world

import samekind
from samekind.evaluation import features
from samekind.evaluation.run_intervals import figure, shared_intervals
from samekind.evaluation.run_score import KS, METRICS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return world(tmp_path / "world")


def test_a_retriever_that_sees_the_colour_of_a_class_ranks_perfectly(root: Path) -> None:
    """12 of 36 pictures are relevant: everything that a perfect ranking can reach is reached."""
    report = run(root, profile="paper")
    assert set(report.mean) == set(METRICS)
    assert report.mean == dict.fromkeys(METRICS, 1.0)
    clean = run(root, profile="clean")
    for each in clean.pairs:
        of = {name: found["queries"] for name, found in pair(clean, each.gallery, each.query).per_class.items()}
        for k in KS:
            best = sum(min(k, of[name]) / k * found["queries"] for name, found in each.per_class.items())
            assert each.metrics[f"P@{k}"] == pytest.approx(best / each.queries)
        assert each.metrics["mAP@all"] == each.metrics["mAP@200"] == pytest.approx(1.0)


def unequal(root: Path) -> Path:
    """A gallery with 1 dog and 4 cats. Dog queries find their dog first; of cat queries one finds a dog first."""
    for n in range(2):
        paint(root / "sketch" / "dog" / f"{n}.png", COLOURS["dog"], n)
    paint(root / "sketch" / "cat" / "0.png", COLOURS["cat"])
    paint(root / "sketch" / "cat" / "1.png", COLOURS["dog"], 9)  # drawn like a dog
    paint(root / "photo" / "dog" / "0.png", COLOURS["dog"], 1)
    for n in range(4):
        paint(root / "photo" / "cat" / f"{n}.png", COLOURS["cat"], n)
    return root


def test_micro_and_macro_averages_differ_as_the_two_profiles_say(tmp_path: Path) -> None:
    """sketch -> photo at k = 5. Hits within 5: dogs 1 each, cats 4 each (the gallery has 5 pictures).

    paper: t = min(5, relevant) = 1, 1, 4, 4; hits within t: 1, 1, 4 (right cat), 3 (the dog comes first) -> 9 / 10.
    macro over queries of hits / 5: (1 + 1 + 4 + 4) / 20.
    """
    from samekind.evaluation.protocols import Plan, Rules, Task
    from samekind.evaluation.run_score import score_task

    root = unequal(tmp_path / "world")
    report = run(root, pairs="sketch:photo")
    assert pair(report, "sketch", "photo").metrics["P@5"] == pytest.approx(9 / 10)
    assert pair(report, "sketch", "photo").metrics["P@1"] == pytest.approx(3 / 4)
    data = samekind.datasets.read_data(root)[0]
    plan = Plan(data, (Task("sketch", "photo", data.rows("sketch"), data.rows("photo")),), Rules(), ())
    vectors = Colours().encode_pixels(np.stack([Colours().prepare(open_rgb(data.root / f)) for f in data.files]))
    found = score_task(plan.tasks[0], plan, features.Features(vectors), "cosine")
    assert figure(found.metrics["P@5"]) == pytest.approx(10 / 20)


def open_rgb(file: Path) -> Any:
    from samekind.images.decode import open_image

    return open_image(str(file)).image


def test_queries_with_nothing_relevant_are_counted_and_cost_in_clean_and_drop_out_in_paper() -> None:
    from made import table

    from samekind.evaluation.protocols import Plan, Rules, Task
    from samekind.evaluation.run_score import pair_result, score_task

    data = table(["a/dog/1.png", "a/cat/1.png", "b/dog/1.png", "b/dog/2.png"])
    vectors = np.array([[0, 1], [1, 0], [1, 0], [0.9, 0.1]], np.float32)  # a/cat, a/dog, b/dog, b/dog
    task = Task("a", "b", data.rows("a"), data.rows("b"))
    for average, precision in (("macro", 1 / 2), ("micro", 1.0)):
        plan = Plan(data, (task,), Rules(average=average), ())  # type: ignore[arg-type]
        scored = score_task(task, plan, features.Features(vectors), "cosine")
        told = pair_result(scored, plan, ["1", "2", "3", "1"], {}, 0)
        assert told.without_relevant == 1
        assert (told.queries, told.copies) == (2, 1)
        assert told.metrics["P@1"] == precision
        assert told.metrics["mAP@all"] == 1 / 2


def test_denominators_stay_k_in_clean_where_the_gallery_is_smaller(root: Path) -> None:
    report = run(root, profile="clean")
    for each in report.pairs:
        assert each.gallery_size < 200
        relevant = {name: found["queries"] for name, found in pair(report, each.gallery, each.query).per_class.items()}
        mean = sum(relevant[name] * found["queries"] for name, found in each.per_class.items()) / each.queries
        assert each.metrics["P@200"] == pytest.approx(mean / 200)


def test_intervals_hold_the_figure_are_the_same_for_a_seed_and_move_with_it(tmp_path: Path) -> None:
    root = unequal(tmp_path / "world")
    told = [pair(run(root, seed=seed), "sketch", "photo") for seed in (0, 0, 1)]
    low, high = told[0].intervals["P@1"]
    assert 0 <= low <= told[0].metrics["P@1"] <= high <= 1
    assert low < high
    assert told[0].intervals == told[1].intervals


HALF = {"P@1": (np.repeat([0.0, 1.0], 100), np.ones(200))}  # 200 queries, half of them right


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def test_the_interval_of_a_share_is_that_of_its_distribution() -> None:
    """The standard error of the mean is .5 / sqrt(200), and 95 % are 1.96 of it to both sides."""
    low, high = shared_intervals([""], [np.arange(200)], [HALF], 0)[0][0]["P@1"]
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(200), rel=0.1)
    assert (low + high) / 2 == pytest.approx(0.5, abs=0.01)


def test_pairs_may_have_any_number_of_queries_each() -> None:
    """Again and again, because the checker of shapes looks at one item of a list, drawn by lot."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        sizes = rng.integers(1, 9, 4)
        parts = [{name: (rng.random(n), np.ones(n)) for name in ("P@1", "mAP@all")} for n in sizes]
        ends, over = shared_intervals(["", "", "b", "b"], [np.arange(n) for n in sizes], parts, 0)
        assert len(ends) == 4
        for name, mine in (("", parts[:2]), ("b", parts[2:])):
            low, high = over[name]["P@1"]
            assert low <= np.mean([figure(each["P@1"]) for each in mine]) <= high


def test_pairs_that_ask_the_same_queries_are_no_independent_samples() -> None:
    """Two pairs with the very same values: the interval of their mean is that of one, not narrower by sqrt(2)."""
    same, other = np.arange(200), np.arange(200, 400)
    alone = width(shared_intervals([""], [same], [HALF], 0)[1][""]["P@1"])
    assert width(shared_intervals(["", ""], [same, same], [HALF, HALF], 0)[1][""]["P@1"]) == pytest.approx(alone)
    apart = width(shared_intervals(["", ""], [same, other], [HALF, HALF], 0)[1][""]["P@1"])
    assert apart == pytest.approx(alone / math.sqrt(2), rel=0.15)


def test_the_mean_of_each_gallery_has_its_own_interval() -> None:
    one = {"P@1": (np.ones(200), np.ones(200))}
    over = shared_intervals(["unseen", "mixed"], [np.arange(200)] * 2, [HALF, one], 0)[1]
    assert over["mixed"]["P@1"] == (1.0, 1.0)
    assert width(over["unseen"]["P@1"]) > 0


def test_draws_in_which_nothing_is_relevant_count_as_0_in_a_micro_average() -> None:
    above, below = np.zeros(5), np.array([1.0, 0, 0, 0, 0])
    assert shared_intervals([""], [np.arange(5)], [{"P@1": (above, below)}], 0)[0][0]["P@1"] == (0.0, 0.0)


def test_by_name_is_the_share_of_pictures_nearest_to_their_own_class_text(root: Path) -> None:
    paint(root / "sketch" / "dog" / "00.png", COLOURS["cat"])  # one of 36 looks like a cat
    told = run(root).to_json()["by_name"]
    assert told["domains"]["photo"] == {"accuracy": 1.0, "pictures": 36}
    assert told["domains"]["sketch"]["accuracy"] == pytest.approx(35 / 36)
    assert told["mean"] == pytest.approx((1 + 35 / 36) / 2)
    assert told["chance"] == pytest.approx(1 / 3)
    assert told["prompt"] == "a {name}"


def test_a_retriever_that_reads_no_texts_has_no_figure_by_name(root: Path) -> None:
    assert run(root, Colours(texts=False)).to_json()["by_name"] is None


def test_each_class_has_its_figures_with_intervals(tmp_path: Path) -> None:
    of = pair(run(unequal(tmp_path / "world")), "sketch", "photo").per_class
    assert {name: each["queries"] for name, each in of.items()} == {"cat": 2, "dog": 2}
    assert (of["cat"]["P@1"], of["dog"]["P@1"]) == (0.5, 1.0)
    low, high = of["cat"]["intervals"]["P@1"]
    assert (low, high) == (0.0, 1.0)
    assert of["dog"]["intervals"]["mAP@all"] == [1.0, 1.0]


def test_the_curve_starts_with_p_at_1(root: Path) -> None:
    for each in run(root, profile="clean").pairs:
        assert each.curve["k"][0] == 1
        assert each.curve["P"][0] == pytest.approx(each.metrics["P@1"])
        assert len(each.curve["k"]) == len(each.curve["P"])
