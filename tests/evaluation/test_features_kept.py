"""Vectors from what is kept of the backbone: as those from the pictures, without the backbone, with the same skips."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from made import world

from samekind.clip.encoder import ImageFeatures
from samekind.clip.weights import load_encoder
from samekind.datasets import read_data
from samekind.datasets.hashes import UNREADABLE, hash_files
from samekind.datasets.table import Table
from samekind.evaluation import features
from samekind.evaluation.features import Features, encode_table
from samekind.evaluation.features_treated import Treatment
from samekind.evaluation.recipes import Recipe
from samekind.evaluation.recipes_run import run_recipe
from samekind.evaluation.study_run import Trainer
from samekind.methods.base import EncoderFacts, Method, Space
from samekind.methods.zero_shot import ZeroShot
from samekind.reading import opening
from samekind.retriever import kept_pictures
from samekind.retriever.encode import Engine
from samekind.retriever.store import Retriever
from samekind.training.cache import PictureCache
from samekind.training.data import find_pictures

Encode = Callable[..., Features]
TREATMENTS = [Treatment(), Treatment(domains=True)]


class Peeking(Method):
    """Looks at everything that a method may look at."""

    name: ClassVar[str] = "peeking"
    space: ClassVar[Space] = "cosine"

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    @property
    def dim(self) -> int:
        return 8

    @classmethod
    def from_config(cls, config: Mapping[str, Any], facts: EncoderFacts) -> "Peeking":
        return cls(**config)

    def config(self) -> dict[str, Any]:
        return {"factor": self.factor}

    def images(
        self, features: ImageFeatures, pixels: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float[Tensor, "b d"]:
        told = torch.full((len(pixels), 1), len(domain or "") / 10)
        parts = [features.tokens.mean(1)[:, :3], features.pooled[:, :1], pixels.mean((2, 3)), told]
        return F.normalize(self.factor + torch.cat(parts, 1), dim=1)

    def texts(self, texts: Float[Tensor, "b e"]) -> Float[Tensor, "b d"]:
        return F.normalize(texts[:, :8], dim=1)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return read_data(world(tmp_path / "world"))[0]


@pytest.fixture
def retriever(tiny_clip: Path) -> Callable[[Method | None], Retriever]:
    def made(method: Method | None = None) -> Retriever:
        encoder = load_encoder(tiny_clip)
        return Retriever(encoder, method or ZeroShot(encoder.dim), device="cpu", precision="float32")

    return made


@pytest.fixture
def encode(tmp_path: Path, data: Table) -> Encode:
    """encode(retriever, rows=..., kept=..., treatment=...), with no vector of an earlier call."""
    calls = iter(range(100))

    def run(retriever: Any, rows: Any = None, *, kept: bool = True, **options: Any) -> Features:
        chosen = np.arange(len(data)) if rows is None else np.asarray(rows)
        contents = hash_files(data.root, data.files) if kept else None
        options = {"cache": tmp_path / f"cache{next(calls)}", "data_sha256": "0", **options}
        return encode_table(retriever, data, chosen, contents=contents, **options)

    return run


def blank(engine: Engine, x: Tensor) -> bool:
    size = engine.encoder.preprocess.size
    return torch.equal(x, engine.normalised(np.zeros((1, size, size, 3), np.uint8)))


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the backbone sees no picture but the blank one that tells the tokens' shape."""
    before = Engine.features

    def refuse(self: Engine, x: Tensor) -> ImageFeatures:
        assert blank(self, x), "a picture was encoded"
        return before(self, x)

    monkeypatch.setattr(Engine, "features", refuse)
    monkeypatch.setattr(kept_pictures, "read", refuse)
    monkeypatch.setattr(opening, "read", refuse)


def stored(tmp_path: Path) -> set[str]:
    return {file.suffix for file in (tmp_path / "user" / "samekind" / "tokens").glob("*")}


@pytest.mark.parametrize("treatment", TREATMENTS, ids=str)
@pytest.mark.parametrize("method", [Peeking(), None], ids=["tokens", "pooled"])
def test_both_ways_have_the_same_vectors_but_for_half_precision(
    retriever: Any, encode: Encode, method: Method | None, treatment: Treatment, data: Table
) -> None:
    direct = encode(retriever(method), kept=False, treatment=treatment)
    kept = encode(retriever(method), treatment=treatment)
    np.testing.assert_allclose(kept.vectors, direct.vectors, atol=1e-3)
    assert (kept.encoded, kept.cached, kept.skipped) == (len(data), 0, {})
    assert np.linalg.norm(kept.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_another_retriever_and_another_reading_encode_nothing(
    retriever: Any, encode: Encode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = encode(retriever(Peeking(2.0)), kept=False)
    encode(retriever(Peeking()))
    assert stored(tmp_path) == {".tokens", ".pixels", ".pooled"}
    silence(monkeypatch)
    np.testing.assert_allclose(encode(retriever(Peeking(2.0))).vectors, expected.vectors, atol=1e-3)
    encode(retriever())
    encode(retriever(Peeking()).with_config(factor=3.0))


@pytest.mark.parametrize("tokens", [True, False])
def test_what_training_kept_is_found(
    retriever: Any, encode: Encode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Table, tokens: bool
) -> None:
    trained = retriever(Peeking() if tokens else None)
    PictureCache(
        find_pictures(data.root), trained.engine, tmp_path / "work", limit=2**30 if tokens else 0, tokens=tokens
    )
    before = stored(tmp_path)
    silence(monkeypatch)
    encode(trained)
    assert stored(tmp_path) == before == ({".tokens", ".pixels", ".pooled"} if tokens else {".pooled"})


def test_the_rest_of_a_stopped_evaluation_uses_the_same_chunks(
    retriever: Any, encode: Encode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Table
) -> None:
    whole = encode(retriever(Peeking()))
    silence(monkeypatch)

    calls = iter([None])

    def failing(*_: Any) -> None:
        if next(calls, "second") == "second":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(features._Run, "_tell", failing)
        with pytest.raises(KeyboardInterrupt):
            encode(retriever(Peeking()), cache=tmp_path / "stopped")
    again = encode(retriever(Peeking()), cache=tmp_path / "stopped")
    assert again.cached >= len(data) // 2
    np.testing.assert_array_equal(again.vectors, whole.vectors)


def test_what_cannot_be_opened_is_told_as_without(retriever: Any, encode: Encode, data: Table) -> None:
    (data.root / data.files[4]).write_bytes(b"no picture")
    (data.root / data.files[5]).write_bytes((data.root / data.files[6]).read_bytes()[:40])
    (data.root / data.files[7]).unlink()
    direct, kept = encode(retriever(Peeking()), kept=False), encode(retriever(Peeking()))
    assert sorted(kept.skipped) == [4, 5, 7]
    assert kept.skipped == direct.skipped
    assert hash_files(data.root, data.files)[7] == UNREADABLE
    np.testing.assert_allclose(kept.vectors, direct.vectors, atol=1e-3)
    assert encode(retriever(Peeking())).skipped == direct.skipped


@pytest.mark.parametrize("options", [{"treatment": Treatment(inverted=True)}, {"treatment": Treatment(raw=True)}])
def test_treated_pictures_are_encoded_as_ever(retriever: Any, encode: Encode, tmp_path: Path, options: Any) -> None:
    np.testing.assert_array_equal(
        encode(retriever(), **options).vectors, encode(retriever(), kept=False, **options).vectors
    )
    assert not stored(tmp_path)


def test_nothing_is_kept_that_is_more_than_the_limit(
    retriever: Any, encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", "0.0001")
    np.testing.assert_array_equal(
        encode(retriever(Peeking())).vectors, encode(retriever(Peeking()), kept=False).vectors
    )
    assert not stored(tmp_path)


def test_a_chunk_that_goes_meanwhile_is_encoded_from_the_pictures(
    retriever: Any, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samekind.retriever.kept_features import Encoding

    def gone(*_: Any) -> None:
        raise FileNotFoundError

    expected = encode(retriever(Peeking()), kept=False)
    monkeypatch.setattr(Encoding, "vectors", gone)
    np.testing.assert_allclose(encode(retriever(Peeking())).vectors, expected.vectors, atol=1e-6)


RECIPE = """
title = "made"
command = "samekind run made.toml --data PATH"
[retriever]
ref = "{ref}"
[data]
name = "made"
[train]
method = "tpsnet"
classes_count = 3
seeds = [0, 1]
[evaluate]
protocol = "ucdir"
profile = "{profile}"
"""


@pytest.mark.parametrize(("profile", "tuned"), [("paper", False), ("clean", False), ("paper", True)])
def test_a_study_shares_a_backbone_that_training_left_as_it_is(
    data: Table, tiny_clip: Path, tmp_path: Path, profile: str, *, tuned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    before = Engine.features
    monkeypatch.setattr(
        Engine, "features", lambda self, x: (seen.append(0 if blank(self, x) else len(x)), before(self, x))[1]
    )

    def train(method: str, root: Any, *, seed: int, **_: Any) -> Retriever:
        encoder = load_encoder(tiny_clip)
        if tuned:
            encoder.sha256 = ""
            with torch.no_grad():
                next(encoder.vision_model.parameters()).mul_(1.01)
        return Retriever(encoder, Peeking(1.0 + seed), device="cpu", precision="float32")

    (tmp_path / "made.toml").write_text(RECIPE.format(ref=tiny_clip.as_posix(), profile=profile))
    places = {"out": tmp_path / "results", "work": tmp_path / "work", "cache": tmp_path / "cache"}
    recipe = Recipe.read(tmp_path / "made.toml")
    run_recipe(recipe, data=data.root, trainer=Trainer(("tpsnet",), train), **places)
    told = json.loads((tmp_path / "results" / "made.json").read_text())
    asked = sum(pair["queries"] for pair in told["pairs"])  # of each domain once
    assert sum(seen) == (2 * asked if tuned else asked)
    assert told["features"] == ("encoded" if tuned else "kept, tokens in half precision")
    assert stored(tmp_path) == (set() if tuned else {".tokens", ".pixels", ".pooled"})
    assert not list((tmp_path / "work").rglob("*.pooled"))
