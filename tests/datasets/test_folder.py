"""The folder layout: which domain and class a picture has, and what is refused."""

from pathlib import Path

import pytest

from samekind.datasets.folder import read_folder
from samekind.errors import UsageError


def make(root: Path, *folders: str) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return root


def test_domains_and_classes_are_read_in_order(tmp_path: Path) -> None:
    make(tmp_path, "sketch/dog", "photo/dog", "photo/cat", ".git/hooks", "photo/.cache", "empty")
    folder = read_folder(tmp_path)
    assert folder.domains == ("photo", "sketch")
    assert folder.classes == {"photo": ("cat", "dog"), "sketch": ("dog",)}
    assert folder.every_class == ("cat", "dog")


def test_a_picture_has_the_domain_and_the_class_of_its_folders(tmp_path: Path) -> None:
    folder = read_folder(make(tmp_path / "w", "sketch/dog", "photo/dog"))
    assert folder.place(f"{tmp_path}/w/sketch/dog/1.png") == ("sketch", "dog")
    assert folder.place(f"{tmp_path}/w/sketch/dog/deep/1.png") == ("sketch", "dog")
    for elsewhere in (
        f"{tmp_path}/w/sketch/1.png",
        f"{tmp_path}/sketch/dog/1.png",
        "https://a.example/sketch/dog/1.png",
    ):
        assert folder.place(elsewhere) is None


def test_the_root_is_absolute_without_detours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "w/sketch/dog", "w/photo/dog")
    monkeypatch.chdir(tmp_path / "w")
    assert read_folder("../w").root == (tmp_path / "w").resolve()
    assert read_folder(".").root == tmp_path / "w"


@pytest.mark.parametrize(
    "folders", [(), ("dog", "cat"), ("photo/dog",), ("photo/dog", "sketch/cat")], ids=["empty", "flat", "one", "apart"]
)
def test_a_folder_without_two_domains_that_share_a_class_is_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="domain/class/picture"):
        read_folder(make(tmp_path, *folders))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        read_folder(tmp_path / "none")
