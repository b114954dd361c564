"""ProtoOT: whole runs over a tiny backbone, and what its stage learns from vectors whose truth is known."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from quick import draw, same, trained
from safetensors.torch import load_file

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.methods.protoot import ProtoOT
from samekind.nn.kmeans import kmeans, unit
from samekind.training import checkpoint, loop, protoot
from samekind.training.journal import NAME
from samekind.training.protoot import AlignmentSettings, AlignmentStage, ProtoOTSettings, nearest_other

QUICK = ("alignment.epochs=4", "alignment.cross_after=1", "alignment.batch=8")


run = partial(trained, "protoot", QUICK)


@pytest.fixture(scope="module")
def undisturbed(world: Path, tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "r"
    run(world, out, tiny_clip)
    return out


def made_up(sizes: list[list[int]], shift: float, width: int = 16) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Vectors and true classes by domain: noisy class directions, plus one constant for each domain."""
    generator = torch.Generator().manual_seed(0)
    classes = F.normalize(torch.randn(len(sizes[0]), width, generator=generator), dim=1)
    vectors, truth = [], []
    for counts in sizes:
        known = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        noise = 0.15 * torch.randn(len(known), width, generator=generator)
        constant = shift * F.normalize(torch.randn(width, generator=generator), dim=0)
        vectors.append(F.normalize(classes[known] + noise + constant, dim=1))
        truth.append(known)
    return vectors, truth


def mean_ap(queries: torch.Tensor, gallery: torch.Tensor, asked: torch.Tensor, there: torch.Tensor) -> float:
    """Mean average precision of a whole ranking by cosine."""
    order = (queries @ gallery.T).argsort(1, descending=True)
    hits = (there[order] == asked[:, None]).double()
    precision = hits.cumsum(1) / torch.arange(1, len(gallery) + 1)
    return float(((precision * hits).sum(1) / hits.sum(1)).mean())


def stage_of(vectors: list[torch.Tensor], classes: int, **settings: Any) -> AlignmentStage:
    labels = [torch.from_numpy(kmeans(unit(each.numpy()), classes, seed=0).labels) for each in vectors]
    return AlignmentStage(ProtoOT(vectors[0].shape[1]), vectors, labels, classes, AlignmentSettings(**settings), 0)


@pytest.mark.parametrize(
    "sizes",
    [
        [[60, 40, 20, 10], [15, 30, 45, 60]],
        [[60, 40, 20, 10], [15, 30, 45, 60], [30, 10, 40, 20]],
    ],
    ids=["two domains", "three domains"],
)
def test_classes_of_unequal_size_in_shifted_domains_come_together(sizes: list[list[int]]) -> None:
    vectors, truth = made_up(sizes, shift=1.5)
    stage = stage_of(vectors, 4, rate=2e-3, epochs=30, cross_after=10)
    numbers = [stage.epoch(number) for number in range(stage.epochs)]
    found = [stage.method.read(each).detach() for each in vectors]
    for one in range(len(sizes)):
        for other in range(len(sizes)):
            if one != other:
                zero_shot = mean_ap(vectors[one], vectors[other], truth[one], truth[other])
                assert mean_ap(found[one], found[other], truth[one], truth[other]) > zero_shot + 0.08
    assert numbers[-1]["across"] < numbers[0]["across"]


def test_the_plan_between_prototypes_is_the_truth() -> None:
    vectors, truth = made_up([[60, 40, 20, 10], [15, 30, 45, 60]], shift=1.5)
    stage = AlignmentStage(ProtoOT(16), vectors, truth, 4, AlignmentSettings(), 0)
    assert (stage.matching(0, 1).diag() > 0.9).all()


def test_pseudo_labels_keep_the_sizes_of_their_groups() -> None:
    vectors, truth = made_up([[60, 40, 20, 10], [15, 30, 45, 60]], shift=0.0)
    stage = AlignmentStage(ProtoOT(16), vectors, truth, 4, AlignmentSettings(iterations=500), 0)
    codes = stage.codes()
    for rows, known in zip(stage.parts, truth, strict=True):
        torch.testing.assert_close(codes.own[rows].sum(0), torch.bincount(known).float(), atol=0.5, rtol=0)
        torch.testing.assert_close(codes.own[rows].sum(1), torch.ones(len(rows)))
    # The plan to another domain has the sizes of the domain that asks, not of the one that is asked.
    torch.testing.assert_close(codes.cross[1, stage.parts[0]].sum(0), torch.tensor([60.0, 40, 20, 10]), atol=2, rtol=0)
    assert (codes.cross[0, stage.parts[0]] == 0).all()


def test_nothing_changes_where_the_order_of_domains_does() -> None:
    vectors, truth = made_up([[20, 10], [10, 30]], shift=1.0)
    stages = [
        AlignmentStage(ProtoOT(16), vectors[::step], truth[::step], 2, AlignmentSettings(), 0) for step in (1, -1)
    ]
    first, second = (stage.codes() for stage in stages)
    rows = [stages[0].parts[0], stages[1].parts[1]]
    torch.testing.assert_close(first.own[rows[0]], second.own[rows[1]])
    torch.testing.assert_close(first.cross[1, rows[0]], second.cross[0, rows[1]])


def test_a_group_that_lost_its_pictures_keeps_its_prototype_and_makes_no_nan() -> None:
    vectors, truth = made_up([[20, 10], [10, 30]], shift=1.0)
    stage = AlignmentStage(ProtoOT(16), vectors, truth, 3, AlignmentSettings(epochs=2, cross_after=0), 0)
    assert all(np.isfinite(list(stage.epoch(number).values())).all() for number in range(2))


def test_the_nearest_other_is_never_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = F.normalize(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    scores = (vectors @ vectors.T).fill_diagonal_(-2)
    monkeypatch.setattr(protoot, "NEIGHBOURS", 7)
    assert torch.equal(nearest_other(vectors), scores.argmax(1))
    assert nearest_other(vectors[:1]).tolist() == [0]


def test_a_run_says_how_it_was_made(undisturbed: Path, world: Path) -> None:
    card = samekind.load(undisturbed, device="cpu").card
    assert (card.method, card.config, card.seed) == ("protoot", {}, 0)
    assert (card.training["classes"], card.training["classes_count"]) == (3, "given")
    assert set(card.training["seconds"]) == {"encode", "group", "alignment"}
    lines = [json.loads(line) for line in (undisturbed / NAME).read_text().splitlines()]
    assert [(line["stage"], line["epoch"]) for line in lines] == [("alignment", n) for n in (1, 2, 3, 4)]
    assert not undisturbed.with_name("r.work").exists()


def test_class_folders_are_never_read(undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    for domain in ("photo", "sketch"):
        for number, name in enumerate(("red", "green", "blue")):
            (root / domain / name).rename(root / domain / f"{'cab'[number]} {domain}")
    assert same(run(root, tmp_path / "r", tiny_clip), load_file(undisturbed / "weights.safetensors"))


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    save, saved = checkpoint.save, []

    def dying(file: Path, *arguments: Any, **options: Any) -> None:
        save(file, *arguments, **options)
        saved.append(file.name)
        if saved.count("alignment.safetensors") == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.checkpoint, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        run(world, tmp_path / "r", tiny_clip)
    monkeypatch.setattr(loop.checkpoint, "save", save)
    assert same(run(world, tmp_path / "r", tiny_clip), load_file(undisturbed / "weights.safetensors"))


def test_one_domain_and_too_few_pictures_are_refused(world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two or more different ones"):
        run(world, tmp_path / "r", tiny_clip, domains=["photo"])
    with pytest.raises(UsageError, match=r"domain photo has 15 pictures, too few for 16 classes"):
        run(world, tmp_path / "s", tiny_clip, classes_count=16)


def test_a_loss_that_is_no_number_names_the_setting(
    world: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlignmentStage, "_inside", lambda self, *_: self.method.projection.weight.sum() * float("nan"))
    with pytest.raises(SamekindError, match=r"loss of alignment is nan at step 1 of epoch 1.*alignment\.rate"):
        run(world, tmp_path / "r", tiny_clip)


@pytest.mark.parametrize(
    ("setting", "said"),
    [("alignment.eps=0", "eps must be above 0"), ("synergy.epochs=3", "no setting 'synergy'"), ("profile=x", "one of")],
)
def test_what_is_no_setting_is_refused(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ProtoOTSettings.read(None, [setting])


def test_centred_takes_the_means_of_domains_whatever_the_folders_are_called(
    world: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    made = samekind.train("centred", world, out=tmp_path / "r", backbone=tiny_clip, device="cpu")
    plain = samekind.load(tiny_clip, device="cpu")
    means = dict(
        zip(
            made.method.config()["domains"],
            load_file(tmp_path / "r" / "weights.safetensors")["places.means"],
            strict=True,
        )
    )
    for domain, mean in means.items():
        vectors = plain.encode_images(sorted((world / domain).rglob("*.png")))
        np.testing.assert_allclose(mean.numpy(), vectors.mean(0), atol=1e-5)
    picture = [str(world / "sketch" / "red" / "0.png")]
    again = samekind.load(tmp_path / "r", device="cpu")
    np.testing.assert_array_equal(again.encode_images(picture, "sketch"), made.encode_images(picture, "sketch"))
    root = shutil.copytree(world, tmp_path / "w")
    (root / "photo" / "red").rename(root / "photo" / "zebra")
    assert samekind.train("centred", root, backbone=tiny_clip, device="cpu").sha256 == made.sha256


def test_other_settings_are_another_run(undisturbed: Path, world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """A second method or another setting into the same folder trains anew."""
    root = draw(tmp_path / "w", each=2)
    first = run(root, tmp_path / "r", tiny_clip)
    assert not same(run(root, tmp_path / "r", tiny_clip, "alignment.rate=0.01"), first)
