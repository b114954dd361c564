"""What every registered data set must do; an addition is tested without writing a test."""

import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samekind.datasets import DATASETS, dataset, read_data
from samekind.datasets.check import check
from samekind.datasets.declaration import Dataset
from samekind.datasets.layout import key
from samekind.datasets.split import names_sha256
from samekind.errors import UsageError

pytestmark = pytest.mark.parametrize("name", sorted(DATASETS))

FACTS = ("counts", "class_counts", "archives", "class_splits", "class_aliases")


def small(declared: Dataset, root: Path) -> dict[str, dict[str, int]]:
    """A tree of two domains and two classes in the real layout, three and four pictures; returns the counts."""
    domains = dict(islice(declared.domains.items(), 2)) or {"photo": ("photo",), "sketch": ("sketch",)}
    classes = (declared.classes or ("cat", "dog"))[:2]
    counts = {domain: dict(zip(classes, (3, 4), strict=True)) for domain in domains}
    content = 0
    for domain, each in counts.items():
        for label, number in each.items():
            for n in range(number):
                file = root / domains[domain][0] / label / f"{n}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                content += 1
                Image.fromarray(np.full((2, 2), content, np.uint8)).save(file)
    return counts


def test_its_fixture_tree_is_read_with_its_names_and_counts(name: str, tmp_path: Path) -> None:
    declared = dataset(name)
    counts = small(declared, tmp_path)
    table = declared.read(tmp_path)
    found = {
        domain: {label: int((table.label[table.rows(domain)] == n).sum()) for n, label in enumerate(table.classes)}
        for domain in table.domains
    }
    assert found == counts
    assert table.skipped == ()
    assert all((tmp_path / file).is_file() for file in table.files)
    assert list(table.keys) == sorted(table.keys)


def test_read_data_reads_it_by_name_and_path(name: str, tmp_path: Path) -> None:
    small(dataset(name), tmp_path)
    table, declared = read_data(f"{name}:{tmp_path}")
    assert len(table) == 14
    assert declared is (None if name == "folder" else dataset(name))


def test_one_domain_alone_can_be_read_and_an_unknown_one_is_refused(name: str, tmp_path: Path) -> None:
    first = next(iter(small(dataset(name), tmp_path)))
    assert dataset(name).read(tmp_path, domains=[first]).domains == (first,)
    with pytest.raises(UsageError, match="no domain 'nowhere'"):
        dataset(name).read(tmp_path, domains=["nowhere"])


def test_a_class_folder_that_it_does_not_have_is_refused_by_name(name: str, tmp_path: Path) -> None:
    declared = dataset(name)
    small(declared, tmp_path)
    if declared.classes is None:
        pytest.skip("has no list of classes")
    folder = next(iter(declared.domains.values()))[0]
    (tmp_path / folder / "no such class").mkdir()
    with pytest.raises(UsageError, match="no such class"):
        declared.read(tmp_path)


def test_check_counts_what_is_there_and_names_what_lacks(name: str, tmp_path: Path) -> None:
    declared = dataset(name)
    counts = small(declared, tmp_path)
    report = check(declared, tmp_path)
    assert report.pictures == 14
    assert (report.surplus, report.broken, report.duplicated) == ((), (), ())
    absent = {each["uri"] for each in report.missing if each["reason"] == "no_domain"}
    assert absent == set(declared.domains) - set(counts)
    assert report.whole is (name == "folder")


def test_it_says_what_it_is_and_where_it_is_from(name: str) -> None:
    declared = dataset(name)
    assert declared.name == name
    for fact in ("title", "citation", "licence", "source", "layout"):
        assert getattr(declared, fact).strip(), fact
    filled = [fact for fact in FACTS if getattr(declared, fact)] + (["classes"] if declared.classes else [])
    for fact in filled:
        assert any(known.split(".")[0] == fact for known in declared.known), f"{fact}: from where?"
    origins = ("read ", "measured ", "from memory")
    assert all(origin.startswith(origins) for origin in declared.known.values())


def test_its_classes_are_unique_sorted_and_spelled_apart(name: str) -> None:
    declared = dataset(name)
    classes = declared.classes or ()
    assert list(classes) == sorted(classes)
    assert len({key(label) for label in classes}) == len(classes)
    assert set(declared.class_aliases.values()) <= set(classes)
    assert not {key(alias) for alias in declared.class_aliases} & {key(label) for label in classes}
    assert all(declared.class_of(label) == label for label in classes)


def test_no_folder_may_hold_two_domains(name: str) -> None:
    accepted = [key(folder) for folders in dataset(name).domains.values() for folder in folders]
    assert len(set(accepted)) == len(accepted)
    for domain in dataset(name).domains:
        assert re.fullmatch(r"[a-z_]+", domain)


def test_its_splits_are_frozen_disjoint_and_made_of_its_classes(name: str) -> None:
    declared = dataset(name)
    splits = declared.class_splits
    assert {split: names_sha256(names) for split, names in splits.items()} == dict(declared.split_hashes)
    for names in splits.values():
        assert len(set(names)) == len(names)
        assert set(names) <= set(declared.classes or ())
    partition = [splits[split] for split in ("train", "val", "test") if split in splits]
    if partition:
        assert sorted(label for names in partition for label in names) == list(declared.classes or ())


def test_its_counts_are_those_of_its_own_domains_and_classes(name: str) -> None:
    declared = dataset(name)
    assert set(declared.counts) <= set(declared.domains)
    for domain, each in declared.class_counts.items():
        assert set(each) == set(declared.classes or ())
        assert sum(each.values()) in declared.counts[domain]


def test_the_documents_have_its_numbers(name: str) -> None:
    declared = dataset(name)
    page = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"
    row = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == (", ".join(declared.domains) or "any")
    assert cells[2] == (f"{len(declared.classes):,}" if declared.classes else "any")
    sizes = [counts[0] for counts in declared.counts.values()]
    assert cells[3] == (f"{sum(sizes):,}" if sizes else "")
    assert cells[4] == ", ".join(f"{split} {len(names)}" for split, names in declared.class_splits.items())
