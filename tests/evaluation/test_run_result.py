"""A whole evaluation: the result file, the cache, several retrievers, and what is never lost in silence."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import COLOURS, Colours, paint, pair, run, world

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.evaluation.report import COLUMNS
from samekind.evaluation.run import evaluate, labels
from samekind.reading import opening
from samekind.retriever.store import load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return world(tmp_path / "world")


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
    assert list(rows[0]) == ["pair", "file", "label", *COLUMNS.values(), "relevant", "first", "hits", "right"]
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


@pytest.mark.parametrize("profile", ["clean", "paper"])
def test_every_figure_of_a_pair_is_the_mean_of_its_column(root: Path, tmp_path: Path, profile: str) -> None:
    for n in range(10):  # a smaller class, and one most of whose sketches look like another class
        paint(root / "sketch" / "dog" / f"{n:02}.png", COLOURS["cat"], n)
    for n in range(5):
        (root / "photo" / "car" / f"{n:02}.png").unlink()
    out = tmp_path / "made.json"
    report = run(root, out=out, profile=profile)
    rows = pq.read_table(out.with_suffix(".queries.parquet")).to_pylist()
    for n, each in enumerate(report.pairs):
        mine = [row for row in rows if row["pair"] == n]
        assert 0 < each.metrics["mAP@all"] < 1
        for metric, column in COLUMNS.items():
            micro = profile == "paper" and metric.startswith("P@")
            weights = [min(int(metric[2:]), row["relevant"]) if micro else 1 for row in mine]
            assert np.average([row[column] for row in mine], weights=weights) == pytest.approx(each.metrics[metric])


def test_a_second_evaluation_only_scores(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(root, profile="clean")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(opening, "read", refuse)
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


def test_queries_that_lie_in_the_gallery_too_are_counted(root: Path) -> None:
    """A copy finds itself: every figure would be too high by it."""
    assert {each.copies for each in run(root).pairs} == {0}
    (root / "photo" / "dog" / "03.png").write_bytes((root / "sketch" / "dog" / "07.png").read_bytes())
    assert {each.copies for each in run(root).pairs} == {1}


def test_lists_of_numbers_stand_in_one_line(root: Path, tmp_path: Path) -> None:
    run(root, out=tmp_path / "r.json")
    lines = (tmp_path / "r.json").read_text().splitlines()
    assert '"P@1": [1.0, 1.0],' in [line.strip() for line in lines]
    assert json.loads("\n".join(lines))["pairs"][0]["intervals"]["P@1"] == [1.0, 1.0]


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
