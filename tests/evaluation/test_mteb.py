"""MTEB evaluates a retriever through our adapter, on a small task made up here; no torchvision, no network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samekind.errors import UsageError
from samekind.evaluation.mteb import MtebEncoder
from samekind.retriever.store import Retriever, load

mteb = pytest.importorskip("mteb", reason="needs mteb: pip install 'samekind[mteb]'")

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 230), "grey": (120, 120, 120)}


@pytest.fixture(scope="module")
def retriever(tiny_clip: Path) -> Retriever:
    return load(tiny_clip, device="cpu", precision="float32")


def picture(colour: tuple[int, int, int], size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, colour)


def sketch_to_photo(category: str = "i2i") -> Any:
    """Queries of one colour each, a corpus with the same colours in another shape; the same colour is relevant."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata

    class Colours(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="ColoursI2IRetrieval",
            description="Retrieve the picture of the same colour.",
            reference=None,
            dataset={"path": "none", "revision": "1"},
            type="Any2AnyRetrieval",
            category=category,
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="hit_rate_at_1",
            date=("2020-01-01", "2020-01-02"),
            domains=["Encyclopaedic"],
            task_subtypes=["Object recognition"],
            license="not specified",
            annotations_creators="derived",
            dialect=[],
            modalities=["image"] if category == "i2i" else ["text", "image"],
            sample_creation="created",
            bibtex_citation="",
        )

        def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
            names = list(COLOURS)
            asked = {"image": [picture(COLOURS[n], (40, 40)) for n in names]} if category == "i2i" else {"text": names}
            self.dataset = {
                "default": {
                    "test": RetrievalSplitData(
                        queries=Dataset.from_dict({"id": [f"q-{n}" for n in names], **asked}),
                        corpus=Dataset.from_dict(
                            {"id": names[::-1], "image": [picture(COLOURS[n], (50, 60)) for n in names[::-1]]}
                        ),
                        relevant_docs={f"q-{n}": {n: 1} for n in names},
                        top_ranked=None,
                    )
                }
            }
            self.data_loaded = True

    return Colours()


def score(retriever: Retriever, task: Any, folder: Path) -> dict[str, float]:
    result = mteb.evaluate(
        MtebEncoder(retriever), task, cache=None, co2_tracker=False, prediction_folder=folder, show_progress_bar=False
    )
    scores: dict[str, float] = result[0].scores["test"][0]
    return scores


def test_mteb_finds_for_each_picture_its_own_colour(retriever: Retriever, tmp_path: Path) -> None:
    scores = score(retriever, sketch_to_photo(), tmp_path)
    assert scores["hit_rate_at_1"] == 1.0
    assert scores["main_score"] == 1.0


def test_mteb_ranks_as_the_retriever_does(retriever: Retriever, tmp_path: Path) -> None:
    """Its predictions are the inner products of our vectors, for every query and document."""
    score(retriever, sketch_to_photo(), tmp_path)
    told = json.loads(next(tmp_path.rglob("*predictions.json")).read_text())["default"]["test"]
    names = list(COLOURS)
    queries = retriever.encode_images([picture(COLOURS[n], (40, 40)) for n in names])
    corpus = retriever.encode_images([picture(COLOURS[n], (50, 60)) for n in names])
    found = np.array([[told[f"q-{a}"][b] for b in names] for a in names])
    np.testing.assert_allclose(found, queries @ corpus.T, atol=1e-5)


def test_texts_are_encoded_as_texts(retriever: Retriever, tmp_path: Path) -> None:
    assert 0 <= score(retriever, sketch_to_photo("t2i"), tmp_path)["hit_rate_at_1"] <= 1
    vectors = MtebEncoder(retriever).encode(
        [{"text": ["a dog", "a cat"]}, {"text": ["red"]}], task_metadata=None, hf_split="test", hf_subset="default"
    )
    np.testing.assert_array_equal(vectors[:2], retriever.encode_texts(["a dog", "a cat"]))
    assert len(vectors) == 3


def test_it_satisfies_the_protocol_of_the_installed_mteb(retriever: Retriever) -> None:
    from mteb.models.models_protocols import EncoderProtocol

    adapter = MtebEncoder(retriever)
    assert isinstance(adapter, EncoderProtocol)
    assert adapter.mteb_model_meta.revision == retriever.sha256
    assert adapter.mteb_model_meta.name == "samekind/tiny"


def test_what_has_no_vector_is_refused(retriever: Retriever) -> None:
    adapter = MtebEncoder(retriever)
    for batch, said in (
        ({"image": [picture((0, 0, 0), (9, 9))], "text": ["a"]}, "at once"),
        ({"audio": [1]}, "audio"),
        ({"image": ["a.png"]}, "a str"),
    ):
        with pytest.raises(UsageError, match=said):
            adapter.encode([batch], task_metadata=None, hf_split="test", hf_subset="default")
    with pytest.raises(UsageError, match="hash"):
        MtebEncoder(retriever, "another")


class Ball:
    """Two points of the unit ball stand for the retriever's space."""

    space, dim, name, sha256 = "poincare", 1, "ball", "0"


def test_in_the_ball_the_nearest_is_that_of_the_geodesic_distance() -> None:
    """From .5 to the origin it is 2 artanh .5 = 1.10, from .5 to .95 it is 2 (artanh .95 - artanh .5) = 2.56."""
    adapter = MtebEncoder(Ball())  # type: ignore[arg-type]
    a, b = np.array([[0.5]], np.float32), np.array([[0.0], [0.95]], np.float32)
    assert adapter.similarity(a, b).argmax() == 0
    assert (a @ b.T).argmax() == 1
    np.testing.assert_array_equal(adapter.similarity_pairwise(a, b[:1]), adapter.similarity(a, b)[0, :1])
