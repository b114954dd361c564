"""Texts become the ids that the checkpoint's own tokenizer gives."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samekind.clip.tokenizer import TextTokenizer
from samekind.errors import SamekindError

START, END = 512, 513
TEXTS = ["", " ", "a photo of a dog", "A  PHOTO\n\tof a Dog's toy!!", "don't 42 Käse ﬁ é \u00e9 e\u0301", "🐶 犬 ç ™"]


@pytest.fixture(scope="module")
def files(tiny_clip: Path) -> dict[str, bytes]:
    """vocab.json and merges.txt of the tiny checkpoint."""
    return {name: (tiny_clip / name).read_bytes() for name in ("vocab.json", "merges.txt")}


@pytest.fixture(scope="module")
def theirs(files: dict[str, bytes]):
    """transformers' CLIPTokenizer over the same vocabulary."""
    from transformers import CLIPTokenizer

    merges = [tuple(line.split()) for line in files["merges.txt"].decode().splitlines()[1:]]
    return CLIPTokenizer(vocab=json.loads(files["vocab.json"]), merges=merges)


@given(text=st.text(max_size=40) | st.text(alphabet="a photdgcr'sl<|enxf>\n é", max_size=60))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_equal_those_of_transformers_for_any_text(files, theirs, text: str) -> None:
    ids = TextTokenizer(files, context=300)([text])[0].tolist()
    assert ids == theirs(text.encode("utf-8", "replace").decode()).input_ids


def test_a_tokenizer_json_gives_the_same_ids_as_vocabulary_and_merges(files, theirs, tmp_path: Path) -> None:
    theirs.save_pretrained(tmp_path)
    whole = TextTokenizer({"tokenizer.json": (tmp_path / "tokenizer.json").read_bytes()}, context=40)
    assert whole(TEXTS).tolist() == TextTokenizer(files, context=40)(TEXTS).tolist()


def test_long_texts_keep_the_start_of_the_text_and_the_end_token(files: dict[str, bytes]) -> None:
    ids = TextTokenizer(files, context=12)(["dog " * 1000])[0].tolist()
    dog = TextTokenizer(files, context=12)(["dog"])[0, 1].item()
    assert ids == [START, *[dog] * 10, END]


def test_a_batch_is_as_long_as_its_longest_text_and_padded_with_the_end(files: dict[str, bytes]) -> None:
    ids = TextTokenizer(files, context=12)(["", "a dog"]).tolist()
    assert ids[0] == [START, END, END, END]
    assert ids[1][0] == START
    assert ids[1][-1] == END


def test_no_texts_give_no_rows(files: dict[str, bytes]) -> None:
    assert TextTokenizer(files, context=12)([]).shape[0] == 0


def test_a_lone_surrogate_is_read_as_a_question_mark(files: dict[str, bytes]) -> None:
    tokenizer = TextTokenizer(files, context=12)
    assert tokenizer(["a \udcff"]).tolist() == tokenizer(["a ?"]).tolist()


def test_siglip_drops_case_and_punctuation_and_pads_to_the_context(siglip_folder) -> None:
    _, folder = siglip_folder()
    files = {name: (folder / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")}
    assert TextTokenizer(files, context=8, siglip=True)(["A Photo, of:  a DOG!"]).tolist() == [[3, 4, 5, 3, 6, 1, 1, 1]]


def test_siglip_2_keeps_punctuation_and_has_a_padding_token_of_its_own(siglip_folder) -> None:
    _, folder = siglip_folder()
    files = {
        "tokenizer.json": (folder / "tokenizer.json").read_bytes(),
        "tokenizer_config.json": b'{"tokenizer_class": "GemmaTokenizer", "pad_token": {"content": "<pad>"}}',
    }
    assert TextTokenizer(files, context=5, siglip=True)(["DOG!"]).tolist() == [[6, 7, 1, 0, 0]]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"vocab.json": b"{"}, "vocab.json is not JSON"),
        ({"vocab.json": b"[]"}, "vocab.json holds no JSON object"),
        ({"vocab.json": b'{"a": 1}'}, "no <|startoftext|> and no <|endoftext|>"),
        ({"merges.txt": b"a b c"}, "do not fit"),
        ({"merges.txt": b"q\xff zz"}, "do not fit"),
        ({"tokenizer.json": b"{}"}, "tokenizer.json cannot be read"),
        ({"tokenizer.json": b"\xff"}, "tokenizer.json cannot be read"),
        ({"merges.txt": None}, "no tokenizer.json"),
    ],
)
def test_damaged_files_are_refused_by_name(
    files: dict[str, bytes], change: dict[str, bytes | None], named: str
) -> None:
    broken = {name: data for name, data in (files | change).items() if data is not None}
    with pytest.raises(SamekindError) as error:
        TextTokenizer(broken, context=12)
    assert named in str(error.value)


def test_siglip_without_a_tokenizer_json_is_refused_with_the_remedy(files: dict[str, bytes]) -> None:
    with pytest.raises(SamekindError, match=r"spiece\.model.*save_pretrained"):
        TextTokenizer(files, context=64, siglip=True)


def test_a_tokenizer_that_adds_no_end_token_is_refused(files: dict[str, bytes], siglip_folder) -> None:
    _, folder = siglip_folder()
    bare = json.loads((folder / "tokenizer.json").read_text()) | {"post_processor": None}
    with pytest.raises(SamekindError, match="post_processor"):
        TextTokenizer({"tokenizer.json": json.dumps(bare).encode()}, context=12)
