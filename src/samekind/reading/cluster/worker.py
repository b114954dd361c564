"""What works on a node of a Ray cluster: an actor that holds the retriever, opens pictures and encodes them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

import samekind
from samekind.images.refs import ImageRef
from samekind.reading.encoding import encoded
from samekind.reading.opening import Opened, Opener, Outcome
from samekind.retriever.protocol import PictureEncoder


def packed(retriever: PictureEncoder) -> bytes:
    """A retriever as it travels; its tensors may arrive on another device."""
    import torch
    from ray import cloudpickle

    buffer = io.BytesIO()
    torch.save(retriever, buffer, pickle_module=cloudpickle)
    return buffer.getvalue()


def unpacked(data: bytes, device: str) -> PictureEncoder:
    """The retriever, at home on this node's device."""
    import torch

    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
    return cast("PictureEncoder", found.moved(device) if hasattr(found, "moved") else found)


class Encoder:
    """Opens pictures in threads and encodes them."""

    def __init__(self, retriever: PictureEncoder, threads: int, allow_urls: bool) -> None:
        self.retriever = retriever
        self._threads = threads
        self._open = Opener(retriever.preprocess, allow_urls)

    def __call__(self, refs: Sequence[ImageRef]) -> list[Outcome]:
        """An outcome for each picture, in their order; what was opened has a vector and no pixels."""
        from samekind.retriever.encode import ordered_map

        opened = ordered_map(self._open, refs, workers=self._threads, look_ahead=len(refs))
        return list(encoded(self.retriever, opened, span=len(refs)))


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
