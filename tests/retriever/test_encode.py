"""Encoding in order, in bounded memory, with threads that end; and reduced precision that keeps the ranking."""

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from samekind.clip.mobilenet import MobileNet, MobileNetConfig
from samekind.clip.weights import load_encoder
from samekind.retriever import precision as policy
from samekind.retriever.encode import batches, ordered_map
from samekind.retriever.precision import choose_device, choose_dtype, picture_tower, tower_kind
from samekind.retriever.store import Retriever, load


def own_threads() -> int:
    return sum(thread.name.startswith("samekind-map") for thread in threading.enumerate())


@given(items=st.lists(st.integers(), max_size=30), workers=st.integers(1, 4), look_ahead=st.integers(0, 8))
def test_ordered_map_is_map(items: list[int], workers: int, look_ahead: int) -> None:
    assert list(ordered_map(lambda x: x * 2, items, workers=workers, look_ahead=look_ahead)) == [x * 2 for x in items]


def test_results_keep_the_order_when_later_ones_are_ready_first() -> None:
    def slow_first(x: int) -> int:
        time.sleep(0.05 if x == 0 else 0.0)
        return x

    assert list(ordered_map(slow_first, range(8), workers=4, look_ahead=7)) == list(range(8))


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    assert len(list(ordered_map(lambda _: together.wait(), range(3), workers=3, look_ahead=2))) == 3


def test_no_more_is_read_ahead_than_allowed() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for x in range(100):
            taken += 1
            yield x

    results = ordered_map(lambda x: x, items(), workers=2, look_ahead=5)
    assert taken == 0
    for used in range(1, 90):
        next(results)
        assert taken <= used + 5
    results.close()


def test_an_exception_comes_in_its_turn_and_later_work_is_dropped() -> None:
    def fail_at_two(x: int) -> int:
        if x == 2:
            raise LookupError("two")
        return x

    results = ordered_map(fail_at_two, range(1000), workers=4, look_ahead=8)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LookupError, match="two"):
        next(results)
    assert own_threads() == 0


def test_closing_ends_all_threads_and_runs_nothing_more() -> None:
    ran: list[int] = []

    def note(x: int) -> int:
        time.sleep(0.005)
        ran.append(x)
        return x

    results = ordered_map(note, range(1000), workers=2, look_ahead=50)
    next(results)
    results.close()
    assert own_threads() == 0
    assert len(ran) < 10


@pytest.mark.parametrize(("workers", "look_ahead"), [(0, 1), (1, -1)])
def test_senseless_numbers_are_refused(workers: int, look_ahead: int) -> None:
    with pytest.raises(ValueError, match="workers >= 1"):
        next(ordered_map(str, [1], workers=workers, look_ahead=look_ahead))


def test_batches_are_full_but_for_the_last() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exact(tiny_clip: Path) -> Retriever:
    return load(tiny_clip, device="cpu", precision="float32")


def test_pixels_are_normalised_as_the_preprocessing_says(exact: Retriever, pixels: np.ndarray) -> None:
    mean, std = np.array(exact.preprocess.mean), np.array(exact.preprocess.std)
    expected = ((pixels[:2] / 255 - mean) / std).transpose(0, 3, 1, 2)
    features = exact.encoder.image(torch.from_numpy(expected).float())
    vectors = nn.functional.normalize(features.pooled, dim=-1).numpy()
    np.testing.assert_allclose(exact.encode_pixels(pixels[:2]), vectors, atol=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours(exact: Retriever, pixels: np.ndarray) -> None:
    whole = exact.encode_pixels(pixels)
    assert whole.shape == (70, exact.dim)
    alone = np.concatenate([exact.encode_pixels(pixels[i : i + 1]) for i in (0, 31, 32, 69)])
    np.testing.assert_allclose(whole[[0, 31, 32, 69]], alone, atol=1e-5)


def test_views_and_read_only_arrays_are_taken(exact: Retriever, pixels: np.ndarray) -> None:
    frozen = pixels[:2].copy()
    frozen.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(exact.encode_pixels(frozen), exact.encode_pixels(pixels[:2]))
        turned = exact.encode_pixels(pixels[1::-1])
    np.testing.assert_allclose(turned, exact.encode_pixels(pixels[:2])[::-1], atol=1e-6)


def test_several_threads_may_encode_at_once(exact: Retriever, pixels: np.ndarray) -> None:
    parts = [pixels[i : i + 10] for i in range(0, 70, 10)]
    vectors = np.concatenate(list(ordered_map(exact.encode_pixels, parts, workers=4, look_ahead=4)))
    np.testing.assert_allclose(vectors, exact.encode_pixels(pixels), atol=1e-5)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_reduced_precision_stays_close_and_gives_float32_of_norm_one(
    tiny_clip: Path, exact: Retriever, pixels: np.ndarray, name: policy.Precision
) -> None:
    reduced = load(tiny_clip, device="cpu", precision=name)
    assert reduced.precision == name
    assert reduced.sha256 == exact.sha256
    vectors = reduced.encode_pixels(pixels)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    # A product in bfloat16 has a relative error of 2^-9, and errors of a few layers add up.
    assert (vectors * exact.encode_pixels(pixels)).sum(1).min() > 0.999
    np.testing.assert_array_equal(reduced.encode_texts(["a dog"]), exact.encode_texts(["a dog"]))


def test_the_reduced_tower_shares_all_but_its_products_and_leaves_the_encoder_alone(tiny_clip: Path) -> None:
    encoder = load_encoder(tiny_clip)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    twin = dict(picture_tower(encoder, torch.bfloat16).named_parameters())
    for name, parameter in encoder.vision_model.named_parameters():
        if name.endswith("layer_norm1.weight"):
            assert twin[name].data_ptr() == parameter.data_ptr()
        if name.endswith("q_proj.weight"):
            assert twin[name].dtype == torch.bfloat16
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert picture_tower(encoder, torch.float32) is encoder.vision_model


@pytest.mark.parametrize(
    ("fast", "device", "expected"),
    [(True, "cpu", torch.bfloat16), (False, "cpu", torch.float32), (False, "cuda", torch.float16)],
)
def test_transformers_use_what_the_processor_does_fast(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, device: str, expected: torch.dtype
) -> None:
    monkeypatch.setattr(policy, "cpu_is_fast_in", lambda dtype: fast)
    encoder = load_encoder(tiny_clip)
    assert choose_dtype("auto", encoder, torch.device(device)) == expected
    assert choose_dtype("float32", encoder, torch.device(device)) == torch.float32


@pytest.mark.parametrize(("fast", "expected"), [(True, torch.float16), (False, torch.float32)])
def test_a_convolutional_tower_never_takes_bfloat16(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(policy, "cpu_is_fast_in", lambda dtype: fast)
    encoder = load_encoder(tiny_clip)
    encoder.vision_model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6())
    assert tower_kind(encoder) == "convolutional"
    assert choose_dtype("auto", encoder, torch.device("cpu")) == expected


def test_a_processor_that_does_not_say_is_not_fast_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not policy.cpu_is_fast_in(torch.float16)
    assert policy.cpu_is_fast_in(torch.float32)


def test_the_device_is_chosen_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_convolutional_tower_in_reduced_precision_answers_in_float32_and_close_by() -> None:
    torch.manual_seed(0)
    tower = MobileNet(MobileNetConfig(image_size=32, projection_dim=8)).eval()
    pixels = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        tokens, pooled = policy.Autocast(tower, torch.bfloat16)(pixels)
        exact = tower(pixels)[1]
    assert tokens.dtype == pooled.dtype == torch.float32
    assert not torch.equal(pooled, exact)
    assert torch.nn.functional.cosine_similarity(pooled, exact).min() > 0.99
