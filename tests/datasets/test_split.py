"""The split by hash: a picture keeps its side for ever."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samekind.datasets import read_data
from samekind.datasets.split import hash_split, names_sha256, split_sha256
from samekind.errors import UsageError

FROZEN_SIDES = [True, True, True, True, False, True, True, True]
FROZEN_SHA256 = "d19a8fa5930849570d74e054d6d7f88d4c8d899a2de1decb4330ef61f36f1ca7"
FROZEN_PACS_TRAIN = 8003
FROZEN_PACS = "e2e486c9a426f5ee0f14666705a7d5a7dd68d092386f8b627ddf0d27ab0ecd72"
FILES = [f"photo/dog/{n:03}.jpg" for n in range(2000)]


def test_a_path_is_for_training_when_its_hash_lies_below_the_share() -> None:
    slow = [int(sha256(file.encode()).hexdigest()[:16], 16) / 2**64 < 0.8 for file in FILES]
    assert hash_split(FILES).tolist() == slow


def test_the_split_is_frozen() -> None:
    """Another split would make every published figure of the clean profile another figure."""
    few = [f"photo/dog/{n}.jpg" for n in range(1, 9)]
    assert hash_split(few).tolist() == FROZEN_SIDES
    assert split_sha256(few) == FROZEN_SHA256


def test_the_split_of_pacs_is_frozen(shared: Path) -> None:
    table, _ = read_data(shared / "data" / "pacs")
    assert int(hash_split(table.keys).sum()) == FROZEN_PACS_TRAIN
    assert split_sha256(table.keys) == FROZEN_PACS


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=30), st.randoms())
def test_neither_order_nor_company_changes_a_side(files: list[str], random: object) -> None:
    sides = dict(zip(files, hash_split(files).tolist(), strict=True))
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [sides[file] for file in shuffled] == hash_split(shuffled).tolist()
    assert [sides[file] for file in files[::2]] == hash_split(files[::2]).tolist()
    assert split_sha256(files) == split_sha256(shuffled)


def test_about_the_share_is_for_training_and_a_larger_share_keeps_what_a_smaller_one_has() -> None:
    last = hash_split(FILES, 0.0)
    assert not last.any()
    for share in (0.1, 0.5, 0.8, 0.92, 1.0):
        now = hash_split(FILES, share)
        assert abs(now.mean() - share) <= 4 * np.sqrt(share * (1 - share) / len(FILES))
        assert now[last].all()
        last = now
    assert last.all()


def test_another_share_or_another_name_has_another_hash() -> None:
    assert len({split_sha256(FILES), split_sha256(FILES, 0.5), split_sha256([*FILES[1:], "photo/dog/x.jpg"])}) == 3


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        hash_split(FILES, share)


def test_the_hash_of_a_list_of_names_is_that_of_its_lines() -> None:
    assert names_sha256(["dog", "cat"]) == sha256(b"dog\ncat\n").hexdigest()
    assert names_sha256(["dog", "cat"]) != names_sha256(["cat", "dog"])
