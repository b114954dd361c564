"""The bundled `mini`: small, described, and right more often than not, on the drawn world and on real pictures."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from samekind.datasets.folder import read_folder
from samekind.datasets.toyworld import generate
from samekind.evaluation.pairs import mean, score_pairs
from samekind.images.refs import ImageRef
from samekind.images.source import list_images
from samekind.retriever.store import Retriever, load

PER_CLASS = 20  # real pictures of each class and domain


@pytest.fixture(scope="module")
def mini() -> Retriever:
    return load("mini")


def encoded(mini: Retriever, root: Path, per_class: int | None) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Vectors, labels, domains and class names of the pictures, evenly spaced where limited."""
    folder = read_folder(root)
    of: dict[tuple[str, str], list[str]] = {}
    for item in list_images(root):
        if isinstance(item, ImageRef) and (place := folder.place(item.uri)):
            of.setdefault(place, []).append(item.uri)
    if per_class:
        of = {place: uris[:: max(1, len(uris) // per_class)][:per_class] for place, uris in of.items()}
    places = [(place, uri) for place, uris in of.items() for uri in uris]
    classes = list(folder.every_class)
    vectors = mini.encode_images([uri for _, uri in places])
    return vectors, np.array([classes.index(c) for (_, c), _ in places]), [d for (d, _), _ in places], classes


def named(mini: Retriever, classes: list[str]) -> np.ndarray:
    return mini.encode_texts([f"a {name.replace('_', ' ')}" for name in classes])


def test_it_is_small_and_says_what_it_was_made_of():
    folder = files("samekind") / "clip" / "mini"
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 20_000_000
    card = json.loads((folder / "pretrain.json").read_text())
    assert card["data"]["pictures"] > 20_000
    assert card["data"]["dropped_as_lookalikes"]["photo"] >= 400  # the faces that PACS has too
    assert card["scores"]["finished"]["held-out P@1 across domains"] > 0.35


def test_a_prompt_lies_nearest_to_the_name_it_holds(mini):
    names = ["horse", "guitar", "umbrella", "castle", "fish", "coffee cup", "wheel", "spider"]
    plain = mini.encode_texts([f"a {name}" for name in names])
    for prompt in ("a sketch of a {}", "{}, oil painting", "the photo of the {}", "A {} IN COMIC STYLE"):
        asked = mini.encode_texts([prompt.format(name) for name in names])
        assert ((asked @ plain.T).argmax(1) == np.arange(len(names))).all(), prompt


def test_the_drawn_world_is_found_across_styles(mini, tmp_path):
    generate(tmp_path / "world", per_class=3, seed=7)
    vectors, labels, domains, classes = encoded(mini, tmp_path / "world", None)
    pairs = score_pairs(vectors, labels, domains)
    assert mean(pairs, "P@1") > 0.6  # by chance 0.05
    assert ((vectors @ named(mini, classes).T).argmax(1) == labels).mean() > 0.5


@pytest.mark.slow
def test_real_pictures_are_found_across_styles_and_by_name(mini, shared):
    vectors, labels, domains, classes = encoded(mini, shared / "data" / "pacs", PER_CLASS)
    pairs = score_pairs(vectors, labels, domains)
    assert len(pairs) == 12
    # Small galleries make the nearest hit less often right than the whole of PACS does (docs/mini.md): by chance 0.14.
    assert mean(pairs, "P@1") > 0.45
    assert ((vectors @ named(mini, classes).T).argmax(1) == labels).mean() > 0.45
