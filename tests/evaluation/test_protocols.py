"""What each protocol asks of which data, and what it refuses; no picture is needed to decide that."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import listing, table

from samekind.datasets import dataset
from samekind.datasets.split import hash_split
from samekind.datasets.table import Table
from samekind.errors import UsageError
from samekind.evaluation.protocols import PROTOCOLS, Plan, Request, load_protocol, parse_pairs

FOUR = ("art", "cartoon", "photo", "sketch")


def plan(data: Table, protocol: str = "ucdir", **request: object) -> Plan:
    return load_protocol(protocol).plan(data, None, Request(**request))  # type: ignore[arg-type]


def many(domains: tuple[str, ...] = FOUR, per_class: int = 40) -> Table:
    return table(listing({domain: {"dog": per_class, "cat": per_class} for domain in domains}))


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_registered_protocol_loads_under_its_own_name(name: str) -> None:
    assert load_protocol(name).name == name


def test_an_unknown_protocol_or_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"ucdir, ucdr, uccdr, udcdr"):
        load_protocol("mAP")
    with pytest.raises(UsageError, match="clean or paper"):
        Request(profile="best")


def test_ucdir_asks_all_ordered_pairs_by_default() -> None:
    pairs = [(task.query, task.gallery) for task in plan(many()).tasks]
    assert len(pairs) == len(set(pairs)) == 12
    assert all(query != gallery for query, gallery in pairs)


def test_what_a_copy_lacks_of_a_declared_set_is_told() -> None:
    pacs = dataset("pacs")
    part = table(listing({name: {"dog": 20, "horse": 20} for name in ("cartoon", "photo")}))

    def notes(**request: object) -> str:
        return " ".join(load_protocol("ucdir").plan(part, pacs, Request(**request)).notes)  # type: ignore[arg-type]

    assert "lack 2 of the 4 domains (art_painting, sketch) and 5 of the 7 classes (elephant, " in notes()
    assert "lack 2 of the 4 domains (art_painting, sketch)." in notes(classes=["dog"])
    assert "lack 5 of the 7 classes" in notes(pairs=[("photo", "cartoon")])
    assert notes(pairs=[("photo", "cartoon")], classes=["dog"]) == ""
    whole = table(listing({name: dict.fromkeys(pacs.classes or (), 9) for name in pacs.domains}))
    assert load_protocol("ucdir").plan(whole, pacs, Request()).notes == ()


def test_ucdir_asks_only_the_pairs_that_are_named_in_their_order_each_once() -> None:
    asked = parse_pairs("sketch:photo, photo:art,sketch:photo")
    assert [(task.query, task.gallery) for task in plan(many(), pairs=asked).tasks] == [
        ("sketch", "photo"),
        ("photo", "art"),
    ]


@pytest.mark.parametrize("text", ["photo", "photo:", ":sketch", "a:b:c", "", ","])
def test_a_pair_is_written_query_colon_gallery(text: str) -> None:
    with pytest.raises(UsageError, match="photo:sketch"):
        parse_pairs(text)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [([("photo", "drawing")], "drawing.*there are: art, cartoon, photo, sketch"), ([("art", "art")], "find itself")],
)
def test_pairs_of_unknown_or_equal_domains_are_refused(pairs: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(many(), pairs=pairs)


def test_paper_takes_whole_folders_on_both_sides() -> None:
    data = many()
    for task in plan(data, profile="paper").tasks:
        assert task.query_rows.tolist() == data.rows(task.query).tolist()
        assert task.gallery_rows.tolist() == data.rows(task.gallery).tolist()


def test_clean_takes_only_what_the_split_keeps_out_of_training_on_both_sides() -> None:
    data = many()
    train = hash_split(data.files, 0.8)
    for task in plan(data).tasks:
        assert task.query_rows.tolist() == [row for row in data.rows(task.query) if not train[row]]
        assert task.gallery_rows.tolist() == [row for row in data.rows(task.gallery) if not train[row]]
        assert 0 < len(task.query_rows) < len(data.rows(task.query)) / 2


def test_the_split_is_told_in_clean_and_absent_in_paper() -> None:
    told = plan(many())
    assert told.split is not None
    assert told.split["share"] == 0.8
    assert len(str(told.split["sha256"])) == 64
    assert plan(many(), profile="paper").split is None


def test_a_domain_without_any_held_out_picture_is_refused_in_clean() -> None:
    """One picture a domain: for some name it falls into training."""
    for n in range(100):
        data = table([f"photo/dog/{n}.png", f"sketch/dog/{n}.png"])
        if hash_split(data.files, 0.8).any():
            break
    with pytest.raises(UsageError, match="--profile paper"):
        plan(data)
    assert len(plan(data, profile="paper").tasks) == 2


def test_one_domain_has_nothing_to_search_across() -> None:
    with pytest.raises(UsageError, match="one domain, photo"):
        plan(many(("photo",)))


def test_paper_averages_over_hits_and_says_that_epochs_were_chosen_by_the_test() -> None:
    paper, clean = plan(many(), profile="paper"), plan(many())
    assert (paper.rules.average, clean.rules.average) == ("micro", "macro")
    assert (paper.rules.space, clean.rules.space) == ("cosine", "own")
    assert any("best epoch" in note for note in paper.notes)
    assert not clean.notes


def test_classes_that_differ_are_an_error_that_names_them_and_the_domains() -> None:
    data = table(listing({"photo": {"dog": 9, "cat": 9, "Bird": 9}, "sketch": {"dog": 9, "bird": 9, "cat": 9}}))
    with pytest.raises(UsageError, match=r"photo lacks bird; sketch lacks Bird.*--classes cat,dog"):
        plan(data)


def test_naming_the_classes_leaves_the_others_out() -> None:
    data = table(listing({"photo": {"dog": 40, "cat": 40, "Bird": 9}, "sketch": {"dog": 40, "bird": 9, "cat": 40}}))
    told = plan(data, classes=["dog", "cat"], profile="paper")
    assert {told.table.classes[n] for n in np.unique(told.table.label)} == {"dog", "cat"}
    assert [len(told.tasks[0].query_rows), len(told.tasks[0].gallery_rows)] == [80, 80]


def test_a_domain_that_no_pair_asks_for_may_have_other_classes() -> None:
    data = table(listing({"photo": {"dog": 40}, "sketch": {"dog": 40}, "map": {"road": 3}}))
    assert len(plan(data, pairs=[("photo", "sketch")]).tasks) == 1


def test_unknown_classes_are_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"1 of the 2 classes.*horse.*cat, dog"):
        plan(many(), classes=["dog", "horse"])


def test_the_plan_does_not_depend_on_the_order_in_which_files_are_found() -> None:
    files = listing({"photo": {"dog": 30, "cat": 30}, "sketch": {"dog": 30, "cat": 30}})
    first, second = plan(table(files)), plan(table(files[::-1]))
    assert [task.query_rows.tolist() for task in first.tasks] == [task.query_rows.tolist() for task in second.tasks]


@pytest.mark.parametrize("protocol", ["ucdr", "uccdr", "udcdr"])
def test_protocols_of_seen_and_unseen_classes_refuse_a_folder_that_declares_none(protocol: str) -> None:
    with pytest.raises(UsageError, match=r"made does not.*--protocol ucdir"):
        plan(many(), protocol)


def test_rows_are_those_of_the_plans_own_table() -> None:
    data = table(listing({"photo": {"ant": 40, "dog": 40}, "sketch": {"ant": 40, "dog": 40}}))
    told = plan(data, classes=["dog"], profile="paper")
    assert all(told.table.files[row].startswith("photo/dog/") for row in told.tasks[0].query_rows)
