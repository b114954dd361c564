"""From pixels to vectors: what a reader has opened is encoded in batches of one domain each, and stays in its order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

import numpy as np

from samekind.reading.opening import Opened, Outcome
from samekind.retriever.protocol import PictureEncoder


def encoded(retriever: PictureEncoder, outcomes: Iterable[Outcome], span: int | None = None) -> Iterator[Outcome]:
    """The same outcomes, with vectors in place of pixels; what has a vector passes through, and so does a `Skip`.

    Those of each `span` outcomes (None: as many as a batch has) are encoded together, batch by batch of one domain, so
    that nobody waits for longer than that, and equal spans have equal vectors to the last bit.
    """
    from samekind.retriever.encode import BATCH  # brings torch along

    source = iter(outcomes)
    while found := _spanned(retriever, islice(source, span or BATCH), BATCH):
        yield from found


def _spanned(retriever: PictureEncoder, outcomes: Iterable[Outcome], size: int) -> list[Outcome]:
    """All of these; a batch is encoded as soon as it is full, while others are still being opened."""
    found: list[Outcome] = []
    waiting: dict[str | None, list[int]] = {}
    for number, outcome in enumerate(outcomes):
        found.append(outcome)
        if isinstance(outcome, Opened) and outcome.pixels is not None:
            batch = waiting.setdefault(outcome.ref.domain, [])
            batch.append(number)
            if len(batch) == size:
                _encode(retriever, found, waiting.pop(outcome.ref.domain))
    for batch in waiting.values():
        _encode(retriever, found, batch)
    return found


def _encode(retriever: PictureEncoder, outcomes: list[Outcome], numbers: Sequence[int]) -> None:
    opened = [cast("Opened", outcomes[number]) for number in numbers]
    pixels = np.stack([cast("np.ndarray", each.pixels) for each in opened])
    vectors = retriever.encode_pixels(pixels, opened[0].ref.domain)
    for number, each, vector in zip(numbers, opened, vectors, strict=True):
        outcomes[number] = replace(each, pixels=None, vector=vector)
