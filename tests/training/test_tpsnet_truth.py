"""TPSNet from pictures to answers where the truth is known: colours that a domain's cast hides from the backbone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quick import COLOURS

import samekind
from samekind.retriever.store import Retriever

CASTS = {"photo": (0, 0, 0), "sketch": (100, -80, -80)}  # several times as far as one class is from another
SETTINGS = (
    "prompts.epochs=5",
    "prompts.words=2",
    "prompts.batch=32",
    "synergy.batch=16",
    "synergy.steps=100",
    "model.width=16",
    "model.heads=2",
)


def painted(root: Path, seed: int, each: int = 20) -> Path:
    """root/domain/class/N.png: grey with one channel raised, which names the class, under the domain's cast."""
    rng = np.random.default_rng(seed)
    for domain, cast in CASTS.items():
        for channel, name in enumerate(COLOURS):
            folder = root / domain / name
            folder.mkdir(parents=True)
            for count in range(each):
                colour = 128 + np.array(cast) + 40 * (np.arange(3) == channel) + 10 * rng.normal(size=3)
                pixels = np.clip(colour + 20 * rng.normal(size=(40, 40, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{count}.png")
    return root


def precision(retriever: Retriever, root: Path) -> float:
    """Mean average precision over both directions; nobody tells the domain of a picture."""
    files = {domain: sorted((root / domain).rglob("*.png")) for domain in CASTS}
    vectors = {domain: retriever.encode_images([str(file) for file in found]) for domain, found in files.items()}
    found = []
    for asking, asked in (("photo", "sketch"), ("sketch", "photo")):
        names = np.array([file.parent.name for file in files[asked]])
        orders = np.argsort(-(vectors[asking] @ vectors[asked].T), axis=1)
        for file, order in zip(files[asking], orders, strict=True):
            places = np.flatnonzero(names[order] == file.parent.name)
            found.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    return float(np.mean(found))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_across_domains_what_the_backbone_does_not(tiny_clip: Path, tmp_path: Path, seed: int) -> None:
    seen, unseen = painted(tmp_path / "seen", 0), painted(tmp_path / "unseen", 1)
    plain = samekind.load(tiny_clip, device="cpu")
    adapted = samekind.train(
        "tpsnet", seen, classes_count=3, backbone=tiny_clip, device="cpu", seed=seed, settings=SETTINGS
    )
    assert precision(plain, unseen) < 0.6
    for output in ("shares", "synergy", "fused"):
        assert precision(adapted.with_config(output=output), unseen) > 0.85, output
