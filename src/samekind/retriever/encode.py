"""From pictures to vectors: decoding in threads, batches through the backbone, in order and in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from samekind.clip.encoder import DualEncoder, ImageFeatures
from samekind.methods.base import EncoderFacts, Method
from samekind.retriever.precision import picture_tower

BATCH = 32
TEXT_BATCH = 64

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, look_ahead: int
) -> Iterator[Result]:
    """`map` over `workers` threads, in order, with at most `look_ahead` results waiting beyond the one asked for.

    An exception of `function` is raised where its result was due, after all earlier results. When the consumer stops
    (closes the generator, or an exception passes), what has not begun is dropped and all threads have ended. `items`
    is read in the consumer's thread, no faster than results are taken.
    """
    if workers < 1 or look_ahead < 0:
        raise ValueError(f"ordered_map needs workers >= 1 and look_ahead >= 0, not {workers} and {look_ahead}.")
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="samekind-map") as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > look_ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Engine:
    """A backbone and a method on a device, in one number format: arrays in, float32 vectors out.

    Holds no buffers, so that several threads may encode at once. The picture tower runs in `dtype`; the method and the
    text tower always in float32.
    """

    def __init__(self, encoder: DualEncoder, method: Method, device: torch.device, dtype: torch.dtype) -> None:
        self.encoder = encoder
        self.method = method
        self.device = device
        self.dtype = dtype
        self._tower = picture_tower(encoder, dtype)
        # (x / 255 - mean) / std as one product and one sum.
        mean, std = (torch.tensor(values) for values in (encoder.preprocess.mean, encoder.preprocess.std))
        self._scale = (1.0 / (255.0 * std)).view(1, 3, 1, 1).to(device)
        self._shift = (-mean / std).view(1, 3, 1, 1).to(device)

    def normalised(self, pixels: UInt8[np.ndarray, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
        """The backbone's input: float32, channels last in memory, which convolutions prefer and costs no copy."""
        # torch wraps an array as it is, but warns of one that must not be written to and refuses turned ones.
        plain = np.require(pixels, requirements=["C", "W"])
        on_device = torch.from_numpy(plain).to(self.device).permute(0, 3, 1, 2)
        return on_device.to(torch.float32).mul_(self._scale).add_(self._shift)

    def features(self, x: Float[Tensor, "b 3 h w"]) -> ImageFeatures:
        """What the backbone says of normalised pictures, in the engine's number format, as float32."""
        return ImageFeatures(*self._tower(x))

    @torch.inference_mode()
    def images(self, pixels: UInt8[np.ndarray, "b h w 3"], domain: str | None = None) -> Float32[np.ndarray, "b d"]:
        """Vectors of one batch of prepared pictures, in one pass."""
        x = self.normalised(pixels)
        return self.vectors(self.features(x), x, domain)

    @torch.inference_mode()
    def vectors(
        self, features: ImageFeatures, x: Float[Tensor, "b 3 h w"], domain: str | None = None
    ) -> Float32[np.ndarray, "b d"]:
        """Vectors of one batch of which the backbone has spoken already: the method's own part alone."""
        return np.asarray(self.method.images(features, x, domain).float().cpu().numpy())

    def blank(self, pooled: Float[Tensor, "b e"]) -> tuple[ImageFeatures, Float[Tensor, "b 3 s s"]]:
        """Pooled vectors beside a token and pixels that are no numbers, for a method that looks at neither."""
        facts = EncoderFacts.of(self.encoder)
        nothing = torch.full((1, 1, 1, 1), torch.nan, device=self.device)
        token, x = nothing[0].expand(len(pooled), 1, facts.token_dim), nothing.expand(-1, 3, facts.size, facts.size)
        return ImageFeatures(token, pooled), x.expand(len(pooled), -1, -1, -1)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "b d"]:
        """Vectors of one batch of texts."""
        return np.asarray(self.method.texts(self.encoder.encode_text(texts).float()).float().cpu().numpy())
