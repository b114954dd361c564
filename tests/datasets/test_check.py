"""What `check` says of copies with one fault each."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from samekind.datasets import check_files, dataset, read_data
from samekind.datasets.check import CheckReport, check
from samekind.datasets.declaration import Dataset
from samekind.errors import UsageError
from samekind.images.errors import UnreadableError

Paint = Callable[..., Path]

TOY = replace(
    dataset("pacs"),
    name="toy",
    title="Toy",
    domains={"photo": ("photo",), "real_world": ("Real World", "Real")},
    classes=("cat", "dog"),
    counts={"photo": (4,), "real_world": (4, 5)},
    class_counts={"photo": {"cat": 2, "dog": 2}},
    copies=0,
    known={"counts": "measured", "class_counts": "measured"},
)
WHOLE = [f"{domain}/{name}/{n}.png" for domain in ("photo", "Real World") for name in ("cat", "dog") for n in "12"]


@pytest.fixture
def copy(tmp_path: Path, paint: Paint) -> Path:
    return paint(tmp_path / "toy", *WHOLE)


def reasons(found: object) -> list[tuple[str, str]]:
    return [(each["uri"], each["reason"]) for each in found]  # type: ignore[attr-defined]


def only(report: CheckReport, kind: str) -> list[tuple[str, str]]:
    """The findings of the one kind that there should be any of."""
    kinds = {name: getattr(report, name) for name in ("missing", "surplus", "broken", "other", "duplicated")}
    assert [name for name, found in kinds.items() if found] == [kind]
    return reasons(kinds[kind])


def test_a_whole_copy_is_whole(copy: Path) -> None:
    report = check(TOY, copy)
    assert report.whole
    assert report.pictures == 8
    assert (report.missing, report.surplus, report.broken, report.duplicated, report.other) == ((), (), (), (), ())
    assert report.sha256 == TOY.read(copy).sha256()
    assert report.class_counts == {name: {"cat": 2, "dog": 2} for name in ("photo", "real_world")}


def test_a_missing_picture_is_missed_in_its_domain_and_class(copy: Path) -> None:
    (copy / "photo" / "dog" / "1.png").unlink()
    report = check(TOY, copy)
    assert only(report, "missing") == [("photo", "count"), ("photo/dog", "count")]
    assert "has 1 pictures, and should have 2" in report.missing[1]["detail"]
    assert not report.whole


def test_a_surplus_picture_is_surplus_in_its_domain_and_class(copy: Path, paint: Paint) -> None:
    report = check(TOY, paint(copy, "photo/dog/3.png"))
    assert only(report, "surplus") == [("photo", "count"), ("photo/dog", "count")]
    assert not report.whole


def test_each_edition_of_a_set_is_whole(copy: Path, paint: Paint) -> None:
    assert check(TOY, paint(copy, "Real World/dog/3.png")).whole
    assert only(check(TOY, paint(copy, "Real World/dog/4.png")), "surplus") == [("real_world", "count")]


def test_a_number_from_memory_is_noted_and_no_fault(copy: Path, paint: Paint) -> None:
    remembered = replace(TOY, known=TOY.known | {"counts.real_world": "from memory of the paper"})
    report = check(remembered, paint(copy, "Real World/dog/3.png", "Real World/dog/4.png"))
    assert only(report, "other") == [("real_world", "count")]
    assert "from memory of the paper" in report.other[0]["detail"]
    assert report.whole


def test_a_missing_domain_and_a_missing_class_are_named(copy: Path) -> None:
    shutil.rmtree(copy / "Real World")
    report = check(TOY, copy)
    assert only(report, "missing") == [("real_world", "no_domain")]
    assert "Real World or Real" in report.missing[0]["detail"]
    (copy / "photo" / "cat").rename(copy / "photo" / ".cat")
    assert ("photo/cat", "no_class") in reasons(check(TOY, copy).missing)


def test_a_class_without_pictures_is_missing(copy: Path) -> None:
    for file in (copy / "Real World" / "dog").iterdir():
        file.unlink()
    found = only(check(TOY, copy), "missing")
    assert found == [("Real World/dog", "no_pictures"), ("real_world", "count")]


def test_unknown_folders_with_pictures_are_surplus_and_without_are_noted(copy: Path, paint: Paint) -> None:
    paint(copy, "photo/unicorn/1.png", "quickdraw/cat/1.png", "quickdraw/cat/2.png")
    (copy / "lists").mkdir()
    (copy / "lists" / "train.txt").write_text("photo/cat/1.png 0\n")
    report = check(TOY, copy)
    assert reasons(report.surplus) == [("photo/unicorn", "unknown_folder"), ("quickdraw", "unknown_folder")]
    assert "2 pictures" in report.surplus[1]["detail"]
    assert reasons(report.other) == [("lists", "unknown_folder")]


def test_a_picture_beside_the_folders_is_surplus_and_a_text_is_noted(copy: Path, paint: Paint) -> None:
    paint(copy, "photo/beside.png")
    (copy / "README.txt").write_text("read me")
    (copy / "photo" / "dog" / "Thumbs.db").write_text("x")
    report = check(TOY, copy)
    assert reasons(report.surplus) == [("photo/beside.png", "misplaced")]
    assert reasons(report.other) == [("README.txt", "not_a_picture"), ("photo/dog/Thumbs.db", "not_a_picture")]


def test_the_same_domain_or_class_in_two_folders_is_surplus(copy: Path, paint: Paint) -> None:
    paint(copy, "Real/dog/9.png", "photo/Dog/9.png")
    found = reasons(check(TOY, copy).surplus)
    assert ("Real", "domain_twice") in found
    assert ("photo/dog", "class_twice") in found


@pytest.mark.parametrize(
    ("damage", "reason"),
    [("empty", "empty"), ("text", "unsupported"), ("cut", "truncated"), ("dangling", "vanished")],
)
def test_broken_pictures_are_named_with_their_reason_and_still_counted(copy: Path, damage: str, reason: str) -> None:
    picture = copy / "photo" / "dog" / "1.png"
    if damage == "dangling":
        picture.unlink()
        picture.symlink_to(copy / "nowhere")
    elif damage == "cut":
        Image.effect_noise((64, 64), 50).save(picture)
        picture.write_bytes(picture.read_bytes()[:-800])
    else:
        picture.write_bytes(b"" if damage == "empty" else b"<html>404</html>")
    report = check(TOY, copy)
    assert only(report, "broken") == [("photo/dog/1.png", reason)]
    assert str(copy) not in report.broken[0]["detail"]
    assert (report.counts["photo"].found, report.counts["photo"].broken) == (4, 1)
    assert not report.whole


def test_a_jpeg_that_ends_early_is_broken(copy: Path) -> None:
    picture = copy / "photo" / "dog" / "1.png"
    Image.effect_noise((200, 200), 80).convert("RGB").save(picture, "JPEG", quality=95)
    assert check(TOY, copy).whole
    picture.write_bytes(picture.read_bytes()[:-2000])
    assert only(check(TOY, copy), "broken") == [("photo/dog/1.png", "truncated")]


def test_copies_are_grouped_by_content_and_crossing_classes_are_said(copy: Path) -> None:
    (copy / "photo" / "dog" / "2.png").write_bytes((copy / "photo" / "cat" / "1.png").read_bytes())
    report = check(TOY, copy)
    assert not report.whole
    (found,) = report.duplicated
    assert found.files == ("photo/cat/1.png", "photo/dog/2.png")
    assert (found.domains, found.classes, report.copies) == (("photo",), ("cat", "dog"), 1)
    assert (report.missing, report.surplus, report.broken) == ((), (), ())


def test_files_that_cannot_be_read_are_no_copies_of_each_other(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> bytes:
        raise UnreadableError(f"{path} cannot be read: Input/output error")

    monkeypatch.setattr(check_files, "read", refuse)
    report = check(TOY, copy)
    assert [reason for _, reason in only(report, "broken")] == ["unreadable"] * 8
    assert report.copies == 0


@pytest.mark.parametrize(("allowed", "whole"), [(None, True), (0, False), (1, False), (2, True)])
def test_copies_that_the_set_has_as_published_are_listed_and_no_fault(
    copy: Path, allowed: int | None, whole: bool
) -> None:
    data = (copy / "photo" / "cat" / "1.png").read_bytes()
    for file in ("photo/cat/2.png", "Real World/cat/1.png"):
        (copy / file).write_bytes(data)
    report = check(replace(TOY, copies=allowed), copy)
    assert report.copies == 2
    assert len(report.duplicated[0].files) == 3
    assert report.whole is whole


def test_other_renderings_are_noted(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "sketch/tx_000000000000/bat/1.png", "sketch/tx_000100000000/bat/1.png", "photo/bat/1.png")
    report = check(dataset("sketchy"), tmp_path)
    assert ("sketch/tx_000100000000", "other_rendering") in reasons(report.other)
    assert report.surplus == ()
    assert len(report.missing) == 2 * 124 + 1  # each domain lacks 124 classes, and sketch has not 75,471 pictures


def test_domainnet_names_what_lacks_in_each_domain(tmp_path: Path, paint: Paint) -> None:
    domainnet = dataset("domainnet")
    paint(tmp_path, *(f"{domain}/zebra/1.png" for domain in domainnet.domains if domain != "quickdraw"))
    found = check(domainnet, tmp_path).missing
    assert [each["uri"] for each in found if each["reason"] == "no_domain"] == ["quickdraw"]
    assert sum(each["reason"] == "no_class" for each in found) == 5 * 344


def test_a_folder_of_your_own_should_have_the_same_classes_in_all_domains(tmp_path: Path, paint: Paint) -> None:
    folder = dataset("folder")
    paint(tmp_path, "photo/dog/1.png", "sketch/dog/1.png")
    assert check(folder, tmp_path).whole
    paint(tmp_path, "photo/cat/1.png", "photo/see saw/1.png", "sketch/See_Saw/1.png", "loose/1.png")
    report = check(folder, tmp_path)
    assert reasons(report.missing) == [("sketch/cat", "no_class")]
    assert ("sketch/See_Saw", "spelling") in reasons(report.surplus)
    assert ("loose/1.png", "misplaced") in reasons(report.surplus)


def test_a_wrong_folder_is_refused(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(UsageError, match="Try"):
        check(TOY, tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        check(TOY, tmp_path / "none")


def test_a_copy_without_a_single_picture_is_reported_not_refused(tmp_path: Path) -> None:
    (tmp_path / "photo" / "dog").mkdir(parents=True)
    report = check(TOY, tmp_path)
    assert not report.whole
    assert report.pictures == 0
    assert ("photo/dog", "no_pictures") in reasons(report.missing)


def test_the_json_has_everything_and_no_place(copy: Path) -> None:
    (copy / "photo" / "dog" / "2.png").write_bytes((copy / "photo" / "cat" / "1.png").read_bytes())
    (copy / "photo" / "dog" / "1.png").write_bytes(b"")
    told = json.loads(json.dumps(check(TOY, copy).to_json()))
    assert (told["schema"], told["name"], told["whole"], told["copies"]) == (1, "toy", False, 1)
    assert told["domains"]["photo"] == {
        "found": 4, "broken": 1, "classes": 2, "expected": [4], "origin": "measured"
    }  # fmt: skip
    assert told["broken"][0]["uri"] == "photo/dog/1.png"
    assert told["duplicated"][0]["files"] == ["photo/cat/1.png", "photo/dog/2.png"]
    assert str(copy) not in json.dumps(told)


def test_progress_ends_with_all_files_and_the_broken_ones(copy: Path) -> None:
    (copy / "photo" / "dog" / "1.png").write_bytes(b"no picture")
    told: list[tuple[int, int, int]] = []
    check(TOY, copy, progress=lambda done, total, broken: told.append((done, total, broken)))
    assert told[-1] == (8, 8, 1)


def test_hidden_files_are_passed_over(copy: Path) -> None:
    (copy / "photo" / "dog" / ".DS_Store").write_text("x")
    (copy / ".git").mkdir()
    assert check(TOY, copy).whole


def test_the_drawn_world_is_whole(tmp_path: Path) -> None:
    from samekind.datasets.toyworld import generate

    generate(tmp_path, per_class=1, size=32)
    report = check(dataset("toyworld"), tmp_path)
    assert report.whole
    assert report.pictures == 80


def test_pacs_is_whole_and_has_the_counts_of_the_declaration(shared: Path) -> None:
    """The counts of folders alone: opening all pictures is what `samekind data check` is for."""
    table, declared = read_data(shared / "data" / "pacs")
    assert isinstance(declared, Dataset)
    for name, expected in declared.class_counts.items():
        rows = table.rows(name)
        found = {label: int((table.label[rows] == n).sum()) for n, label in enumerate(table.classes)}
        assert found == expected
        assert (len(rows),) == declared.counts[name]
