"""The retriever's folder: what is written comes back, and what does not fit is refused with the remedy."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samekind.clip.encoder import DualEncoder
from samekind.clip.weights import load_encoder, save_encoder
from samekind.errors import SamekindError, UsageError
from samekind.images.decode import ImageError
from samekind.retriever.precision import choose_dtype
from samekind.retriever.store import Retriever, load


@pytest.fixture(scope="module")
def retriever(tiny_clip: Path) -> Retriever:
    return load(tiny_clip, precision="float32")


@pytest.fixture
def saved(retriever: Retriever, tmp_path: Path) -> Path:
    Retriever(retriever.encoder, retriever.method, card=retriever.card).save(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))


def edit(card: Path, **changes: object) -> None:
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


def test_a_checkpoint_becomes_a_zero_shot_retriever_that_finds_itself_again(tiny_clip: Path) -> None:
    first = load(tiny_clip)
    assert (first.name, first.card.method, first.space, first.dim) == ("tiny", "zero_shot", "cosine", 16)
    assert first.ref == str(tiny_clip)
    assert load(first.ref).sha256 == first.sha256


def test_a_saved_retriever_gives_the_same_vectors_from_its_folder_alone(
    retriever: Retriever, tiny_clip: Path, tmp_path: Path, picture: Image.Image
) -> None:
    source = tmp_path / "checkpoint"
    shutil.copytree(tiny_clip, source)
    load(source, precision="float32").save(tmp_path / "mine")
    shutil.rmtree(source)
    (tmp_path / "mine").rename(tmp_path / "moved")
    again = load(tmp_path / "moved", precision="float32")
    assert again.sha256 == retriever.sha256
    assert again.ref == str(tmp_path / "moved")
    np.testing.assert_array_equal(again.encode_images([picture]), retriever.encode_images([picture]))
    np.testing.assert_array_equal(again.encode_texts(["a dog"]), retriever.encode_texts(["a dog"]))


def test_saving_sets_the_reference_and_saving_again_replaces(saved: Path, retriever: Retriever) -> None:
    again = load(saved)
    again.card = replace(again.card, scores={"P@1": 0.5})
    again.save(saved)
    assert again.ref == str(saved)
    assert load(saved).card == again.card
    assert sorted(p.name for p in saved.parent.iterdir()) == ["mine"]


def test_the_readme_tells_what_the_card_says(saved: Path) -> None:
    retriever = load(saved)
    retriever.card = replace(retriever.card, scores={"P@1": 0.5}, seed=7)
    retriever.save(saved)
    readme = (saved / "README.md").read_text()
    for said in (retriever.sha256, "zero_shot", "| seed | 7 |", "| P@1 | 0.5000 |"):
        assert said in readme


def test_the_hash_covers_weights_and_preprocessing_but_not_the_name(
    retriever: Retriever, tiny_clip: Path, tmp_path: Path
) -> None:
    other = load_encoder(tiny_clip)
    other.name, other.source = "another name", "elsewhere"
    assert Retriever(other, retriever.method).sha256 == retriever.sha256
    other.preprocess = replace(other.preprocess, interpolation="bilinear")
    assert Retriever(other, retriever.method).sha256 != retriever.sha256
    changed = load_encoder(tiny_clip)
    with torch.no_grad():
        next(changed.vision_model.parameters()).add_(1.0)
    save_encoder(changed, tmp_path / "changed")
    assert load(tmp_path / "changed").sha256 != retriever.sha256


def test_an_encoder_that_was_never_on_disk_keeps_its_identity_when_saved(tiny_clip: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny_clip)
    encoder.sha256 = ""
    retriever = Retriever(encoder, load(tiny_clip).method)
    assert retriever.ref is None
    retriever.save(tmp_path / "r")
    assert load(tmp_path / "r").sha256 == retriever.sha256


def test_a_newer_card_is_refused_with_the_remedy(saved: Path) -> None:
    edit(saved / "card.json", schema=2, samekind="9.0.0")
    with pytest.raises(SamekindError, match=r"samekind 9\.0\.0.*[Uu]pgrade"):
        load(saved)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 0}, "schema is 0"),
        ({"dim": "16"}, "dim is '16'"),
        ({"dim": True}, "dim is True"),
        ({"backbone": {"name": "x"}}, "card.json is damaged"),
        ({"preprocess": {}}, "card.json is damaged"),
        ({"scores": {"P@1": "high"}}, "'high'"),
        ({"method": "telepathy"}, "telepathy.*zero_shot"),
        ({"sha256": "0" * 64}, "does not match its card"),
        ({"config": {"depth": 2}}, "depth"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(saved: Path, changes: dict[str, object], said: str) -> None:
    edit(saved / "card.json", **changes)
    with pytest.raises(SamekindError, match=said):
        load(saved)


def test_a_card_that_lacks_an_entry_or_is_no_json_is_refused(saved: Path) -> None:
    card = saved / "card.json"
    values = json.loads(card.read_text())
    del values["space"]
    card.write_text(json.dumps(values))
    with pytest.raises(SamekindError, match=r"'space' is missing.*Restore"):
        load(saved)
    card.write_text("{")
    with pytest.raises(SamekindError, match="not JSON"):
        load(saved)
    card.write_text("[]")
    with pytest.raises(SamekindError, match="no JSON object"):
        load(saved)


def test_missing_and_damaged_tensors_are_refused(saved: Path) -> None:
    weights = saved / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:4])
    with pytest.raises(SamekindError, match=r"weights\.safetensors.*Restore"):
        load(saved)
    weights.unlink()
    with pytest.raises(SamekindError, match=r"weights\.safetensors is missing"):
        load(saved)


def test_another_backbone_in_the_folder_is_refused(saved: Path) -> None:
    changed = load_encoder(saved / "backbone")
    with torch.no_grad():
        next(changed.vision_model.parameters()).add_(1.0)
    save_encoder(changed, saved / "backbone")
    with pytest.raises(SamekindError, match="not the backbone that the card describes"):
        load(saved)
    shutil.rmtree(saved / "backbone")
    with pytest.raises(SamekindError, match=r"backbone.* is missing"):
        load(saved)


def test_saving_never_replaces_what_is_no_retriever(retriever: Retriever, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no retriever"):
        retriever.save(tmp_path / "photos")
    assert (tmp_path / "photos" / "a.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is no retriever"):
        retriever.save(tmp_path / "file")


def test_a_save_that_fails_leaves_the_old_retriever(
    saved: Path, retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (saved / "card.json").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("samekind.retriever.folder.save_file", full)
    with pytest.raises(SamekindError, match="No space left on device"):
        load(saved).save(saved)
    assert (saved / "card.json").read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["mine"]


def test_a_folder_that_is_nothing_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SamekindError, match=r"neither a retriever.*nor a CLIP checkpoint"):
        load(tmp_path)
    with pytest.raises(SamekindError, match="no folder"):
        load(tmp_path / "missing")


def test_a_hub_id_is_loaded_at_its_revision_and_remembered_with_the_one_it_meant(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def from_hub(ref: str, *, revision: str | None = None) -> DualEncoder:
        asked.append((ref, revision))
        encoder = load_encoder(tiny_clip)
        encoder.source, encoder.revision = ref, "c0ffee"
        return encoder

    monkeypatch.setattr("samekind.retriever.store.load_encoder", from_hub)
    assert load("owner/name").ref == "owner/name@c0ffee"
    assert load("owner/name@c0ffee").card.backbone.revision == "c0ffee"
    assert asked == [("owner/name", None), ("owner/name", "c0ffee")]


def test_the_bundled_backbone_is_named_by_its_hash_and_not_copied(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samekind.clip.hub._bundled", lambda: tiny_clip)
    bundled = load("mini")
    assert (bundled.name, bundled.ref) == ("mini", "mini")
    bundled.save(tmp_path / "mine")
    assert not (tmp_path / "mine" / "backbone").exists()
    assert load(tmp_path / "mine").sha256 == bundled.sha256
    changed = load_encoder(tiny_clip)
    with torch.no_grad():
        next(changed.vision_model.parameters()).add_(1.0)
    save_encoder(changed, tmp_path / "other")
    monkeypatch.setattr("samekind.clip.hub._bundled", lambda: tmp_path / "other")
    with pytest.raises(SamekindError, match=r"another 'mini'.*pip install samekind=="):
        load(tmp_path / "mine")


def test_unknown_device_and_precision_are_wrong_usage(tiny_clip: Path) -> None:
    with pytest.raises(UsageError, match="no device 'abacus'"):
        load(tiny_clip, device="abacus")
    with pytest.raises(UsageError, match=r"no precision 'float8'.*bfloat16"):
        choose_dtype("float8", load_encoder(tiny_clip), torch.device("cpu"))


def test_files_and_pil_images_give_the_same_vectors_in_order(
    retriever: Retriever, picture: Image.Image, tmp_path: Path
) -> None:
    flipped = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.save(tmp_path / "a.png")
    flipped.save(tmp_path / "b.png")
    mixed = [tmp_path / "a.png", flipped, str(tmp_path / "b.png"), picture]
    vectors = retriever.encode_images(mixed, batch_size=3, workers=2)
    assert vectors.shape == (4, retriever.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[0], vectors[3], atol=1e-6)
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_nothing_gives_no_vectors(retriever: Retriever) -> None:
    assert retriever.encode_images([]).shape == (0, retriever.dim)
    assert retriever.encode_texts([]).shape == (0, retriever.dim)


def test_the_first_bad_picture_is_named(retriever: Retriever, picture: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        retriever.encode_images([picture, tmp_path / "bad.jpg", tmp_path / "vanished.jpg"])


def test_one_bare_string_is_no_list_of_texts(retriever: Retriever) -> None:
    with pytest.raises(TypeError, match="list of texts"):
        retriever.encode_texts("dog")


def test_pictures_that_were_not_prepared_are_refused(retriever: Retriever) -> None:
    with pytest.raises(ValueError, match="not prepared"):
        retriever.encode_pixels(np.zeros((1, 30, 32, 3), np.uint8))
