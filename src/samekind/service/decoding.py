"""Pictures from strangers are opened in processes of their own, which a limit on time and memory may end."""

import numpy as np
from jaxtyping import UInt8

from samekind.images.preprocess import Preprocess
from samekind.service.settings import Settings


class Decoders:
    """`settings.decoders` processes that open pictures. Use it from the event loop that `start` ran in.

    All methods raise ImageError for what is no usable picture, DecodeTooLong, DecodeTooHeavy, and Overloaded when more
    than `settings.waiting` pictures wait. The next picture is never affected. What a query waits for goes before
    thumbnails.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Start the processes; raises SamekindError when they do not come up."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the processes; what still waits is sent away with Overloaded."""
        raise NotImplementedError

    async def pixels(self, data: bytes, preprocess: Preprocess) -> UInt8[np.ndarray, "s s 3"]:
        """A picture's bytes made ready for a retriever's `encode_pixels`."""
        raise NotImplementedError

    async def thumbnail(self, data: bytes, size: int) -> bytes:
        """A small WebP on white, upright: the longest side has `size` pixels at most, and nothing is enlarged."""
        raise NotImplementedError

    async def view(self, data: bytes) -> tuple[bytes, str]:
        """What a browser can show, and its content type."""
        raise NotImplementedError
