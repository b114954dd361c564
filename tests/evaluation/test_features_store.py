"""What the cache of vectors promises: parts whole or absent, damage mended, a limit kept, the oldest out first."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.errors import UsageError
from samekind.evaluation import features_store
from samekind.evaluation.features_store import VectorStore, cache_folder, cache_limit, evict
from samekind.images.refs import Skip

KEY = {"retriever": "r", "data": "d"}


def vectors(*rows: int) -> np.ndarray:
    return np.array([[row, row + 0.5] for row in rows], np.float32).reshape(-1, 2)


def store(cache: Path, **key: object) -> VectorStore:
    return VectorStore(cache, {**KEY, **key}, 10, 2)


def test_what_was_written_is_read_by_anyone_with_the_same_key(tmp_path: Path) -> None:
    store(tmp_path).write([3, 1], vectors(3, 1))
    store(tmp_path).write([7], vectors(7), {2: Skip("a/b.png", "empty", "0 bytes")})
    known = store(tmp_path).read()
    assert np.flatnonzero(known.done).tolist() == [1, 2, 3, 7]
    np.testing.assert_array_equal(known.vectors[[1, 3, 7]], vectors(1, 3, 7))
    assert known.skipped == {2: Skip("a/b.png", "empty", "0 bytes")}


@pytest.mark.parametrize("other", [{"retriever": "s"}, {"data": "e"}, {"inverted": True}, {"precision": "float16"}])
def test_another_key_is_another_entry(tmp_path: Path, other: dict[str, object]) -> None:
    store(tmp_path).write([3], vectors(3))
    assert not store(tmp_path, **other).read().done.any()


def test_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    store(tmp_path).write([], vectors())
    assert not list(tmp_path.rglob("*.npz"))


@settings(deadline=None)
@given(cut=st.integers(0, 400))
def test_a_part_that_was_cut_short_is_dropped_and_the_others_stay(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("cut")
    store(tmp_path).write([1], vectors(1))
    (first,) = tmp_path.rglob("*.npz")
    whole = first.read_bytes()
    store(tmp_path).write([2], vectors(2))
    first.write_bytes(whole[: min(cut, len(whole) - 1)])
    known = store(tmp_path).read()
    assert np.flatnonzero(known.done).tolist() == [2]
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_a_part_of_another_shape_or_with_strange_rows_is_dropped(tmp_path: Path) -> None:
    for strange in (VectorStore(tmp_path, KEY, 10, 3), VectorStore(tmp_path, KEY, 99, 2)):
        strange.write([90 if strange.shape[0] == 99 else 1], np.zeros((1, strange.shape[1]), np.float32))
    assert not store(tmp_path).read().done.any()
    assert not list(tmp_path.rglob("*.npz"))


def test_a_file_that_was_never_finished_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(features_store.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path).write([1], vectors(1))
    assert not store(tmp_path).read().done.any()


def test_a_cache_that_cannot_be_written_is_a_remark_and_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    kept = VectorStore(blocked, KEY, 10, 2)
    kept.write([1], vectors(1))
    assert kept.fault is not None
    assert "cannot be written" in kept.fault
    assert not kept.read().done.any()


def entries(cache: Path, count: int) -> list[Path]:
    """Entries of equal size; the first was used last long ago."""
    made = []
    for n in range(count):
        entry = store(cache, n=n)
        entry.write([n], vectors(n))
        os.utime(entry.folder / "used", (1_000_000 + n, 1_000_000 + n))
        made.append(entry.folder)
    return made


def test_the_longest_unused_entries_go_first_and_only_as_many_as_needed(tmp_path: Path) -> None:
    folders = entries(tmp_path, 4)
    size = sum(file.stat().st_size for file in folders[0].iterdir())
    assert evict(tmp_path, limit=2 * size + 40) == folders[:2]
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert evict(tmp_path, limit=2 * size + 40) == []


def test_reading_an_entry_counts_as_use(tmp_path: Path) -> None:
    folders = entries(tmp_path, 3)
    store(tmp_path, n=0).read()
    size = sum(file.stat().st_size for file in folders[0].iterdir())
    evict(tmp_path, limit=size + 40)
    assert [folder.exists() for folder in folders] == [True, False, False]


def test_the_entry_in_use_stays_even_where_it_alone_is_too_large(tmp_path: Path) -> None:
    folders = entries(tmp_path, 2)
    evict(tmp_path, keep=folders[0], limit=0)
    assert [folder.exists() for folder in folders] == [True, False]


def test_an_entry_that_was_evicted_meanwhile_can_still_be_written(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.write([1], vectors(1))
    evict(tmp_path, limit=0)
    kept.write([2], vectors(2))
    assert np.flatnonzero(store(tmp_path).read().done).tolist() == [2]


def test_the_folder_is_that_of_the_user_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "samekind"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path.home() / ".cache" / "samekind"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"


def test_the_limit_is_set_by_the_environment_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMEKIND_CACHE_GIB", raising=False)
    assert cache_limit() == 4 * 2**30
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", "0.5")
    assert cache_limit() == 2**29
    for wrong in ("much", "-1", "inf", "nan"):
        monkeypatch.setenv("SAMEKIND_CACHE_GIB", wrong)
        with pytest.raises(UsageError, match="SAMEKIND_CACHE_GIB"):
            cache_limit()
