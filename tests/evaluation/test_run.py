"""A whole evaluation: the figures of a world whose answers are known, the result file, and what is never lost."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import COLOURS, Colours, paint, world

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.evaluation import features
from samekind.evaluation.report import Report
from samekind.evaluation.run import evaluate, labels
from samekind.evaluation.run_intervals import figure, shared_intervals
from samekind.evaluation.run_score import KS, METRICS
from samekind.retriever.store import load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return world(tmp_path / "world")


def run(root: Path, retriever: Any = None, **options: Any) -> Report:
    options = {"cache": root.parent / "cache", "profile": "paper"} | options
    return evaluate(retriever or Colours(), root, **options)


def pair(report: Report, query: str, gallery: str) -> Any:
    return next(each for each in report.pairs if (each.query, each.gallery) == (query, gallery))


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


def test_the_result_has_the_keys_of_the_contract(root: Path) -> None:
    told = run(root, profile="clean", seed=3).to_json()
    assert list(told)[:10] == [
        "schema", "samekind", "protocol", "profile", "seed", "retriever", "data", "pairs", "mean", "seconds",
    ]  # fmt: skip
    assert (told["schema"], told["protocol"], told["profile"], told["seed"]) == (1, "ucdir", "clean", 3)
    assert {"name", "method", "sha256", "ref", "precision", "config"} <= told["retriever"].keys()
    assert {"name", "sha256", "pictures", "domains"} <= told["data"].keys()
    assert "path" not in told["data"]
    first = told["pairs"][0]
    assert list(first["metrics"]) == ["P@1", "P@5", "P@15", "P@50", "P@100", "P@200", "mAP@200", "mAP@all"]
    assert {"query", "gallery", "queries", "gallery_size", "without_relevant", "chance"} <= first.keys()
    assert {"intervals", "per_class", "curve", "skipped_queries", "skipped_gallery"} <= first.keys()
    assert {"encode", "score"} <= told["seconds"].keys()
    for key in ("split", "metrics_note", "notes", "skipped", "by_name", "versions", "machine", "command", "date"):
        assert key in told
    assert told["split"]["share"] == 0.8
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_training_facts_on_the_retrievers_card_go_into_the_result(root: Path) -> None:
    """Whether C was estimated is for training to know: its card carries it, and so does the result."""
    told = run(root).to_json()["retriever"]
    assert told["config"] == {"classes_count": "auto"}
    assert told["seed"] == 7


def test_the_file_and_its_queries_say_the_same(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "results" / "made.json"
    report = run(root, out=out)
    told = json.loads(out.read_text())
    assert told == json.loads(json.dumps(report.to_json()))
    rows = pq.read_table(out.with_suffix(".queries.parquet")).to_pylist()
    assert list(rows[0]) == ["pair", "file", "label", "P@1", "AP", "first", "hits", "right"]
    for n, each in enumerate(told["pairs"]):
        mine = [row for row in rows if row["pair"] == n]
        assert len(mine) == each["queries"]
        assert np.mean([row["P@1"] for row in mine]) == pytest.approx(each["metrics"]["P@1"])
        assert np.mean([row["AP"] for row in mine]) == pytest.approx(each["metrics"]["mAP@all"])
        for row in mine:
            assert row["file"].startswith(f"{each['query']}/{row['label']}/")
            assert all(hit.startswith(f"{each['gallery']}/") for hit in row["hits"])
            assert row["right"] == [hit.split("/")[1] == row["label"] for hit in row["hits"]]
            assert row["first"] == 1
            assert len(row["hits"]) == 10
    assert [file.name for file in out.parent.iterdir() if file.name.startswith(".")] == []


def test_a_second_evaluation_only_scores(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(root, profile="clean")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(features, "open_image", refuse)
    second = run(root, profile="clean")
    assert second.seconds["encode"] == 0.0
    assert second.facts["encoded"] == 0
    assert second.mean == first.mean
    assert [each.to_json() for each in second.pairs] == [each.to_json() for each in first.pairs]


def test_paper_after_clean_encodes_only_the_other_four_fifths(root: Path) -> None:
    clean, paper = run(root, profile="clean"), run(root, profile="paper")
    assert paper.facts["cached"] == clean.facts["encoded"]
    assert paper.facts["encoded"] + paper.facts["cached"] == 72


def test_unreadable_pictures_are_listed_counted_and_in_no_figure(root: Path, tmp_path: Path) -> None:
    (root / "sketch" / "dog" / "03.png").write_bytes(b"no picture")
    (root / "photo" / "cat" / "05.png").write_bytes(b"")
    out = tmp_path / "made.json"
    report = run(root, out=out)
    told = json.loads(out.read_text())
    assert told["skipped"] == 2
    lines = [json.loads(line) for line in out.with_suffix(".skipped.jsonl").read_text().splitlines()]
    assert sorted(Path(line["uri"]).name for line in lines) == ["03.png", "05.png"]
    assert all(line["reason"] and line["detail"] for line in lines)
    asked = pair(report, "sketch", "photo")
    assert (asked.queries, asked.skipped_queries, asked.gallery_size) == (35, 1, 35)
    searched = pair(report, "photo", "sketch")
    assert (searched.gallery_size, searched.skipped_gallery) == (35, 1)
    assert report.mean["P@1"] == 1.0


def test_the_list_of_skipped_pictures_goes_with_its_cause(root: Path, tmp_path: Path) -> None:
    out, broken = tmp_path / "made.json", root / "sketch" / "dog" / "03.png"
    kept = broken.read_bytes()
    broken.write_bytes(b"no picture")
    run(root, out=out)
    broken.write_bytes(kept)
    run(root, out=out)
    assert not out.with_suffix(".skipped.jsonl").exists()


def test_a_domain_of_which_nothing_can_be_opened_is_a_failure_that_names_it(root: Path) -> None:
    for file in (root / "sketch").rglob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(SamekindError, match="No picture of sketch"):
        run(root)


def test_vectors_that_cannot_be_compared_are_a_failure_that_says_so(root: Path) -> None:
    class Broken(Colours):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            return np.full((len(pixels), 3), np.nan, np.float32)

    with pytest.raises(SamekindError, match=r"photo \(queries\) and sketch \(gallery\) cannot be compared.*NaN"):
        run(root, Broken("broken"))


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
        told = pair_result(scored, plan, {}, 0)
        assert told.without_relevant == 1
        assert told.queries == 2
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


def test_domains_are_told_to_the_retriever_only_with_that_option(root: Path) -> None:
    quiet, told = Colours("quiet"), Colours("told")
    assert run(root, quiet).to_json()["options"]["with_domains"] is False
    assert run(root, told, with_domains=True).to_json()["options"]["with_domains"] is True
    assert quiet.domains == {None}
    assert told.domains == {"photo", "sketch"}


def test_several_retrievers_answer_the_same_questions_and_get_a_file_each(root: Path, tmp_path: Path) -> None:
    reports = evaluate(
        [Colours("a"), Colours("b/c")], root, profile="paper", out=tmp_path / "r.json", cache=tmp_path / "cache"
    )
    assert [report.retriever["name"] for report in reports] == ["a", "b/c"]
    assert reports[0].data == reports[1].data
    assert {file.name for file in tmp_path.glob("*.json")} == {"r-a.json", "r-b-c.json"}


def test_retrievers_of_one_name_are_told_apart_and_one_given_twice_is_refused() -> None:
    first, second = Colours("same"), Colours("same", told=True)
    names = labels([first, second])  # type: ignore[list-item]
    assert len(set(names)) == 2
    assert all(name.startswith("same-") for name in names)
    with pytest.raises(UsageError, match="twice"):
        labels([first, first])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="no retriever"):
        labels([])


@pytest.mark.parametrize("out", ["results", "x.txt"])
def test_a_result_file_ends_in_json_and_that_is_said_before_anything_is_encoded(root: Path, out: str) -> None:
    retriever = Colours()
    with pytest.raises(UsageError, match=r"\.json"):
        run(root, retriever, out=root.parent / out)
    assert retriever.encoded == 0


def test_the_public_function_takes_a_real_retriever_and_its_folder(root: Path, tiny_clip: Path, tmp_path: Path) -> None:
    retriever = load(tiny_clip, device="cpu", precision="float32")
    retriever.save(tmp_path / "mine")
    report = samekind.evaluate([retriever], data=root, protocol="ucdir", cache=tmp_path / "cache")[0]
    assert report.retriever["method"] == "zero_shot"
    assert report.retriever["ref"] == "mine"
    again = samekind.evaluate(
        load(tmp_path / "mine", device="cpu", precision="float32"), data=root, cache=tmp_path / "cache"
    )
    assert again.facts["encoded"] == 0
    assert again.mean == report.mean


def test_each_class_has_its_figures_with_intervals(tmp_path: Path) -> None:
    of = pair(run(unequal(tmp_path / "world")), "sketch", "photo").per_class
    assert {name: each["queries"] for name, each in of.items()} == {"cat": 2, "dog": 2}
    assert (of["cat"]["P@1"], of["dog"]["P@1"]) == (0.5, 1.0)
    low, high = of["cat"]["intervals"]["P@1"]
    assert (low, high) == (0.0, 1.0)
    assert of["dog"]["intervals"]["mAP@all"] == [1.0, 1.0]


def test_ir_measures_reads_the_export_and_finds_the_same_figures(root: Path, tmp_path: Path) -> None:
    ir_measures = pytest.importorskip("ir_measures")
    report = run(root, Colours("a/b"), profile="clean", trec=tmp_path / "trec")
    assert len(list((tmp_path / "trec").rglob("*.run"))) == len(report.pairs)
    for each in report.pairs:
        run_file = tmp_path / "trec" / "a-b" / f"{each.query}-{each.gallery}.run"
        found = ir_measures.calc_aggregate(
            [ir_measures.P @ 1, ir_measures.P @ 5, ir_measures.AP],
            list(ir_measures.read_trec_qrels(str(run_file.with_suffix(".qrels")))),
            list(ir_measures.read_trec_run(str(run_file))),
        )
        assert {str(name): pytest.approx(value) for name, value in found.items()} == {
            "P@1": each.metrics["P@1"],
            "P@5": each.metrics["P@5"],
            "AP": each.metrics["mAP@all"],
        }


def test_the_curve_starts_with_p_at_1(root: Path) -> None:
    for each in run(root, profile="clean").pairs:
        assert each.curve["k"][0] == 1
        assert each.curve["P"][0] == pytest.approx(each.metrics["P@1"])
        assert len(each.curve["k"]) == len(each.curve["P"])
