"""Outcomes keep their order while what was opened gets its vector, in batches of one domain each."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.reading.encoding import encoded
from samekind.reading.opening import Opened, Outcome
from samekind.retriever.encode import BATCH


class Noting:
    """Vectors are the first pixel's values; it notes the size and the domain of each batch."""

    preprocess = Preprocess(2, "squash", "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __init__(self) -> None:
        self.batches: list[tuple[int, str | None]] = []

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        self.batches.append((len(pixels), domain))
        return pixels[:, 0, 0].astype(np.float32)


def opened(number: int, domain: str | None) -> Opened:
    pixels = np.full((2, 2, 3), number % 256, np.uint8)
    return Opened(ImageRef(str(number), domain), "0" * 64, 1, 2, 2, pixels)


def made(kinds: list[str]) -> Iterator[Outcome]:
    for number, kind in enumerate(kinds):
        if kind == "skip":
            yield Skip(str(number), "corrupt", "it is")
        elif kind == "encoded":
            yield Opened(ImageRef(str(number)), "0" * 64, 1, 2, 2, None, np.full(3, number % 256, np.float32))
        else:
            yield opened(number, kind)


@given(
    kinds=st.lists(st.sampled_from(["skip", "encoded", "photo", "sketch"]), max_size=200),
    span=st.sampled_from([None, 1, 7, BATCH, 64, 100]),
)
def test_order_and_vectors_do_not_depend_on_the_spans(kinds: list[str], span: int | None) -> None:
    retriever = Noting()
    found = list(encoded(retriever, made(kinds), span))
    assert [each.uri if isinstance(each, Skip) else each.ref.uri for each in found] == [
        str(number) for number in range(len(kinds))
    ]
    for number, (kind, each) in enumerate(zip(kinds, found, strict=True)):
        assert isinstance(each, Skip) == (kind == "skip")
        if isinstance(each, Opened):
            assert each.pixels is None
            assert each.vector is not None
            assert each.vector.tolist() == [number % 256] * 3
    for name in ("photo", "sketch"):
        sizes = [size for size, domain in retriever.batches if domain == name]
        assert sum(sizes) == kinds.count(name)
        assert max(sizes, default=0) <= min(BATCH, span or BATCH)


@pytest.mark.parametrize(("span", "moments"), [(None, [32, 64, 70]), (64, [32, 64, 70]), (20, [20, 40, 60, 70])])
def test_a_batch_is_encoded_once_it_is_full_or_its_span_ends(span: int | None, moments: list[int]) -> None:
    taken, seen = [0], list[int]()

    class Watching(Noting):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            seen.append(taken[0])
            return super().encode_pixels(pixels, domain)

    def counted() -> Iterator[Outcome]:
        for number in range(70):
            taken[0] = number + 1
            yield opened(number, "photo")

    assert BATCH == 32
    assert sum(1 for _ in encoded(Watching(), counted(), span)) == 70
    assert seen == moments
