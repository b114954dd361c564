"""A captions table of drawn pictures, and teachers small enough for tests."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from samekind.clip.mobilenet import MobileNet, MobileNetConfig
from samekind.pretrain.origin import Inputs
from samekind.pretrain.visual import Material

sys.path.insert(0, str(Path(__file__).parent))  # for tiny.py

from tiny import random_material

NOUN_LINE = "00001740 {lex:02d} n {count:02x} {words} 000 | a gloss\n"


class Sentences:
    """Stands for the sentence encoder: each word has a random direction of its own."""

    def encode(self, texts, **_):
        rows = []
        for text in texts:
            words = text.split()[1:]
            seeds = [sum(ord(c) * 31**i for i, c in enumerate(word)) % 2**31 for word in words]
            row = sum(np.random.default_rng(seed).normal(size=24) for seed in seeds)
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, np.float32)


@pytest.fixture
def material() -> Material:
    return random_material()


@pytest.fixture
def sentences(monkeypatch):
    monkeypatch.setattr("samekind.pretrain.teachers.sentence_model", Sentences)


@pytest.fixture(scope="session")
def start_file(tmp_path_factory) -> Path:
    """An untrained MobileNet with a classifier of three classes, in the format of the real one."""
    torch.manual_seed(0)
    tensors = {k: v for k, v in MobileNet(MobileNetConfig()).state_dict().items() if not k.startswith("projection")}
    tensors |= {"classifier.weight": torch.randn(3, 1280, 1, 1), "classifier.bias": torch.zeros(3)}
    file = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_file({name: tensor.half() for name, tensor in tensors.items()}, file)
    return file


def draw(shape: str, domain: str, seed: int) -> Image.Image:
    """A disc or a bar, filled or as an outline, somewhere."""
    rng = np.random.default_rng(seed)
    x, y = (int(v) for v in rng.integers(10, 30, 2))
    box = (x, y, x + 45, y + (45 if shape == "disc" else 15))
    ground = "white" if domain == "sketch" else tuple(int(v) for v in rng.integers(60, 120, 3))
    picture = Image.new("RGB", (96, 96), ground)
    pen = ImageDraw.Draw(picture)
    style = {"outline": "black", "width": 3} if domain == "sketch" else {"fill": (200, 60, 40)}
    (pen.ellipse if shape == "disc" else pen.rectangle)(box, **style)
    return picture


@pytest.fixture
def inputs(tmp_path, start_file) -> Inputs:
    """Ten pictures of each of two things in two domains, with everything that pre-training reads."""
    lines = ["file,domain,caption"]
    for domain in ("photo", "sketch"):
        for shape in ("disc", "bar"):
            for i in range(10):
                name = f"{domain}-{shape}-{i}.png"
                draw(shape, domain, i).save(tmp_path / name)
                lines.append(f"{name},{domain},{shape}")
    (tmp_path / "captions.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "labels.txt").write_text("disc, round thing\nbar\nthing\n")
    vectors = torch.randn(6, 32, generator=torch.Generator().manual_seed(1))
    save_file({"text_vectors": vectors}, tmp_path / "vectors.safetensors")
    (tmp_path / "names.json").write_text(json.dumps(["disc", "bar", "thing", "dog", "cat", "tree"]))
    nouns = NOUN_LINE.format(lex=5, count=2, words="dog 0 domestic_dog 0")
    nouns += NOUN_LINE.format(lex=6, count=1, words="hammer 0") + NOUN_LINE.format(lex=9, count=1, words="idea 0")
    (tmp_path / "data.noun").write_text("  1 licence text\n" + nouns)
    return Inputs(
        tmp_path / "captions.csv",
        start_file,
        tmp_path / "labels.txt",
        tmp_path / "vectors.safetensors",
        tmp_path / "names.json",
        tmp_path / "data.noun",
    )
