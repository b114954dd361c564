"""Which pictures a run trains on, and in what order: contents and domains decide, other names never."""

import shutil
from pathlib import Path

import pytest

from samekind.datasets.split import hash_split
from samekind.errors import UsageError
from samekind.training.data import find_pictures


def test_every_picture_below_a_domain_is_found_at_any_depth(world: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    (root / "photo" / "deep" / "er").mkdir(parents=True)
    shutil.copy(root / "photo" / "red" / "0.png", root / "photo" / "deep" / "er" / "again.png")
    (root / "photo" / "red" / "0.png").rename(root / "photo" / "beside.png")
    found = find_pictures(root)
    assert found.domains == ("photo", "sketch")
    assert [len(found.rows(place)) for place in (0, 1)] == [16, 15]


def test_renamed_folders_and_files_change_neither_order_nor_hash(world: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    for domain in ("photo", "sketch"):
        for number, name in enumerate(("red", "green", "blue")):
            (root / domain / name).rename(root / domain / f"{2 - number}-nothing")
        (root / domain / "0-nothing" / "0.png").rename(root / domain / "0-nothing" / "zzz.png")
    plain, renamed = find_pictures(world), find_pictures(root)
    assert plain.contents == renamed.contents
    assert plain.domain.tolist() == renamed.domain.tolist()
    assert plain.sha256 == renamed.sha256


def test_the_clean_profile_takes_the_splits_training_part(world: Path) -> None:
    whole, clean = find_pictures(world), find_pictures(world, clean=True)
    kept = hash_split(whole.files)
    assert set(clean.files) == {file for file, keep in zip(whole.files, kept, strict=True) if keep}
    assert 0 < len(clean) < len(whole)
    assert clean.sha256 != whole.sha256


def test_domains_come_in_the_order_asked_for(world: Path) -> None:
    assert find_pictures(world, ["sketch", "photo"]).domains == ("sketch", "photo")


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        (["photo"], "two or more different ones, and here they are: photo"),
        (["photo", "photo"], "two or more"),
        (["photo", "clay"], "no domain 'clay'; it has photo, sketch"),
        ([], "here they are: none"),
    ],
    ids=str,
)
def test_domains_that_cannot_be_are_refused(world: Path, domains: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_pictures(world, domains)


def test_a_domain_without_pictures_is_named(world: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    (root / "clay" / "red").mkdir(parents=True)
    (root / "clay" / "red" / "notes.txt").write_text("no picture")
    with pytest.raises(UsageError, match=r"no pictures below .*clay"):
        find_pictures(root)
