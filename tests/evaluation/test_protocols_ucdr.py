"""UCDR, U(c)CDR and U(d)CDR on made-up trees with the real class names: who asks, what is searched, what is refused."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import listing, table

from samekind.datasets import dataset
from samekind.datasets.declaration import Dataset
from samekind.datasets.split import hash_split
from samekind.datasets.table import Table
from samekind.errors import UsageError
from samekind.evaluation.protocols import PROTOCOLS, Plan, Request, load_protocol
from samekind.evaluation.protocols_ucdr import HELD_OUT_DOMAINS, drawn
from samekind.evaluation.run_score import METRICS

DOMAINNET = dataset("domainnet")
SPLITS = DOMAINNET.class_splits
SEEN = (*SPLITS["train"], *SPLITS["val"])


def domainnet(test: int = 3, seen: int = 0, first: int = 0) -> Table:
    """Each domain with the test classes; real with the seen ones too; the first 45 seen ones everywhere."""
    counts: dict[str, dict[str, int]] = {
        name: dict.fromkeys(SPLITS["test"], test) | dict.fromkeys(SPLITS["train"][:45], first)
        for name in (*HELD_OUT_DOMAINS, "real")
    }
    counts["real"] |= dict.fromkeys(SEEN, seen or first) | dict.fromkeys(SPLITS["train"][:45], seen or first)
    return table(listing(counts), "domainnet")


def plan(data: Table, protocol: str = "ucdr", facts: Dataset = DOMAINNET, **request: object) -> Plan:
    return load_protocol(protocol).plan(data, facts, Request(**request))  # type: ignore[arg-type]


def classes(told: Plan, rows: np.ndarray) -> set[str]:
    return {told.table.classes[n] for n in told.table.label[rows]}


def test_each_domain_but_real_asks_real_in_turn_for_the_45_test_classes() -> None:
    told = plan(domainnet())
    assert [task.query for task in told.tasks] == list(HELD_OUT_DOMAINS)
    assert {task.gallery for task in told.tasks} == {"real"}
    for task in told.tasks:
        assert classes(told, task.query_rows) == classes(told, task.gallery_rows) == set(SPLITS["test"])
        assert len(task.query_rows) == len(task.gallery_rows) == 45 * 3


@pytest.mark.parametrize("profile", ["clean", "paper"])
def test_queries_and_unseen_gallery_are_whole_in_both_profiles_because_no_method_trains_on_their_classes(
    profile: str,
) -> None:
    for task in plan(domainnet(), profile=profile).tasks:
        assert len(task.query_rows) == 45 * 3


def test_the_mixed_gallery_adds_8_percent_of_each_seen_class_and_nothing_else() -> None:
    told = plan(domainnet(seen=50), profile="paper")
    unseen, mixed = (next(task for task in told.tasks if task.name == name) for name in ("unseen", "mixed"))
    added = np.setdiff1d(mixed.gallery_rows, unseen.gallery_rows)
    assert np.isin(unseen.gallery_rows, mixed.gallery_rows).all()
    assert mixed.query_rows.tolist() == unseen.query_rows.tolist()
    assert classes(told, added) == set(SEEN)
    assert len(added) == len(SEEN) * (50 - int(0.92 * 50))
    assert all(told.table.files[row].startswith("real/") for row in added)
    assert set(told.lists["mixed"]) == {told.table.files[row] for row in added}


def test_the_mixed_gallery_does_not_depend_on_the_order_of_the_files() -> None:
    data = domainnet(seen=20)
    shuffled = table(np.random.default_rng(0).permutation(np.array(data.files)).tolist(), "domainnet")
    assert plan(data).lists == plan(shuffled).lists


def test_a_larger_class_list_or_other_classes_do_not_change_what_is_drawn_of_a_class() -> None:
    """The public code seeds its draw by the position of the class; ours looks at the paths alone."""
    few = plan(domainnet(seen=40), seen="train").lists["mixed"]
    all_of_them = plan(domainnet(seen=40)).lists["mixed"]
    assert set(few) < set(all_of_them)
    assert {name.split("/")[1] for name in few} == set(SPLITS["train"])


def test_in_clean_the_mixed_gallery_takes_no_picture_that_training_may_see() -> None:
    told = plan(domainnet(seen=50))
    assert told.lists["mixed"]
    assert not hash_split(told.lists["mixed"], 0.8).any()
    assert told.split is not None
    assert told.split["share"] == 0.8


def test_a_stored_list_is_taken_as_it_is(tmp_path: Path) -> None:
    stored = tmp_path / "mixed.txt"
    chosen = [f"real/{SEEN[0]}/0001.png", f"real/{SEEN[7]}/0002.png"]
    stored.write_text("# chosen once\n" + "\n".join(chosen) + "\n")
    for profile in ("clean", "paper"):
        told = plan(domainnet(seen=20), mixed=stored, profile=profile)
        assert sorted(told.lists["mixed"]) == sorted(chosen)


@pytest.mark.parametrize("line", ["real/{test}/0001.png", "sketch/{seen}/0001.png", "real/{seen}/9999.png", ""])
def test_a_stored_list_of_other_pictures_is_refused(tmp_path: Path, line: str) -> None:
    stored = tmp_path / "mixed.txt"
    stored.write_text(line.format(test=SPLITS["test"][0], seen=SEEN[0]) + "\n")
    with pytest.raises(UsageError, match="real pictures of seen classes"):
        plan(domainnet(seen=20), mixed=stored)
    with pytest.raises(UsageError, match="cannot be read"):
        plan(domainnet(seen=20), mixed=tmp_path / "none.txt")


def test_without_pictures_of_seen_classes_the_mixed_gallery_is_left_out_and_that_is_said() -> None:
    told = plan(domainnet())
    assert {task.name for task in told.tasks} == {"unseen"}
    assert any("left out" in note for note in told.notes)


def test_the_notes_say_which_classes_count_as_seen() -> None:
    assert any("300 seen classes" in note for note in plan(domainnet(seen=20)).notes)
    assert any("245 seen classes" in note for note in plan(domainnet(seen=20), seen="train").notes)
    with pytest.raises(UsageError, match=r"train\+val or train"):
        Request(seen="all")


def test_paper_inverts_sketch_and_quickdraw_takes_raw_vectors_and_divides_by_what_was_found() -> None:
    paper, clean = plan(domainnet(), profile="paper").rules, plan(domainnet()).rules
    assert paper.inverted == {"sketch", "quickdraw"}
    assert (paper.denominator, paper.space, paper.raw) == ("found", "euclidean", True)
    assert (clean.inverted, clean.denominator, clean.space, clean.raw) == (frozenset(), "min_k_relevant", "own", False)


def test_one_domain_can_be_asked_alone_but_only_of_real() -> None:
    assert [task.query for task in plan(domainnet(), pairs=[("painting", "real")]).tasks] == ["painting"]
    with pytest.raises(UsageError, match="always real"):
        plan(domainnet(), pairs=[("sketch", "clipart")])


def test_a_test_class_that_a_domain_lacks_is_an_error_that_names_both() -> None:
    lost = SPLITS["test"][5]
    files = [file for file in domainnet().files if not file.startswith(f"sketch/{lost}/")]
    with pytest.raises(UsageError, match=f"sketch lacks {lost}"):
        plan(table(files, "domainnet"))


def test_windmill_belongs_to_both_vocabularies_which_stay_apart() -> None:
    ucdir, test = SPLITS["ucdir"], SPLITS["test"]
    assert "windmill" in ucdir
    assert "windmill" in test
    names = {*ucdir, *test}
    data = table(listing({d: dict.fromkeys(names, 20) for d in (*HELD_OUT_DOMAINS, "real")}), "domainnet")
    for protocol, vocabulary in (("ucdir", ucdir), ("ucdr", test)):
        told = plan(data, protocol, profile="paper")
        asked = np.concatenate([task.query_rows for task in told.tasks])
        assert classes(told, asked) == set(vocabulary)


def test_ucdir_on_domainnet_asks_its_seven_classes_in_its_twelve_pairs_and_says_what_is_from_memory() -> None:
    data = table(listing({d: dict.fromkeys(SPLITS["ucdir"], 20) for d in (*HELD_OUT_DOMAINS, "real")}), "domainnet")
    told = plan(data, "ucdir")
    pairs = [(task.query, task.gallery) for task in told.tasks]
    assert len(set(pairs)) == 12
    assert all((gallery, query) in pairs for query, gallery in pairs)
    assert told.headline == ("P@50", "P@100", "P@200")
    assert any("from memory" in note for note in told.notes)


def test_udcdr_draws_a_quarter_of_each_class_and_a_tenth_where_quickdraw_asks() -> None:
    told = plan(domainnet(first=40), "udcdr", profile="paper")
    assert [task.query for task in told.tasks] == list(HELD_OUT_DOMAINS)
    for task in told.tasks:
        share = 4 if task.query == "quickdraw" else 10
        for rows in (task.query_rows, task.gallery_rows):
            assert classes(told, rows) == set(SPLITS["train"][:45])
            assert set(np.bincount(told.table.label[rows])[np.unique(told.table.label[rows])]) == {share}


def test_udcdr_in_clean_asks_and_searches_the_held_out_part_because_these_classes_are_trained_on() -> None:
    told = plan(domainnet(first=40), "udcdr")
    for task in told.tasks:
        for rows in (task.query_rows, task.gallery_rows):
            assert not hash_split([told.table.files[row] for row in rows], 0.8).any()


def test_drawing_takes_the_largest_hashes_of_each_class_in_the_tables_order() -> None:
    data = table(listing({"real": {"a": 30, "b": 10}}))
    rows = drawn(data, data.rows("real"), lambda n: n // 10)
    assert [data.files[row].split("/")[1] for row in rows] == ["a", "a", "a", "b"]
    assert rows.tolist() == sorted(rows.tolist())


@pytest.mark.parametrize(
    ("name", "count", "headline", "inverted"),
    [("sketchy", 21, ("mAP@200", "P@200"), {"sketch"}), ("tu_berlin", 30, ("mAP@all", "P@100"), set())],
)
def test_uccdr_sketches_of_the_unseen_classes_ask_photos(
    name: str, count: int, headline: tuple[str, str], inverted: set[str]
) -> None:
    facts = dataset(name)
    test = facts.class_splits["test"]
    assert len(test) == count
    seen = sorted(set(facts.class_splits["train"]))[:4]
    data = table(listing({d: dict.fromkeys((*test, *seen), 2) for d in ("sketch", "photo")}), name)
    told = plan(data, "uccdr", facts, profile="paper")
    (task,) = told.tasks
    assert (task.query, task.gallery) == ("sketch", "photo")
    assert classes(told, task.query_rows) == classes(told, task.gallery_rows) == set(test)
    assert len(task.query_rows) == len(task.gallery_rows) == 2 * count
    assert told.headline == headline
    assert told.rules.inverted == inverted


def test_a_protocol_of_other_data_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ucdr needs.*domainnet"):
        plan(domainnet(), "ucdr", replace(DOMAINNET, class_splits={}))
    with pytest.raises(UsageError, match="does not ask for horse"):
        plan(domainnet(), classes=["horse"])


def fitting(protocol: str) -> tuple[Table, Dataset]:
    """Data that a protocol is about."""
    if protocol == "ucdir":
        return domainnet(test=12), replace(DOMAINNET, name="made", class_splits={"ucdir": SPLITS["test"]})
    if protocol != "uccdr":
        return domainnet(test=12, seen=12, first=12), DOMAINNET
    facts = dataset("sketchy")
    counts = dict.fromkeys(facts.class_splits["test"], 12)
    return table(listing({"sketch": counts, "photo": counts}), "sketchy"), facts


@pytest.mark.parametrize("profile", ["clean", "paper"])
@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_what_every_protocol_promises(name: str, profile: str) -> None:
    """Rows in order, each once, of the domain that the task names; the same plan again; metrics that exist."""
    data, facts = fitting(name)
    told, again = plan(data, name, facts, profile=profile), plan(data, name, facts, profile=profile)
    assert told.tasks
    assert set(told.headline) <= set(METRICS)
    assert (told.split is None) is (profile == "paper" or name == "uccdr")
    for task, same in zip(told.tasks, again.tasks, strict=True):
        for domain, rows, rows_again in (
            (task.query, task.query_rows, same.query_rows),
            (task.gallery, task.gallery_rows, same.gallery_rows),
        ):
            assert rows.tolist() == sorted(set(rows.tolist())) == rows_again.tolist()
            assert len(rows)
            assert {told.table.files[row].split("/")[0] for row in rows} == {domain}
        assert not set(task.query_rows.tolist()) & set(task.gallery_rows.tolist())
        assert classes(told, task.query_rows) <= classes(told, task.gallery_rows) or profile == "clean"
    assert load_protocol(name).title


def test_an_empty_list_of_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        Request(classes=[])
