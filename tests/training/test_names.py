"""Names of classes: what counts as one, what is refused, and the nouns that ship."""

from pathlib import Path

import pytest

from samekind.errors import UsageError
from samekind.training.names import MOST, read_names


def test_a_file_has_a_name_a_line(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffdog\r\n\n  fire_truck \nice  cream\n".encode())
    found = read_names(file)
    assert (found.names, found.origin, found.repeated) == (("dog", "fire truck", "ice cream"), "names.txt", 0)


def test_a_name_given_twice_counts_once_in_its_first_place_and_spelling() -> None:
    found = read_names(["Dog", "cat", "dog", "DOG ", "bird"])
    assert (found.names, found.repeated) == (("Dog", "cat", "bird"), 2)


def test_the_generic_names_are_different_common_words() -> None:
    found = read_names("generic")
    assert found.origin == "generic"
    assert len(found.names) >= 1_900
    assert found.repeated == 0
    assert all(name.isalpha() and name.islower() for name in found.names)
    assert {"dog", "giraffe", "house", "person", "umbrella", "teapot"} <= set(found.names)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["dog"], "1 different names.*two or more"),
        (["dog", "Dog"], "1 different names"),
        (["dog", " "], "an empty name"),
        (["dog", "_"], "an empty name"),
        (["dog", "x" * 201], "Name 2 of a list is no name"),
        (["dog", "a\x00b"], "Name 2 of a list is no name"),
        ([f"n{number}" for number in range(MOST + 1)], "more than the 20,000"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_names(names)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*nope.txt: give a text file"):
        read_names(tmp_path / "nope.txt")
    with pytest.raises(UsageError, match="cannot be read as names"):
        read_names(tmp_path)
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match=r"cannot be read as names.*UTF-8"):
        read_names(tmp_path / "picture.jpg")
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(UsageError, match="0 different names"):
        read_names(tmp_path / "empty.txt")
