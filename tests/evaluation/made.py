"""Small worlds and a cheap retriever for the tests of protocols and runs; figures can be derived from the colours."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from samekind.datasets.table import Table
from samekind.images.preprocess import Preprocess

SIDE = 16
COLOURS = {"dog": (200, 30, 30), "cat": (30, 200, 30), "car": (30, 30, 200), "cup": (150, 150, 20)}


def paint(file: Path, colour: Sequence[int], mark: int = 0) -> None:
    """One flat picture; `mark` makes its content differ in the last pixel's blue."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((SIDE, SIDE, 3), colour, np.uint8)
    pixels[-1, -1, 2] = mark % 256
    Image.fromarray(pixels).save(file)


def world(
    root: Path,
    domains: Sequence[str] = ("photo", "sketch"),
    classes: Sequence[str] = ("dog", "cat", "car"),
    per_class: int = 12,
) -> Path:
    """root/domain/class/NN.png, each class of its colour."""
    for at, domain in enumerate(domains):
        for name in classes:
            for n in range(per_class):
                paint(root / domain / name / f"{n:02}.png", COLOURS[name], 50 * at + n)
    return root


def table(files: Sequence[str], name: str = "made", root: Path = Path("/nowhere")) -> Table:
    """A table of paths domain/class/picture; no file needs to be there."""
    names = sorted(files)
    domains = tuple(sorted({file.split("/")[0] for file in names}))
    classes = tuple(sorted({file.split("/")[1] for file in names}))
    return Table(
        name,
        root,
        tuple(names),
        np.array([domains.index(file.split("/")[0]) for file in names]),
        domains,
        np.array([classes.index(file.split("/")[1]) for file in names]),
        classes,
        (),
    )


def listing(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Paths for {domain: {class: number}}."""
    return [f"{d}/{c}/{n:04}.png" for d, each in counts.items() for c, many in each.items() for n in range(many)]


class Colours:
    """A vector is the mean colour at norm one; nothing else about a picture counts. It notes what it encoded."""

    space = "cosine"
    precision = "float32"
    dim = 3
    ref = None

    def __init__(self, name: str = "colours", *, texts: bool = True, told: bool = False) -> None:
        self.name = name
        self.sha256 = hashlib.sha256(f"{name}{told}".encode()).hexdigest()
        self.preprocess = Preprocess(SIDE, "squash", "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        backbone = SimpleNamespace(name="none", sha256="0" * 64, revision=None)
        self.card = SimpleNamespace(
            method="colours", backbone=backbone, config={"classes_count": "auto"}, space="cosine"
        )
        self.card.dim, self.card.data_sha256, self.card.seed, self.card.commit, self.card.created = 3, None, 7, None, ""
        self.encoder = SimpleNamespace(dim=3)
        self.encoded = 0
        self.domains: set[str | None] = set()
        if not texts:
            self.encode_texts = None  # type: ignore[assignment, method-assign]

    def prepare(self, image: Image.Image) -> np.ndarray:
        return self.preprocess.pixels(image)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        self.encoded += len(pixels)
        self.domains.add(domain)
        mean = pixels[:, :-1].reshape(len(pixels), -1, 3).mean(axis=1)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        colours = np.array([COLOURS.get(text.removeprefix("a "), (1, 1, 1)) for text in texts], np.float64)
        return np.asarray(colours / np.linalg.norm(colours, axis=1, keepdims=True), np.float32)


def run(root: Path, retriever: Any = None, **options: Any) -> Any:
    """Evaluate `Colours` or another on a folder, by default in the profile paper, with the cache beside it."""
    from samekind.evaluation.run import evaluate

    return evaluate(retriever or Colours(), root, **{"cache": root.parent / "cache", "profile": "paper"} | options)


def pair(report: Any, query: str, gallery: str) -> Any:
    """One pair of a report."""
    return next(each for each in report.pairs if (each.query, each.gallery) == (query, gallery))
