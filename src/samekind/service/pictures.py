"""Pictures of a gallery by id: read from registered folders alone, with thumbnails kept on disk."""

from pathlib import Path
from typing import Literal

from samekind.service.decoding import Decoders
from samekind.service.served import Served
from samekind.service.settings import Settings


class Pictures:
    """Thumbnails and whole pictures of the galleries that are served."""

    def __init__(self, decoders: Decoders, settings: Settings, cache: Path | None = None) -> None:
        """`cache` is where derived files are kept; the user's cache folder by default."""
        self._decoders = decoders
        self._settings = settings

    async def thumbnail(self, served: Served, item: str, size: Literal[160, 320, 640]) -> bytes:
        """A WebP whose longest side has `size` pixels at most. Raises what `picture` raises."""
        raise NotImplementedError

    async def picture(self, served: Served, item: str) -> tuple[bytes, str]:
        """What a browser can show of a picture, and its content type.

        Raises UnknownItem, OutsideRoots, Gone, Changed, and what `Decoders` raises.
        """
        raise NotImplementedError
