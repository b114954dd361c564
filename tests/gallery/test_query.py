"""What words on a command line search for, and what they add up to."""

from pathlib import Path

import numpy as np
import pytest
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.errors import UsageError
from samekind.gallery.query import Query, Term


@pytest.fixture
def sketch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A picture in the current folder."""
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "sketch.png", 1)
    return "./sketch.png"


def terms(*words: str) -> list[tuple[str, str, float]]:
    return [(term.kind, str(term.value), term.weight) for term in Query.parse(words).terms]


def test_weights_paths_texts_and_a_lone_minus_are_read_as_the_interface_says(sketch: str) -> None:
    assert terms("2:a red car", sketch, "-", "toy") == [
        ("text", "a red car", 2.0),
        ("image", "./sketch.png", 1.0),
        ("text", "toy", -1.0),
    ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("red", ("text", "red", 1.0)),
        ("0.5:red", ("text", "red", 0.5)),
        (".5:red", ("text", "red", 0.5)),
        ("1e-1:red", ("text", "red", 0.1)),
        ("-2:red", ("text", "red", -2.0)),
        ("text:3:10 to Yuma", ("text", "3:10 to Yuma", 1.0)),
        ("2:text:a/b", ("text", "a/b", 2.0)),
        ("text:missing.png", ("text", "missing.png", 1.0)),
        ("time: noon", ("text", "time: noon", 1.0)),
        ("3:sketch.png", ("image", "sketch.png", 3.0)),
        ("image:sketch.png", ("image", "sketch.png", 1.0)),
        ("-3:image:sketch.png", ("image", "sketch.png", -3.0)),
        ("x" * 5000, ("text", "x" * 5000, 1.0)),
    ],
)
@pytest.mark.usefixtures("sketch")
def test_a_word_is_read_as(word: str, expected: tuple[str, str, float]) -> None:
    assert terms(word) == [expected]


@pytest.mark.usefixtures("sketch")
def test_a_file_whose_name_looks_like_a_weight_is_a_picture(tmp_path: Path) -> None:
    paint(tmp_path / "cat.png", 1).rename(tmp_path / "2:cat")
    assert terms("2:cat", "3:2:cat") == [("image", "2:cat", 1.0), ("image", "2:cat", 3.0)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to search for"),
        (["missing.png"], "text:missing.png"),
        (["a/b"], "text:a/b"),
        (["image:missing"], "does not exist"),
        (["./"], "is a folder"),
        (["https://example.org/a.png"], "Download the picture"),
        (["a", "-"], "last word"),
        (["-", "-", "a"], "two lone"),
        (["0:a"], "other than 0"),
        (["1e999:a"], "other than 0"),
        (["2:"], "empty"),
        ([" "], "empty"),
        (["text:"], "empty"),
    ],
)
@pytest.mark.usefixtures("sketch")
def test_a_wrong_query_is_refused_with_the_remedy(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Query.parse(words)


def test_the_query_is_the_normalised_weighted_sum_of_normalised_vectors(retriever: PaletteRetriever) -> None:
    red, blue = retriever.encode_texts(["red", "blue"])
    picture = Image.new("RGB", (9, 7), "green")
    green = retriever.encode_images([picture])[0]
    terms = (Term("text", "red", 2.0), Term("image", picture), Term("text", "blue", -1.0))
    expected = 2 * red + green - blue
    np.testing.assert_allclose(Query(terms).vector(retriever), expected / np.linalg.norm(expected), atol=1e-6)


def test_vectors_that_are_not_normalised_count_by_their_direction_alone(retriever: PaletteRetriever) -> None:
    class Long(PaletteRetriever):
        def encode_texts(self, texts: list[str]) -> np.ndarray:
            return 7 * super().encode_texts(texts)

    query = Query.parse(["red", "blue"])
    np.testing.assert_allclose(query.vector(Long()), query.vector(retriever), atol=1e-6)


@pytest.mark.parametrize("words", [["red", "-", "red"], ["1000:red", "-1000:red"], ["2:red", "-", "red", "-", "red"]])
def test_parts_that_cancel_out_are_refused(words: list[str], retriever: PaletteRetriever) -> None:
    with pytest.raises(UsageError, match="cancel out"):
        Query.parse(words).vector(retriever)
