"""Encoding a table: from the cache where it is known, resumable after a kill, and no picture lost in silence."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent))

from made import COLOURS, Colours, paint, world

from samekind.datasets import read_data
from samekind.datasets.table import Table
from samekind.evaluation.features import Features, Progress, encode_table
from samekind.evaluation.features_treated import Treatment
from samekind.reading import opening
from samekind.reading.opening import Threads
from samekind.retriever.store import Retriever, load

Encode = Callable[..., Features]


@pytest.fixture
def data(tmp_path: Path) -> Table:
    return read_data(world(tmp_path / "world"))[0]


@pytest.fixture
def encode(tmp_path: Path, data: Table) -> Encode:
    def run(retriever: Any, rows: Any = None, **options: Any) -> Features:
        chosen = np.arange(len(data.files)) if rows is None else np.asarray(rows)
        options = {"cache": tmp_path / "cache", "reader": Threads(2)} | options
        options["data_sha256"] = options.get("data_sha256") or data.sha256()
        return encode_table(retriever, data, chosen, **options)

    return run


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> Retriever:
    return load(tiny_clip, device="cpu", precision="float32")


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a picture was opened")


def test_the_vectors_are_those_of_the_public_interface(clip: Retriever, data: Table, encode: Encode) -> None:
    found = encode(clip)
    expected = clip.encode_images([data.root / file for file in data.files])
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert (found.encoded, found.cached, found.skipped) == (len(data.files), 0, {})


def test_a_second_time_no_picture_is_opened(clip: Retriever, encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(clip)
    monkeypatch.setattr(opening, "read", refuse)
    second = encode(clip)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert (second.encoded, second.cached, second.seconds) == (0, len(first.vectors), 0.0)


def test_more_rows_cost_only_what_is_new(encode: Encode, data: Table) -> None:
    retriever = Colours()
    encode(retriever, [1, 2, 3])
    found = encode(retriever, [2, 3, 4, 5])
    assert (found.encoded, found.cached, retriever.encoded) == (2, 2, 5)
    assert np.abs(found.vectors[[2, 3, 4, 5]]).sum(axis=1).min() > 0


@pytest.mark.parametrize(
    "other",
    [{"data_sha256": "0"}, {"treatment": Treatment(inverted=True)}, {"treatment": Treatment(domains=True)}],
    ids=["changed data", "inverted", "with domains"],
)
def test_other_data_or_another_treatment_is_encoded_anew(encode: Encode, other: dict[str, Any]) -> None:
    retriever = Colours()
    encode(retriever, [1])
    encode(retriever, [1], **other)
    assert retriever.encoded == 2


def test_another_retriever_or_precision_is_encoded_anew(encode: Encode) -> None:
    for name, precision in (("a", "float32"), ("b", "float32"), ("a", "float16")):
        retriever = Colours(name)
        retriever.precision = precision
        assert encode(retriever, [1]).encoded == 1


def test_inverted_pictures_are_the_negatives(encode: Encode, data: Table) -> None:
    found = encode(Colours(), [0], treatment=Treatment(inverted=True)).vectors[0]
    with Image.open(data.root / data.files[0]) as picture:
        negative = np.asarray(ImageOps.invert(picture.convert("RGB")), np.float64)
    mean = negative[:, :-1].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-6)


def test_domains_are_told_only_when_asked_for(encode: Encode) -> None:
    quiet, told = Colours("quiet"), Colours("told")
    encode(quiet)
    encode(told, treatment=Treatment(domains=True))
    assert quiet.domains == {None}
    assert told.domains == {"photo", "sketch"}


def test_raw_vectors_are_the_backbones_own_before_any_norm(clip: Retriever, data: Table, encode: Encode) -> None:
    raw = encode(clip, treatment=Treatment(raw=True)).vectors
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs(norms - 1).min() > 0.01
    np.testing.assert_allclose(raw / norms, encode(clip).vectors, atol=1e-5)


def test_what_cannot_be_opened_is_told_with_its_reason_and_not_tried_again(
    tmp_path: Path, data: Table, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.root / data.files[4]).write_bytes(b"no picture")
    (data.root / data.files[5]).write_bytes((data.root / data.files[6]).read_bytes()[:40])
    found = encode(Colours())
    assert sorted(found.skipped) == [4, 5]
    assert found.skipped[4].uri == data.files[4]
    assert found.skipped[4].reason == "unsupported"
    assert str(tmp_path) not in found.skipped[4].detail
    assert found.encoded == len(data.files) - 2
    assert not found.vectors[[4, 5]].any()
    monkeypatch.setattr(opening, "read", refuse)
    again = encode(Colours())
    assert again.skipped == found.skipped


def test_what_may_be_readable_next_time_is_tried_again(data: Table, encode: Encode) -> None:
    file = data.root / data.files[3]
    kept = file.read_bytes()
    file.unlink()
    sha256 = "0"
    assert encode(Colours(), data_sha256=sha256).skipped[3].reason == "vanished"
    file.write_bytes(kept)
    again = encode(Colours(), data_sha256=sha256)
    assert (again.skipped, again.encoded) == ({}, 1)


def test_an_exception_keeps_what_was_encoded_before_it(
    encode: Encode, data: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Colours):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            if self.encoded >= 32:
                raise KeyboardInterrupt
            return super().encode_pixels(pixels, domain)

    with pytest.raises(KeyboardInterrupt):
        encode(Failing())
    assert encode(Colours()).cached == 32


def test_progress_ends_at_the_whole_and_counts_what_was_known(encode: Encode, data: Table) -> None:
    encode(Colours(), [0, 1])
    seen: list[Progress] = []
    encode(Colours(), progress=seen.append)
    last = seen[-1]
    assert (last.total, last.cached, last.done, last.skipped) == (len(data.files), 2, len(data.files) - 2, 0)


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
sys.path.insert(0, {here!r})
from made import Colours
from samekind.datasets import read_data
from samekind.evaluation import features

features.KEEP_ROWS = 32

class Slow(Colours):
    def encode_pixels(self, pixels, domain=None):
        if self.encoded >= 64:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_pixels(pixels, domain)

data = read_data({world!r})[0]
features.encode_table(
    Slow(), data, np.arange(len(data.files)), cache=Path({cache!r}), data_sha256=data.sha256()
)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, data: Table, encode: Encode) -> None:
    code = KILLED.format(here=str(Path(__file__).parent), world=str(data.root), cache=str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    retriever = Colours()
    found = encode(retriever)
    assert found.cached == 64
    assert found.encoded == retriever.encoded == len(data.files) - 64
    expected = encode(Colours("whole")).vectors
    np.testing.assert_array_equal(found.vectors, expected)


def test_a_cache_that_may_not_be_written_costs_only_time(tmp_path: Path, encode: Encode, data: Table) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    found = encode(Colours(), cache=blocked)
    assert found.fault is not None
    assert found.encoded == len(data.files)


def test_pictures_of_one_colour_are_nearest_to_their_own_colour(encode: Encode, data: Table) -> None:
    vectors = encode(Colours()).vectors
    expected = Colours().encode_texts([f"a {name}" for name in data.classes])
    assert ((vectors @ expected.T).argmax(axis=1) == data.label).all()
    assert set(data.classes) <= set(COLOURS)


def test_a_picture_that_changed_is_another_data_set(tmp_path: Path, data: Table) -> None:
    before = data.sha256()
    paint(data.root / data.files[0], (1, 2, 3))
    assert read_data(data.root)[0].sha256() != before
