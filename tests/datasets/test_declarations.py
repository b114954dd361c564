"""The real layouts, with the real names of domains and classes: what is read as what, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samekind.datasets import dataset
from samekind.datasets.layout import key
from samekind.errors import UsageError

Paint = Callable[..., Path]


@pytest.mark.parametrize("folder", ["Real World", "Real", "RealWorld", "Real_World", "real_world", "real-world"])
def test_the_fourth_domain_of_office_home_is_read_whatever_it_is_called(
    tmp_path: Path, paint: Paint, folder: str
) -> None:
    paint(tmp_path, "Art/Bed/1.jpg", "Clipart/Bed/1.jpg", "Product/Bed/1.jpg", f"{folder}/Bed/1.jpg")
    table = dataset("office_home").read(tmp_path)
    assert table.domains == ("art", "clipart", "product", "real_world")
    assert table.files[3] == f"{folder}/Bed/1.jpg"


def test_two_folders_for_one_domain_are_refused(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "Art/Bed/1.jpg", "Real World/Bed/1.jpg", "Real/Bed/1.jpg")
    with pytest.raises(UsageError, match="real_world of Office-Home is there twice: Real World and Real"):
        dataset("office_home").read(tmp_path)
    assert dataset("office_home").read(tmp_path, domains=["art"]).files == ("Art/Bed/1.jpg",)


def test_domainnet_has_one_class_list_for_all_domains(tmp_path: Path, paint: Paint) -> None:
    domainnet = dataset("domainnet")
    names = domainnet.classes or ()
    paint(tmp_path, *(f"{domain}/{name}/{domain}_0.png" for domain in domainnet.domains for name in names))
    table = domainnet.read(tmp_path)
    assert (len(table), len(table.classes), len(table.domains)) == (6 * 345, 345, 6)
    for domain in table.domains:
        assert [table.classes[label] for label in table.label[table.rows(domain)]] == list(names)


def test_class_numbers_do_not_come_from_a_domains_own_listing(tmp_path: Path, paint: Paint) -> None:
    """painting lacks the class that comes first in sketch; `zebra` is one number all the same."""
    paint(tmp_path, "painting/zebra/1.png", "sketch/airplane/1.png", "sketch/zebra/1.png")
    table = dataset("domainnet").read(tmp_path)
    labels = dict(zip(table.files, table.label.tolist(), strict=True))
    assert labels["painting/zebra/1.png"] == labels["sketch/zebra/1.png"] != labels["sketch/airplane/1.png"]


@pytest.mark.parametrize(
    ("name", "folder", "meant"),
    [
        ("domainnet", "the eiffel tower", "The_Eiffel_Tower"),
        ("domainnet", "The_Great_Wall_of_China", "The_Great_Wall_of_China"),
        ("domainnet", "see-saw", "see_saw"),
        ("domainnet", "seesaw", "see_saw"),
        ("domainnet", "t_shirt", "t-shirt"),
        ("domainnet", "teddy_bear", "teddy-bear"),
        ("office_home", "Toothbrush", "ToothBrush"),
        ("office_home", "Alarm Clock", "Alarm_Clock"),
        ("sketchy", "hot_air_balloon", "hot-air_balloon"),
        ("sketchy", "jack_o_lantern", "jack-o-lantern"),
        ("tu_berlin", "alarm clock", "alarm_clock"),
        ("tu_berlin", "bear (animal)", "bear_(animal)"),
        ("tu_berlin", "bearanimal", "bear_(animal)"),
        ("tu_berlin", "ice-cream-cone", "ice_cream_cone"),
        ("tu_berlin", "mouse", "mouse_(animal)"),
        ("tu_berlin", "spidar", "spider"),
        ("tu_berlin", "wristwatching", "wrist_watch"),
    ],
)
def test_spellings_of_a_class_are_one_class(name: str, folder: str, meant: str) -> None:
    assert dataset(name).class_of(folder) == meant


def test_no_two_classes_are_spelled_alike() -> None:
    assert key("Real World") == key("real_world") == key("RealWorld")
    assert key("dog") != key("dogs")
    assert key("+") != key("-")


def test_a_folder_that_is_no_class_is_refused_by_name_with_what_it_may_mean(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "clipart/zebra/1.png", "clipart/girafe/1.png", "sketch/unicorns/1.png", "sketch/zebra/1.png")
    with pytest.raises(UsageError) as told:
        dataset("domainnet").read(tmp_path)
    for part in ("clipart: girafe (giraffe?)", "sketch: unicorns", "data check domainnet PATH"):
        assert part in str(told.value)


def test_two_folders_for_one_class_are_refused(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "clipart/see_saw/1.png", "clipart/see-saw/1.png")
    with pytest.raises(UsageError, match="clipart has two folders for the class see_saw: see-saw and see_saw"):
        dataset("domainnet").read(tmp_path)


def test_windmill_is_in_two_vocabularies_that_stay_apart() -> None:
    splits = dataset("domainnet").class_splits
    assert set(splits["ucdir"]) & set(splits["test"]) == {"windmill"}
    assert len(splits["ucdir"]) == 7
    assert set(splits["ucdir"]) - {"windmill"} <= set(splits["train"])


def test_the_classes_of_ucdr_are_245_55_and_45_and_the_first_45_are_those_of_the_public_list() -> None:
    splits = dataset("domainnet").class_splits
    assert [len(splits[name]) for name in ("train", "val", "test")] == [245, 55, 45]
    assert set(splits["train"]) | set(splits["val"]) | set(splits["test"]) == set(dataset("domainnet").classes or ())
    assert (splits["train"][0], splits["train"][44], splits["train"][-1]) == ("aircraft_carrier", "church", "bulldozer")


def test_a_part_of_a_set_is_read_as_far_as_it_is_there(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "sketch/bird/1.png", "real/bird/1.png", "real/zebra/1.png")
    domainnet = dataset("domainnet")
    assert domainnet.read(tmp_path).domains == ("real", "sketch")
    assert domainnet.read(tmp_path).classes == ("bird", "zebra")
    assert domainnet.read(tmp_path, domains=["sketch"]).files == ("sketch/bird/1.png",)
    with pytest.raises(UsageError, match="clipart in clipart"):
        domainnet.read(tmp_path, domains=["sketch", "clipart"])
    with pytest.raises(UsageError, match="no domain 'photo'"):
        domainnet.read(tmp_path, domains=["photo"])


SKETCH, PHOTO = "sketch/tx_000000000000", "photo/tx_000100000000"


def test_sketchy_is_read_from_the_authors_folders(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, f"{SKETCH}/hot-air_balloon/n02-1.png", f"{PHOTO}/hot-air_balloon/n02.jpg")
    table = dataset("sketchy").read(tmp_path)
    assert table.domains == ("photo", "sketch")
    assert table.keys == ("photo/hot-air_balloon/n02.jpg", "sketch/hot-air_balloon/n02-1.png")
    assert table.skipped == ()


def test_of_several_renderings_one_is_read_and_the_others_are_named(tmp_path: Path, paint: Paint) -> None:
    other = "sketch/tx_000100000000"
    paint(tmp_path, f"{SKETCH}/bat/1.png", f"{other}/bat/1.png", f"{PHOTO}/bat/1.jpg", "EXTEND_image_sketchy/bat/2.jpg")
    table = dataset("sketchy").read(tmp_path)
    assert table.files == ("EXTEND_image_sketchy/bat/2.jpg", f"{SKETCH}/bat/1.png")
    assert {each["uri"]: each["reason"] for each in table.skipped} == {
        other: "other_rendering",
        PHOTO: "other_rendering",
    }


def test_sketches_of_one_rendering_alone_are_read_where_no_other_is(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "sketch/tx_000000001110/bat/1.png", "photo/bat/1.jpg")
    assert dataset("sketchy").read(tmp_path).keys == ("photo/bat/1.jpg", "sketch/bat/1.png")


@pytest.mark.parametrize(("sketches", "photos"), [("sketches", "images"), ("png", "ImageResized"), ("sketch", "photo")])
def test_tu_berlin_is_read_with_blanks_hyphens_and_misspelled_folders(
    tmp_path: Path, paint: Paint, sketches: str, photos: str
) -> None:
    drawn, taken = ("hot air balloon", "t-shirt", "spider"), ("hotairballoon", "tshirt", "spidar")
    paint(tmp_path, *(f"{sketches}/{name}/1.png" for name in drawn), *(f"{photos}/{name}/1.jpg" for name in taken))
    table = dataset("tu_berlin").read(tmp_path)
    assert table.classes == ("hot_air_balloon", "spider", "t_shirt")
    for domain in ("photo", "sketch"):
        assert sorted(table.label[table.rows(domain)].tolist()) == [0, 1, 2]


def test_what_cannot_be_used_is_told_with_its_reason(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "photo/dog/1.png", "sketch/dog/1.png", "photo/beside.png", "photo/dog/.hidden.png", "txt/x/1.png")
    dog = tmp_path / "photo" / "dog"
    (dog / "empty.jpg").touch()
    (dog / "notes.txt").write_text("no picture")
    (dog / "link.png").symlink_to(tmp_path / "nowhere.png")
    (dog / "again").symlink_to(dog, target_is_directory=True)
    (tmp_path / "sketch" / "horse").mkdir()
    (tmp_path / "README.md").write_text("beside")
    with open(bytes(dog) + b"/\xff.png", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    table = dataset("pacs").read(tmp_path)
    assert table.files == ("photo/dog/1.png", "sketch/dog/1.png")
    assert {each["uri"]: each["reason"] for each in table.skipped} == {
        "txt": "surplus",
        "photo/beside.png": "misplaced",
        "photo/dog/empty.jpg": "empty",
        "photo/dog/notes.txt": "not_a_picture",
        "photo/dog/link.png": "vanished",
        "photo/dog/again": "linked_again",
        "photo/dog/\\xff.png": "bad_name",
        "sketch/horse": "no_pictures",
    }
    assert all(each["detail"].startswith(each["uri"]) for each in table.skipped)


def test_pictures_below_a_class_folder_belong_to_the_class(tmp_path: Path, paint: Paint) -> None:
    table = dataset("pacs").read(paint(tmp_path, "photo/dog/a/b/1.png", "photo/dog/2.png"))
    assert table.files == ("photo/dog/2.png", "photo/dog/a/b/1.png")
    assert table.label.tolist() == [0, 0]


def test_the_data_set_one_folder_further_down_is_pointed_at(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "OfficeHomeDataset_10072016/Art/Bed/1.jpg", "Another/Art/Rembrandt/1.jpg")
    with pytest.raises(UsageError, match=r"Try .*OfficeHomeDataset_10072016"):
        dataset("office_home").read(tmp_path)


def test_a_folder_that_is_not_the_set_or_has_no_pictures_is_refused(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "photo/1.png")
    with pytest.raises(UsageError, match=r"does not hold DomainNet.*it has photo"):
        dataset("domainnet").read(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        dataset("domainnet").read(tmp_path / "none")
    (tmp_path / "photo" / "dog").mkdir()
    with pytest.raises(UsageError, match="no pictures"):
        dataset("pacs").read(tmp_path)


def test_a_domain_whose_class_folders_are_bare_is_refused_and_never_left_out(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path, "sketch/dog/1.png", "photo/dog/1.png")
    (tmp_path / "cartoon" / "dog").mkdir(parents=True)
    for name in ("pacs", "folder"):
        with pytest.raises(UsageError, match="no pictures in the class folders of cartoon"):
            dataset(name).read(tmp_path)


def test_labels_and_domains_number_their_names(tmp_path: Path, paint: Paint) -> None:
    table = dataset("pacs").read(paint(tmp_path, "sketch/person/1.png", "cartoon/dog/1.png", "sketch/dog/1.png"))
    assert (table.domains, table.classes) == (("cartoon", "sketch"), ("dog", "person"))
    np.testing.assert_array_equal(table.domain, [0, 1, 1])
    np.testing.assert_array_equal(table.label, [0, 0, 1])
