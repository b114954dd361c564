"""Comparing results: what may stand side by side, and which differences are more than chance."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from written import BAD, GOOD, NONE, Made, two_pairs

from samekind.errors import UsageError
from samekind.evaluation import run_intervals
from samekind.evaluation.reports.compare import compare
from samekind.evaluation.reports.differences import LEVEL, p_text, summed

TEN = [GOOD, BAD] * 5
RELEVANT = (("two", (1, 1, 0, 0)), ("one", (1, 0, 0, 0)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "e" * 64}, "data"),
        ({"data": "other"}, "data"),
        ({"protocol": "ucdr"}, "protocol"),
        ({"profile": "paper"}, "profile"),
        ({"split": None}, "split"),
        ({"split": {"sha256": "6" * 64, "share": 0.8}}, "split"),
        ({"pairs": [("photo", "sketch", TEN)]}, r"pairs \(it lacks sketch → photo\)"),
        ({"pairs": [("photo", "sketch", TEN), ("sketch", "art", TEN)]}, "it also has sketch → art"),
        ({"pairs": [("photo", "sketch", TEN[1:]), ("sketch", "photo", TEN)]}, "9 queries and 4 pictures, not 10 and 4"),
    ],
)
def test_results_about_different_questions_are_refused_with_the_reason(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    first = two_pairs(TEN).write(tmp_path)
    values: dict[str, Any] = {"name": "other", "pairs": two_pairs(TEN).pairs, **change}
    second = Made(**values).write(tmp_path)
    with pytest.raises(UsageError, match=said) as caught:
        compare([first, second])
    assert "other.json cannot be compared with" in str(caught.value)


def test_every_difference_of_the_questions_is_named_at_once(tmp_path: Path) -> None:
    first = two_pairs(TEN).write(tmp_path)
    second = two_pairs(TEN[1:], name="other", profile="paper", split=None, sha256="e" * 64).write(tmp_path)
    with pytest.raises(UsageError, match=r"data .*profile .*split") as caught:
        compare([first, second])
    assert "could not open" not in str(caught.value)


def test_a_seed_below_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="from 0 on, not -1"):
        compare([two_pairs(TEN).write(tmp_path)], seed=-1)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([])


def test_pairs_in_another_order_are_put_in_the_first_ones(tmp_path: Path) -> None:
    first = two_pairs([GOOD] * 4, [BAD] * 4).write(tmp_path)
    second = Made([("sketch", "photo", [GOOD] * 4), ("photo", "sketch", [BAD] * 4)], name="other").write(tmp_path)
    found = compare([first, second])
    assert [pair.metrics["P@1"] for pair in found.results[1].pairs] == [0.0, 1.0]
    assert found.difference("other", "P@1", 0).value == -1.0
    assert found.difference("other", "P@1", 1).value == 1.0


def test_a_result_beside_its_copy_differs_in_nothing(tmp_path: Path) -> None:
    file, copy = two_pairs(TEN).write(tmp_path, "a"), two_pairs(TEN).write(tmp_path, "b")
    found = compare([file, copy])
    assert found.labels == ("a", "b")
    assert {(each.value, each.low, each.high, each.p) for each in found.differences} == {(0.0, 0.0, 0.0, 1.0)}
    assert not any(each.significant for each in found.differences)
    assert "b and a are the same retriever." in found.notes


def test_a_difference_in_every_query_is_significant_and_its_interval_has_no_width(tmp_path: Path) -> None:
    found = compare([two_pairs([BAD] * 20).write(tmp_path), two_pairs([GOOD] * 20, name="better").write(tmp_path)])
    for pair in (0, 1, None):
        each = found.difference("better", "P@1", pair)
        assert (each.value, each.low, each.high) == (1.0, 1.0, 1.0)
        assert each.significant


def test_two_queries_of_twenty_are_not_significant(tmp_path: Path) -> None:
    # Two swaps of two: p is 2 / 4 for each pair, and 2 / 16 for the mean of both.
    worse, better = [GOOD] * 18 + [BAD] * 2, [GOOD] * 20
    found = compare([two_pairs(worse).write(tmp_path), two_pairs(better, name="better").write(tmp_path)])
    assert found.difference("better", "P@1", 0).p == pytest.approx(0.5)
    assert found.difference("better", "P@1", None).p == pytest.approx(0.125)
    assert not any(each.significant for each in found.differences if each.metric == "P@1")


def test_holm_takes_all_pairs_of_all_results_as_one_family_and_the_means_as_another(tmp_path: Path) -> None:
    # Two results, two pairs, p = 0.5 each: four tests, so that the smallest becomes min(1, 4 / 2).
    worse, better = [GOOD] * 18 + [BAD] * 2, [GOOD] * 20
    files = [two_pairs(worse).write(tmp_path)] + [two_pairs(better, name=n).write(tmp_path) for n in ("b", "c")]
    found = compare(files)
    assert {each.corrected for each in found.differences if each.metric == "P@1" and each.pair is not None} == {1.0}
    means = [each.corrected for each in found.differences if each.metric == "P@1" and each.pair is None]
    assert means == pytest.approx([0.25, 0.25])


def test_swapping_two_results_swaps_signs_and_nothing_else(tmp_path: Path) -> None:
    a = two_pairs([GOOD, BAD, GOOD, GOOD, BAD] * 4).write(tmp_path, "a")
    b = two_pairs([BAD, BAD, GOOD, BAD, GOOD] * 4, name="other").write(tmp_path, "b")
    there, back = compare([a, b]).differences, compare([b, a]).differences
    assert [each.value for each in there] == [-each.value for each in back]
    assert [each.p for each in there] == [each.p for each in back]


def test_a_mean_is_the_mean_of_the_pairs_however_many_queries_each_has(tmp_path: Path) -> None:
    first = two_pairs([BAD] * 6, [BAD] * 2).write(tmp_path)
    second = two_pairs([BAD] * 6, [GOOD] * 2, name="other").write(tmp_path)
    mean = compare([first, second]).difference("other", "P@1", None)
    assert mean.value == pytest.approx(0.5)
    assert mean.low <= mean.value <= mean.high


def test_each_gallery_has_its_own_mean(tmp_path: Path) -> None:
    pairs = [("a", "real", [BAD] * 8, "unseen"), ("a", "real", [GOOD] * 8, "mixed")]
    better = [("a", "real", [GOOD] * 8, "unseen"), ("a", "real", [GOOD] * 8, "mixed")]
    found = compare([Made(pairs).write(tmp_path), Made(better, name="better").write(tmp_path)])
    assert found.difference("better", "P@1", None, "unseen").value == 1.0
    assert found.difference("better", "P@1", None, "mixed").value == 0.0


def test_queries_with_nothing_relevant_are_in_no_difference_of_the_paper_profile(tmp_path: Path) -> None:
    options: dict[str, Any] = {"profile": "paper", "split": None}
    first = two_pairs([BAD, BAD, NONE, NONE], **options).write(tmp_path)
    second = two_pairs([GOOD, BAD, NONE, NONE], name="other", **options).write(tmp_path)
    found = compare([first, second])
    assert found.difference("other", "P@1", 0).value == 0.5
    assert any("4 queries have nothing relevant" in note and "in no P@k" in note for note in found.notes)


@pytest.mark.parametrize("profile", ["clean", "paper"])
def test_every_metric_of_the_headline_is_tested_and_its_difference_is_that_of_the_figures(
    tmp_path: Path, profile: str
) -> None:
    """Whatever the average: the micro one weighs a query by what it could find."""
    headline = ["P@1", "P@5", "P@200", "mAP@200", "mAP@all"]
    options: dict[str, Any] = {"profile": profile, "split": None, "headline": headline}
    one, three, none = (0, 0, 0, 1, 0, 0), (1, 0, 1, 0, 0, 1), (0,) * 6
    first = two_pairs([one, three, none] * 4, [one] * 3, **options).write(tmp_path)
    other = two_pairs([one[::-1], three[::-1], none] * 4, [three] * 3, name="b", **options)
    other.pairs[1] = ("sketch", "photo", [(1, 0, 0, 0, 0, 0)] * 3)
    found = compare([first, other.write(tmp_path)])
    assert found.tested == tuple(headline)
    for metric in headline:
        values = [[pair.metrics[metric] for pair in result.pairs] for result in found.results]
        for pair in (0, 1):
            assert found.difference("b", metric, pair).value == pytest.approx(
                values[1][pair] - values[0][pair], abs=1e-7
            )
        mean = found.difference("b", metric, None)
        assert mean.value == pytest.approx(np.mean(values[1]) - np.mean(values[0]), abs=1e-7)
        assert mean.low <= mean.value <= mean.high


def test_a_gallery_with_other_pictures_is_refused(tmp_path: Path) -> None:
    """As large, but one run could open one more picture of a class, and one less of another."""
    files = [two_pairs([ranks] * 4, name=name).write(tmp_path) for name, ranks in RELEVANT]
    with pytest.raises(UsageError, match="did not search the same gallery in photo → sketch"):
        compare(files)


def test_without_a_table_of_queries_there_are_figures_and_a_word_about_it(tmp_path: Path) -> None:
    files = [two_pairs(TEN).write(tmp_path), two_pairs(TEN, name="other").write(tmp_path, queries=False)]
    found = compare(files)
    assert found.differences == ()
    assert "No test over queries for other: other.queries.parquet is not there." in found.notes


def test_other_queries_in_the_table_are_refused(tmp_path: Path) -> None:
    first = two_pairs(TEN).write(tmp_path)
    second = two_pairs(TEN, name="other", classes=("cat", "horse")).write(tmp_path)
    with pytest.raises(UsageError, match="did not answer the same queries in photo → sketch"):
        compare([first, second])


@pytest.mark.parametrize(
    ("names", "stems", "expected"),
    [
        (("mini", "big"), ("a", "b"), ("mini", "big")),
        (("mini", "mini"), ("a", "b"), ("a", "b")),
        (("mini", "mini", "big"), ("x", "y", "z"), ("x", "y", "big")),
    ],
)
def test_rows_have_different_names(
    tmp_path: Path, names: tuple[str, ...], stems: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    files = [two_pairs(TEN, name=n).write(tmp_path, s) for n, s in zip(names, stems, strict=True)]
    assert compare(files).labels == expected


def test_the_same_file_name_in_two_folders_still_gives_two_names(tmp_path: Path) -> None:
    files = [two_pairs(TEN).write(tmp_path / each, "r") for each in ("a", "b")]
    assert len(set(compare(files).labels)) == 2


def test_what_was_told_of_domains_is_said(tmp_path: Path) -> None:
    told = two_pairs(TEN, name="told", facts={"options": {"with_domains": True}}).write(tmp_path)
    assert "told was told each picture's domain, also the query's." in compare([told]).notes


def test_the_json_has_every_figure_and_difference(tmp_path: Path) -> None:
    files = [two_pairs(TEN).write(tmp_path), two_pairs([GOOD] * 10, name="better").write(tmp_path)]
    told = json.loads(json.dumps(compare(files).to_json(), allow_nan=False))
    assert [method["label"] for method in told["methods"]] == ["mini", "better"]
    assert told["methods"][1]["metrics"][0]["P@1"] == 1.0
    assert told["reference"] == "mini"
    pairs = [(each["metric"], each["pair"]) for each in told["differences"]]
    assert pairs == [(metric, pair) for metric in ("P@1", "mAP@all") for pair in (0, 1, None)]
    assert {"difference", "interval", "p", "p_corrected", "significant"} <= told["differences"][0].keys()


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 6), st.floats(-1, 1, allow_nan=False), st.integers(0, 3)), min_size=1, max_size=9
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_values_by_picture_have_the_mean_of_the_pairs_figures(
    parts: list[list[tuple[int, float, int]]],
) -> None:
    columns = [
        (
            np.array([n for n, *_ in part]),
            np.array([a for _, a, _ in part]),
            np.array([b for *_, b in part], np.float64),
        )
        for part in parts
    ]
    expected = np.mean([above.sum() / max(below.sum(), 1) for _, above, below in columns])
    assert summed(columns).mean() == pytest.approx(expected, abs=1e-12)


def test_the_level_is_that_of_the_intervals() -> None:
    assert LEVEL == run_intervals.LEVEL


def test_small_p_values_are_not_printed_as_zero() -> None:
    assert p_text(0.0001) == "< .001"
    assert p_text(0.049) == ".049"
