"""Whole runs over a tiny backbone: what decides the result, what resumes it, what is refused."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from quick import QUICK, draw, same, trained
from safetensors.torch import load_file

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.training import adapt, checkpoint, loop, tpsnet_synergy
from samekind.training.journal import NAME
from samekind.training.settings import Settings

run = partial(trained, "tpsnet", QUICK)


@pytest.fixture(scope="module")
def undisturbed(world: Path, tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "r"
    run(world, out, tiny_clip)
    return out


def test_a_run_makes_a_retriever_that_encodes_and_says_how_it_was_made(undisturbed: Path, world: Path) -> None:
    retriever = samekind.load(undisturbed, device="cpu")
    picture = str(world / "photo" / "red" / "0.png")
    for domain in (None, "photo", "sketch"):
        vectors = retriever.encode_images([picture], domain)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    card = retriever.card
    assert (card.method, card.seed, card.config["domains"], card.config["classes"]) == (
        "tpsnet",
        0,
        ["photo", "sketch"],
        3,
    )
    assert card.data_sha256 is not None
    facts = card.training
    assert facts["domains"] == {"photo": 15, "sketch": 15}
    assert (facts["classes_count"], facts["profile"], facts["skipped"]) == ("given", "all", 0)
    assert set(facts["seconds"]) == {"encode", "group", "prompts", "synergy"}
    lines = [json.loads(line) for line in (undisturbed / NAME).read_text().splitlines()]
    assert [(line["stage"], line["epoch"]) for line in lines] == [
        *(("prompts", n) for n in (1, 2, 3)),
        *(("synergy", n) for n in (1, 2, 3)),
    ]
    assert not undisturbed.with_name("r.work").exists()


def test_training_moved_the_vectors(undisturbed: Path, world: Path, tiny_clip: Path) -> None:
    picture = [str(world / "photo" / "red" / "0.png")]
    trained, plain = samekind.load(undisturbed, device="cpu"), samekind.load(tiny_clip, device="cpu")
    synergy = trained.with_config(output="synergy").encode_images(picture)
    assert np.abs(synergy - plain.encode_images(picture)).max() > 1e-3
    assert trained.dim == plain.dim + 3


def test_class_folders_are_never_read(undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    for domain in ("photo", "sketch"):
        for number, name in enumerate(("red", "green", "blue")):
            (root / domain / name).rename(root / domain / f"{'cab'[number]} {domain}")
    renamed = run(root, tmp_path / "r", tiny_clip)
    assert same(renamed, load_file(undisturbed / "weights.safetensors"))
    assert samekind.load(tmp_path / "r").sha256 == samekind.load(undisturbed).sha256


def test_another_seed_gives_other_weights(undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    assert not same(run(world, tmp_path / "r", tiny_clip, seed=1), load_file(undisturbed / "weights.safetensors"))


@pytest.mark.parametrize("after", [1, 2, 4, 5])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Killed right after its checkpoint number `after`, before the journal knows (the groups' is another file)."""
    save, saved = checkpoint.save, []

    def dying(file: Path, *arguments: Any, **options: Any) -> None:
        save(file, *arguments, **options)
        saved.append(file.name)
        if len([name for name in saved if not name.startswith("groups")]) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.checkpoint, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        run(world, tmp_path / "r", tiny_clip)
    monkeypatch.setattr(loop.checkpoint, "save", save)
    assert same(run(world, tmp_path / "r", tiny_clip), load_file(undisturbed / "weights.safetensors"))


def test_a_finished_run_is_not_made_again(
    undisturbed: Path, world: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tpsnet_synergy.SynergyStage, "epoch", None)
    before = (undisturbed / "card.json").stat().st_mtime_ns
    run(world, undisturbed, tiny_clip)
    assert (undisturbed / "card.json").stat().st_mtime_ns == before


def test_a_checkpoint_of_another_backbone_or_of_other_settings_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "w" / "synergy.safetensors"
    checkpoint.save(file, {"a": torch.ones(2)}, key="one", epoch=3)
    tensors, epoch = checkpoint.load(file, key="one") or ({}, 0)
    assert (tensors["a"].tolist(), epoch) == ([1.0, 1.0], 3)
    with pytest.raises(SamekindError, match=r"another run.*backbone differ.*--out"):
        checkpoint.load(file, key="two")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(SamekindError, match=r"damaged .*Remove the folder"):
        checkpoint.load(file, key="one")


def test_the_folder_of_another_run_is_refused_before_anything_is_computed(
    world: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.claim(tmp_path / "r.work", "another")
    monkeypatch.setattr(adapt, "PictureCache", None)
    with pytest.raises(SamekindError, match=r"r\.work belongs to another run"):
        run(world, tmp_path / "r", tiny_clip)


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_checkpoint(
    world: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, calls = tpsnet_synergy.SynergyStage._losses, []

    def poisoned(self: Any, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        prototype, text = losses(self, *arguments)
        return (prototype * float("nan") if len(calls) == 6 else prototype), text

    monkeypatch.setattr(tpsnet_synergy.SynergyStage, "_losses", poisoned)
    # Thirty pictures in batches of eight: the sixth step is the second of the second epoch.
    with pytest.raises(SamekindError, match=r"loss of synergy is nan at step 2 of epoch 2; .*keeps epoch 1"):
        run(world, tmp_path / "r", tiny_clip)
    tensors, epoch = checkpoint.load(tmp_path / "r.work" / "synergy.safetensors", key=_key(tmp_path)) or ({}, 0)
    assert epoch == 1
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def _key(tmp_path: Path) -> str:
    from safetensors import safe_open

    with safe_open(tmp_path / "r.work" / "synergy.safetensors", "pt") as file:
        return file.metadata()["key"]


@pytest.fixture
def uneven(world: Path, tmp_path: Path) -> Path:
    """Fifteen photos and four sketches."""
    root = shutil.copytree(world, tmp_path / "w")
    for picture in sorted((root / "sketch").rglob("*.png"))[4:]:
        picture.unlink()
    return root


def test_a_domain_with_fewer_pictures_than_classes_is_grouped_with_the_others(
    uneven: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    tensors = run(uneven, tmp_path / "r", tiny_clip, classes_count=5)
    assert tensors["priors"].shape[:2] == (2, 5)
    assert samekind.load(tmp_path / "r").card.training["domains"] == {"photo": 15, "sketch": 4}


def test_grouped_alone_a_domain_with_fewer_pictures_than_classes_is_named(
    uneven: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    alone = ("groups.way=separate", "synergy.match=pictures")
    with pytest.raises(UsageError, match=r"domain sketch has 4 pictures, too few for 5 classes"):
        run(uneven, tmp_path / "r", tiny_clip, *alone, classes_count=5)
    with pytest.raises(UsageError, match=r"All of the data has 19 pictures, too few for 20 classes"):
        run(uneven, tmp_path / "s", tiny_clip, classes_count=20)


@pytest.mark.parametrize("way", ["joint", "separate"])
def test_every_way_to_group_trains(world: Path, tiny_clip: Path, tmp_path: Path, way: str) -> None:
    quick = (f"groups.way={way}", "synergy.match=prompts", "synergy.epochs=1", "prompts.epochs=1")
    tensors = run(world, tmp_path / "r", tiny_clip, *quick)
    assert all(sorted(numbers) == [0, 1, 2] for numbers in tensors["shared"].tolist())


def test_a_broken_and_a_blank_picture_do_not_stop_it(tiny_clip: Path, tmp_path: Path) -> None:
    from PIL import Image

    root = draw(tmp_path / "w")
    (root / "photo" / "red" / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (40, 40), "white").save(root / "sketch" / "red" / "blank.png")
    run(root, tmp_path / "r", tiny_clip)
    skipped = [json.loads(line) for line in (tmp_path / "r" / "skipped.jsonl").read_text().splitlines()]
    assert [each["uri"] for each in skipped] == ["photo/red/broken.png"]
    assert samekind.load(tmp_path / "r").card.training["domains"] == {"photo": 15, "sketch": 16}


def test_the_number_of_classes_can_be_estimated(world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "r", tiny_clip, classes_count="auto")
    facts = samekind.load(tmp_path / "r").card.training
    assert facts["classes_count"] == "estimated"
    assert facts["classes"] == samekind.load(tmp_path / "r").card.config["classes"] >= 2


def test_three_domains_train_together(tiny_clip: Path, tmp_path: Path) -> None:
    root = draw(tmp_path / "w", ("art", "photo", "sketch"), each=4)
    tensors = run(root, tmp_path / "r", tiny_clip)
    assert tensors["priors"].shape[0] == 3
    assert sorted(tensors["shared"][2].tolist()) == [0, 1, 2]


def test_mixed_precision_learns_nearly_the_same(
    undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    mixed, plain = (
        run(world, tmp_path / "r", tiny_clip, "synergy.mixed=on"),
        load_file(undisturbed / "weights.safetensors"),
    )
    assert all(tensor.dtype == plain[name].dtype for name, tensor in mixed.items())
    assert not same(mixed, plain)
    assert F.cosine_similarity(mixed["prototypes"], plain["prototypes"]).min() > 0.98


def test_what_the_prompts_say_can_be_part_of_the_targets(
    undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    told, plain = (
        run(world, tmp_path / "r", tiny_clip, "synergy.labels=prompts"),
        load_file(undisturbed / "weights.safetensors"),
    )
    assert torch.equal(told["priors"], plain["priors"])
    assert not torch.equal(told["to_synergy.weight"], plain["to_synergy.weight"])


@pytest.mark.parametrize("tune", ["last", "all"])
def test_a_tuned_backbone_is_saved_with_the_retriever(world: Path, tiny_clip: Path, tmp_path: Path, tune: str) -> None:
    run(world, tmp_path / "r", tiny_clip, f"synergy.tune={tune}", "synergy.tune_rate=0.01", "synergy.epochs=1")
    tuned, plain = samekind.load(tmp_path / "r").encoder.vision_model, samekind.load(tiny_clip).encoder.vision_model
    moved = {name for name, tensor in tuned.named_parameters() if not torch.equal(tensor, plain.get_parameter(name))}
    assert any(name.startswith("encoder.layers.1.") for name in moved)
    assert any(name.startswith("encoder.layers.0.") for name in moved) is (tune == "all")


def test_what_does_not_fit_the_limit_is_made_again_from_the_files(
    undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    small = run(world, tmp_path / "r", tiny_clip, "cache_gib=0.0")
    kept = load_file(undisturbed / "weights.safetensors")
    # Tokens are kept in half precision, and made again in full.
    assert all(torch.allclose(small[name].float(), kept[name].float(), atol=2e-2) for name in kept)


@pytest.mark.parametrize("priors", ["text", "phase", "neither"])
def test_each_prior_can_be_left_out(world: Path, tiny_clip: Path, tmp_path: Path, priors: str) -> None:
    tensors = run(world, tmp_path / "r", tiny_clip, f"model.priors={priors}", "synergy.epochs=1", "prompts.epochs=1")
    assert any(name.startswith("phase.") for name in tensors) is (priors == "phase")
    assert ("asking" in tensors) is (priors != "text")


def test_without_a_folder_the_retriever_is_only_returned(world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    quick = (*QUICK, "synergy.epochs=1", "prompts.epochs=1")
    made = samekind.train("tpsnet", world, classes_count=2, backbone=tiny_clip, settings=quick, device="cpu")
    assert made.ref is None
    made.save(tmp_path / "r")
    assert samekind.load(tmp_path / "r").sha256 == made.sha256


def test_a_folder_with_something_else_in_it_is_left_alone(world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is no retriever"):
        run(world, tmp_path, tiny_clip)


def test_a_method_without_training_is_refused(world: Path) -> None:
    with pytest.raises(UsageError, match=r"no training for 'zero_shot'.*tpsnet"):
        samekind.train("zero_shot", world)
    with pytest.raises(UsageError, match="whole number above 0, or auto"):
        samekind.train("tpsnet", world, classes_count=0)


def test_settings_may_be_a_mapping() -> None:
    assert Settings.read(None, ["synergy.epochs=2"]).synergy.epochs == 2
