"""The table: rows, selections, names that do not hang on spelling, and the hash of the data."""

import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from samekind.datasets import dataset, hashes, read_data
from samekind.datasets.table import Table

PNG = b"\x89PNG"
FILES = ("photo/cat/1.png", "photo/dog/1.png", "photo/dog/2.png", "sketch/cat/1.png", "sketch/dog/1.png")


@pytest.fixture
def table(tmp_path: Path, paint: Callable[..., Path]) -> Table:
    return read_data(paint(tmp_path / "world", *FILES))[0]


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Hashes are remembered though the files are new; the list fills with what is really hashed."""
    read: list[bytes] = []
    monkeypatch.setattr(hashes, "_RACE_NS", -1)
    monkeypatch.setattr(hashes, "sha256", lambda data=b"": (read.append(data), sha256(data))[1])
    return read


def test_a_row_for_each_picture_sorted_with_one_class_list(table: Table, tmp_path: Path) -> None:
    assert (table.name, table.root, table.files) == ("world", tmp_path / "world", FILES)
    assert (table.domains, table.classes) == (("photo", "sketch"), ("cat", "dog"))
    assert table.domain.tolist() == [0, 0, 0, 1, 1]
    assert table.label.tolist() == [0, 1, 1, 0, 1]
    assert len(table) == 5
    assert table.skipped == ()


def test_the_rows_of_a_domain_are_in_order(table: Table) -> None:
    assert table.rows("sketch").tolist() == [3, 4]
    assert table.rows("painting").tolist() == []


def test_a_selection_keeps_the_order_asked_for_and_the_lists_of_names(table: Table) -> None:
    some = table.select(np.array([4, 0]))
    assert some.files == ("sketch/dog/1.png", "photo/cat/1.png")
    assert (some.domain.tolist(), some.label.tolist()) == ([1, 0], [1, 0])
    assert (some.domains, some.classes, some.root) == (table.domains, table.classes, table.root)
    assert table.select(table.label == 0).files == ("photo/cat/1.png", "sketch/cat/1.png")
    assert table.select([]).files == ()


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="1 files, 2 domains and 2 labels"):
        Table("t", Path("/"), ("a/b/1.png",), np.array([0, 0]), ("a",), np.array([0, 0]), ("b",))


def test_the_hash_is_that_of_sorted_lines_of_names_and_contents(table: Table) -> None:
    lines = [f"{file} {sha256((table.root / file).read_bytes()).hexdigest()}\n" for file in FILES]
    assert table.sha256() == sha256("".join(sorted(lines)).encode()).hexdigest()
    assert table.select(np.array([4, 3, 2, 1, 0])).sha256() == table.sha256()


@pytest.mark.parametrize("change", ["content", "name", "class", "less"])
def test_any_change_is_another_hash(table: Table, change: str) -> None:
    before, picture = table.sha256(), table.root / FILES[1]
    if change == "content":
        picture.write_bytes(picture.read_bytes() + b"\0")
    elif change == "name":
        picture.rename(picture.with_name("3.png"))
    elif change == "class":
        picture.rename(table.root / "photo" / "cat" / "3.png")
    else:
        picture.unlink()
    assert read_data(table.root)[0].sha256() != before


def test_names_and_hash_do_not_hang_on_how_somebody_spells_the_folders(
    tmp_path: Path, paint: Callable[..., Path]
) -> None:
    office = dataset("office_home")
    first = paint(tmp_path / "a", "Real World/Alarm_Clock/00001.jpg", "Art/ToothBrush/deep/2.png")
    (tmp_path / "b" / "art").mkdir(parents=True)
    (first / "Real World").rename(tmp_path / "b" / "real_world")
    (tmp_path / "b" / "real_world" / "Alarm_Clock").rename(tmp_path / "b" / "real_world" / "alarm clock")
    (first / "Art" / "ToothBrush").rename(tmp_path / "b" / "art" / "Toothbrush")
    other = office.read(tmp_path / "b")
    assert other.files == ("art/Toothbrush/deep/2.png", "real_world/alarm clock/00001.jpg")
    assert other.keys == ("art/ToothBrush/deep/2.png", "real_world/Alarm_Clock/00001.jpg")
    before = other.sha256()
    (tmp_path / "b" / "real_world").rename(tmp_path / "b" / "Real")
    again = office.read(tmp_path / "b")
    assert again.files == ("art/Toothbrush/deep/2.png", "Real/alarm clock/00001.jpg")
    assert (again.keys, again.sha256()) == (other.keys, before)


def test_the_names_of_a_plain_folder_are_its_paths(table: Table) -> None:
    assert table.keys == table.files


def test_an_unchanged_file_is_hashed_once(table: Table, remembering: list[bytes]) -> None:
    first = table.sha256()
    contents = [data for data in remembering if data.startswith(PNG)]
    assert len(contents) == len(FILES)
    remembering.clear()
    assert table.sha256() == first
    assert not [data for data in remembering if data.startswith(PNG)]


@pytest.mark.parametrize("kept", ["size", "size and time"])
def test_a_changed_file_is_hashed_again_though_size_and_time_are_the_same(
    table: Table, remembering: list[bytes], kept: str
) -> None:
    before, picture = table.sha256(), table.root / FILES[0]
    stamp, data = picture.stat(), bytearray(picture.read_bytes())
    data[-1] ^= 1
    picture.write_bytes(bytes(data))
    if kept == "size and time":
        os.utime(picture, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert picture.stat().st_size == stamp.st_size
    assert table.sha256() != before


def test_what_was_written_a_moment_ago_is_not_remembered(table: Table, cache: Path) -> None:
    """It might be written again within the same tick of the clock."""
    table.sha256()
    assert not list(cache.glob("hashes/*"))


@pytest.mark.parametrize("damage", [b"", b"something else\n", b"samekind hashes 1\nx y\n", b"\xff\xfe"])
def test_a_damaged_memory_is_an_empty_one(table: Table, remembering: list[bytes], cache: Path, damage: bytes) -> None:
    first = table.sha256()
    (memory,) = cache.glob("hashes/*.txt")
    memory.write_bytes(damage)
    assert table.sha256() == first
    assert memory.read_bytes() != damage


def test_a_cache_that_cannot_be_written_costs_only_time(table: Table, remembering: list[bytes], cache: Path) -> None:
    first = table.sha256()
    (memory,) = cache.glob("hashes/*.txt")
    memory.unlink()
    memory.parent.rmdir()
    memory.parent.write_text("in the way")
    assert table.sha256() == first


def test_a_name_with_a_line_break_harms_no_other(table: Table, remembering: list[bytes]) -> None:
    (table.root / FILES[0]).rename(table.root / "photo" / "cat" / "a\nb.png")
    again = read_data(table.root)[0]
    first = again.sha256()
    remembering.clear()
    assert again.sha256() == first
    assert len([data for data in remembering if data.startswith(PNG)]) == 1


def test_what_was_hashed_before_an_interruption_is_not_hashed_again(
    table: Table, remembering: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_AT_ONCE", 3)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.sha256(interrupt)
    remembering.clear()
    table.sha256()
    assert len([data for data in remembering if data.startswith(PNG)]) == len(FILES) - 3


def test_the_order_is_that_of_the_names_whatever_the_order_of_the_folders(
    tmp_path: Path, paint: Callable[..., Path]
) -> None:
    toys = dataset("toyworld").read(paint(tmp_path / "t", "photo/cat/1.png", "cartoon/cat/1.png", "cartoon/bird/1.png"))
    assert toys.domains == ("photo", "cartoon")
    assert toys.keys == ("cartoon/bird/1.png", "cartoon/cat/1.png", "photo/cat/1.png")
    office = dataset("office_home").read(paint(tmp_path / "o", "product/Bed/1.jpg", "Real/TV/1.jpg", "Real/bed/1.jpg"))
    assert office.files == ("product/Bed/1.jpg", "Real/bed/1.jpg", "Real/TV/1.jpg")


def test_a_file_that_has_gone_counts_as_unreadable(table: Table) -> None:
    (table.root / FILES[0]).unlink()
    lines = [f"{file} {sha256((table.root / file).read_bytes()).hexdigest()}\n" for file in FILES[1:]]
    assert table.sha256() == sha256("".join(sorted([*lines, f"{FILES[0]} unreadable\n"])).encode()).hexdigest()


def test_progress_counts_the_files(table: Table) -> None:
    told: list[tuple[int, int]] = []
    table.sha256(lambda done, total: told.append((done, total)))
    assert told[-1] == (5, 5)


def test_pacs_is_read_and_hashed_in_seconds(shared: Path) -> None:
    """About a second on an idle machine; the bound only catches work that is done more than once."""
    began = time.perf_counter()
    table, _ = read_data(shared / "data" / "pacs")
    table.sha256()
    assert len(table) == 9991
    assert time.perf_counter() - began < 20
