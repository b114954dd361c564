"""Fixtures that every room's tests share."""

import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from object_storage import S3, Bucket

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from the user's own cache folder or written there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("SAMEKIND_CACHE_GIB", raising=False)
        yield


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are drawn for 120 columns, whatever terminal the tests were started from."""
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real pictures and weights beside the checkout; tests skip where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real pictures in ../shared/data, which this machine does not have")
    return SHARED


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random CLIP checkpoint: 32-pixel pictures, 16 dimensions, 12 tokens of text."""
    import torch

    from samekind.clip.weights import new_encoder, save_encoder
    from samekind.images.preprocess import Preprocess

    files = clip_vocabulary(["a", "an", "the", "of", "photo", "sketch", "painting", "toy", "dog", "cat", "car", "red"])
    config = {
        "model_type": "clip",
        "projection_dim": 16,
        "vision_config": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        | {"image_size": 32, "patch_size": 8},
        "text_config": {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
        | {"max_position_embeddings": 12, "vocab_size": 1000, "eos_token_id": 513},
    }
    preprocess = Preprocess(32, "shortest", "bicubic", (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = new_encoder(config, files, preprocess)
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    save_encoder(encoder, folder)
    return folder


def clip_vocabulary(words: list[str]) -> dict[str, bytes]:
    """vocab.json and merges.txt as CLIP has them: 256 bytes, the same ending a word, the marks, then `words`."""
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = {}  # a dict as an ordered set: each word grows letter by letter
    for word in words:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        merges |= {("".join(pieces[:n]), pieces[n]): None for n in range(1, len(pieces))}
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "<|startoftext|>", "<|endoftext|>"]
    tokens += [left + right for left, right in merges]
    return {
        "vocab.json": json.dumps({token: place for place, token in enumerate(tokens)}).encode(),
        "merges.txt": "\n".join(["#version: 0.2", *map(" ".join, merges)]).encode(),
    }


@pytest.fixture(scope="session")
def s3() -> Iterator["S3"]:
    """Object storage on the loopback; `bucket` is what tests take."""
    sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, and would not find object_storage.py
    from object_storage import S3

    one = S3()
    yield one
    one.stop()


@pytest.fixture
def bucket(s3: "S3", monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator["Bucket"]:
    """An empty bucket of a test's own."""
    from object_storage import fresh_bucket

    with fresh_bucket(s3, monkeypatch, f"bucket-{zlib.crc32(request.node.nodeid.encode()):08x}") as one:
        yield one
