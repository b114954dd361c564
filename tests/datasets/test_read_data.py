"""Which data set a folder or a name means."""

from collections.abc import Callable
from pathlib import Path

import pytest

from samekind.datasets import dataset, read_data
from samekind.errors import UsageError

Paint = Callable[..., Path]


def full(paint: Paint, root: Path, name: str, classes: tuple[str, ...] | None = None) -> Path:
    """Every domain and class of a data set, one picture each."""
    declared = dataset(name)
    folders = [accepted[0] for accepted in declared.domains.values()]
    return paint(
        root, *(f"{folder}/{label}/1.png" for folder in folders for label in classes or declared.classes or ())
    )


@pytest.mark.parametrize("name", ["pacs", "office_home", "sketchy", "toyworld"])
def test_a_folder_with_the_domains_and_classes_of_a_declaration_is_that_data_set(
    tmp_path: Path, paint: Paint, name: str
) -> None:
    table, declared = read_data(full(paint, tmp_path / "anything", name))
    assert declared is dataset(name)
    assert table.name == name


def test_the_seven_classes_of_ucdir_are_domainnet_too(tmp_path: Path, paint: Paint) -> None:
    seven = dataset("domainnet").class_splits["ucdir"]
    table, declared = read_data(full(paint, tmp_path, "domainnet", seven))
    assert declared is dataset("domainnet")
    assert table.classes == seven


@pytest.mark.parametrize("change", ["one class less", "one class more", "one domain less", "one domain more"])
def test_a_folder_that_is_only_alike_is_one_of_your_own(tmp_path: Path, paint: Paint, change: str) -> None:
    root = full(paint, tmp_path / "mine", "pacs")
    if change == "one class less":
        for domain in root.iterdir():
            (domain / "dog" / "1.png").rename(domain / "cat.png")
            (domain / "dog").rmdir()
    elif change == "one class more":
        paint(root, "photo/zebra/1.png")
    elif change == "one domain less":
        (root / "photo").rename(root / ".photo")
    else:
        paint(root, "quickdraw/dog/1.png")
    table, declared = read_data(root)
    assert declared is None
    assert table.name == "mine"


def test_lists_beside_the_domains_do_not_matter(tmp_path: Path, paint: Paint) -> None:
    root = full(paint, tmp_path / "mine", "pacs")
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("photo/dog/1.png 0\n")
    table, declared = read_data(root)
    assert declared is dataset("pacs")
    assert [each["uri"] for each in table.skipped] == ["splits"]


def test_sketches_and_photos_of_other_things_are_not_sketchy(tmp_path: Path, paint: Paint) -> None:
    table, declared = read_data(paint(tmp_path / "w", "photo/dog/1.png", "sketch/dog/1.png"))
    assert (declared, table.name, table.domains) == (None, "w", ("photo", "sketch"))


def test_a_name_with_a_path_forces_the_declaration_and_folder_prevents_it(tmp_path: Path, paint: Paint) -> None:
    part = paint(tmp_path / "part", "sketch/dog/1.png", "photo/dog/1.png")
    table, declared = read_data(f"pacs:{part}")
    assert (declared, table.name) == (dataset("pacs"), "pacs")
    table, declared = read_data(f"folder:{full(paint, tmp_path / 'whole', 'pacs')}")
    assert (declared, table.name) == (None, "whole")


def test_a_name_alone_is_looked_for_where_the_environment_says(
    tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(paint, tmp_path / "pacs", "pacs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMEKIND_DATA", str(tmp_path))
    assert read_data("pacs")[1] is dataset("pacs")
    with pytest.raises(UsageError, match="has no folder office_home"):
        read_data("office_home")
    monkeypatch.delenv("SAMEKIND_DATA")
    with pytest.raises(UsageError, match="SAMEKIND_DATA is not set"):
        read_data("office_home")


def test_a_folder_of_a_data_sets_name_is_that_folder(
    tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "pacs", "photo/zebra/1.png", "sketch/zebra/1.png")
    monkeypatch.chdir(tmp_path)
    table, declared = read_data("pacs")
    assert (declared, table.classes) == (None, ("zebra",))


def test_a_name_that_is_nothing_is_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Known data sets: folder, pacs, office_home, domainnet"):
        read_data("imagenet")
    with pytest.raises(UsageError, match="no folder"):
        read_data(f"pacs:{tmp_path}/none")
    with pytest.raises(UsageError, match="no data set 'imagenet'"):
        dataset("imagenet")


def test_classes_spelled_differently_in_two_domains_are_refused(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "photo/see saw/1.png", "sketch/See_Saw/1.png", "sketch/dog/1.png", "photo/dog/1.png")
    with pytest.raises(UsageError, match="see saw in photo, and See_Saw in sketch"):
        read_data(tmp_path)


def test_classes_that_differ_by_a_sign_in_one_domain_are_two_classes(tmp_path: Path, paint: Paint) -> None:
    table, _ = read_data(paint(tmp_path, "photo/c/1.png", "photo/c++/1.png", "sketch/c++/1.png"))
    assert table.classes == ("c", "c++")


@pytest.mark.parametrize("files", [(), ("1.png",), ("dog/1.png",)], ids=["empty", "loose", "no domains"])
def test_a_folder_without_domains_and_classes_is_refused(tmp_path: Path, paint: Paint, files: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="domain/class/picture"):
        read_data(paint(tmp_path, *files))


def test_folders_without_classes_are_told(tmp_path: Path, paint: Paint) -> None:
    table, _ = read_data(paint(tmp_path, "photo/dog/1.png", "new/1.png"))
    assert {each["uri"]: each["reason"] for each in table.skipped} == {"new": "surplus", "new/1.png": "misplaced"}
