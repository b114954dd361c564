"""What pre-training reads: the table, the pictures, the nouns, what it must not see, the recipe."""

import numpy as np
import pytest
from PIL import Image

from samekind.errors import UsageError
from samekind.pretrain.captions import Captioned, balanced_weights, load_pictures, read_captions
from samekind.pretrain.exclude import lookalikes
from samekind.pretrain.nouns import read_nouns
from samekind.pretrain.recipe import Recipe


def test_captions_are_lower_case_with_single_spaces_and_the_domain_may_be_missing(tmp_path):
    (tmp_path / "t.csv").write_text("caption,file\n  Red   CAR,a.jpg\n,b.jpg\n")
    assert read_captions(tmp_path / "t.csv") == [Captioned("a.jpg", "", "red car")]


@pytest.mark.parametrize("text", ["", "file,domain\na.jpg,photo\n", "file,caption\n"])
def test_a_table_without_what_is_needed_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=r"t\.csv"):
        read_captions(tmp_path / "t.csv")


def test_a_bad_picture_is_left_out_with_its_reason_and_the_rest_stays(inputs, tmp_path):
    (tmp_path / "photo-disc-3.png").write_bytes(b"")
    rows = read_captions(inputs.captions)
    kept, pictures, skipped = load_pictures(tmp_path, rows, tmp_path / "work")
    assert len(kept) == len(pictures) == len(rows) - 1
    assert [(s["uri"], s["reason"]) for s in skipped] == [("photo-disc-3.png", "empty")]
    expected = np.asarray(Image.open(tmp_path / kept[5].file).convert("RGB").resize((160, 160), Image.BICUBIC))
    assert (pictures[5] == expected).all()


def test_a_second_call_does_not_decode_again(inputs, tmp_path, monkeypatch):
    rows = read_captions(inputs.captions)
    first = load_pictures(tmp_path, rows, tmp_path / "work")
    monkeypatch.setattr("samekind.pretrain.captions.read_square", lambda path: pytest.fail("decoded again"))
    second = load_pictures(tmp_path, rows, tmp_path / "work")
    assert first[0] == second[0]
    assert (first[1] == second[1]).all()


def test_weights_follow_the_shares_and_the_root_of_the_captions_counts():
    rows = [Captioned("", "a", "x")] * 4 + [Captioned("", "a", "y")] + [Captioned("", "b", "x")]
    weights = balanced_weights(rows, {"a": 3.0})
    assert weights.sum() == pytest.approx(1)
    assert weights[:5].sum() == pytest.approx(0.75)
    assert weights[:4].sum() == pytest.approx(2 * weights[4])  # sqrt(4) : sqrt(1)


def test_a_resaved_picture_is_found_and_unlike_ones_stay(inputs, tmp_path):
    rows = read_captions(inputs.captions)
    kept, pictures, _ = load_pictures(tmp_path, rows, tmp_path / "work")
    benchmark = tmp_path / "benchmark"
    benchmark.mkdir()
    Image.open(tmp_path / "photo-disc-4.png").resize((227, 227)).save(benchmark / "x.jpg", quality=70)
    marked = lookalikes(kept, pictures, [benchmark], tmp_path)
    assert [row.file for row, mark in zip(kept, marked, strict=True) if mark] == ["photo-disc-4.png"]


def test_where_two_of_a_group_look_alike_the_whole_group_goes(inputs, tmp_path):
    rows = read_captions(inputs.captions)
    kept, pictures, _ = load_pictures(tmp_path, rows, tmp_path / "work")
    benchmark = tmp_path / "benchmark"
    benchmark.mkdir()
    for i in (4, 7):
        Image.open(tmp_path / f"photo-disc-{i}.png").save(benchmark / f"{i}.png")
    marked = lookalikes(kept, pictures, [benchmark], tmp_path)
    assert {row.file for row, mark in zip(kept, marked, strict=True) if mark} == {
        f"photo-disc-{i}.png" for i in range(10)
    }


def test_an_empty_folder_to_keep_out_is_an_error(inputs, tmp_path):
    kept, pictures, _ = load_pictures(tmp_path, read_captions(inputs.captions), tmp_path / "work")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="no pictures"):
        lookalikes(kept, pictures, [tmp_path / "nothing"], tmp_path)


def test_nouns_are_those_a_picture_can_show(inputs):
    assert read_nouns(inputs.nouns) == ["dog", "domestic dog", "hammer"]


def test_missing_nouns_name_the_package(tmp_path):
    with pytest.raises(UsageError, match="wordnet-base"):
        read_nouns(tmp_path / "none")


def test_a_recipe_file_and_settings_change_what_they_name_alone(tmp_path):
    (tmp_path / "r.toml").write_text("image_size = 96\n[visual]\nsteps = 7\n[trust]\nsketch = 0\n")
    recipe = Recipe.read(tmp_path / "r.toml", ["visual.augment.edges=0.5", "words.steps=3", "visual.rate=1"])
    assert (recipe.image_size, recipe.visual.steps, recipe.words.steps) == (96, 7, 3)
    assert (recipe.visual.augment.edges, recipe.visual.rate, recipe.trust) == (0.5, 1.0, {"sketch": 0})
    assert recipe.visual.batch == Recipe().visual.batch


@pytest.mark.parametrize(
    "setting", ["nonsense=1", "visual.nonsense=1", "visual=1", "visual.steps=many", "visual.steps", "visual.steps=1.5"]
)
def test_wrong_settings_are_refused(setting):
    with pytest.raises(UsageError):
        Recipe.read(None, [setting])
