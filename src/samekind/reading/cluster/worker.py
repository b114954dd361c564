"""What works on a node of a Ray cluster: an actor that holds the retriever, opens pictures and encodes them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

import samekind
from samekind.images.refs import ImageRef
from samekind.reading.opening import Opened, Opener, Outcome
from samekind.retriever.protocol import RetrieverLike


def packed(retriever: RetrieverLike) -> bytes:
    """A retriever as it travels; its tensors may arrive on another device."""
    import torch
    from ray import cloudpickle

    buffer = io.BytesIO()
    torch.save(retriever, buffer, pickle_module=cloudpickle)
    return buffer.getvalue()


def unpacked(data: bytes, device: str) -> RetrieverLike:
    """The retriever, at home on this node's device.

    Its number format depends on the driver and the kind of device alone, so that all nodes give the same vectors.
    """
    import torch

    from samekind.retriever.precision import Precision
    from samekind.retriever.store import Retriever

    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
    if not isinstance(found, Retriever):
        return cast("RetrieverLike", found)
    other = "auto" if device == "cuda" else "float32"
    precision = cast("Precision", found.precision if found.device.type == device else other)
    return Retriever(found.encoder, found.method, card=found.card, ref=found.ref, device=device, precision=precision)


class Encoder:
    """Opens pictures in threads and encodes them in batches of one domain each."""

    def __init__(self, retriever: RetrieverLike, threads: int, allow_urls: bool) -> None:
        self.retriever = retriever
        self._threads = threads
        self._open = Opener(retriever.preprocess, allow_urls)

    def __call__(self, refs: Sequence[ImageRef]) -> list[Outcome]:
        """An outcome for each picture, in their order; what was opened has a vector and no pixels."""
        from samekind.retriever.encode import BATCH, ordered_map

        outcomes: list[Outcome] = []
        waiting: dict[str | None, list[int]] = {}
        for number, outcome in enumerate(ordered_map(self._open, refs, workers=self._threads, look_ahead=len(refs))):
            outcomes.append(outcome)
            if isinstance(outcome, Opened):
                batch = waiting.setdefault(outcome.ref.domain, [])
                batch.append(number)
                if len(batch) == BATCH:
                    self._encode(outcomes, waiting.pop(outcome.ref.domain))
        for batch in waiting.values():
            self._encode(outcomes, batch)
        return outcomes

    def _encode(self, outcomes: list[Outcome], numbers: Sequence[int]) -> None:
        opened = [cast("Opened", outcomes[number]) for number in numbers]
        pixels = np.stack([cast("np.ndarray", each.pixels) for each in opened])
        vectors = self.retriever.encode_pixels(pixels, opened[0].ref.domain)
        for number, each, vector in zip(numbers, opened, vectors, strict=True):
            outcomes[number] = replace(each, pixels=None, vector=vector)


def received(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """The same with vectors of the driver's own: those that Ray gives lie in its object store, and keep it full."""
    for outcome in outcomes:
        yield replace(outcome, vector=np.array(outcome.vector)) if isinstance(outcome, Opened) else outcome


class SamekindEncoder:
    """What Ray makes an actor of, and calls the methods of from afar; its name is what a node's `top` shows."""

    def start(self, version: str, box: list[Any], device: str, threads: int, allow_urls: bool) -> str:
        """Take the retriever that the box refers to; the version of samekind that is here, where it is another one."""
        import ray

        if samekind.__version__ != version:
            return samekind.__version__
        self._encode = Encoder(unpacked(ray.get(box[0]), device), threads, allow_urls)
        return ""

    def encode(self, refs: Sequence[ImageRef]) -> list[Outcome]:
        """An outcome for each picture."""
        return self._encode(refs)
