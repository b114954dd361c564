"""What opens pictures: each is read, hashed, decoded and prepared, here by threads of this process."""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from samekind.images.decode import decode, read
from samekind.images.errors import ImageError, printable
from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.retriever.protocol import PictureEncoder

LOOK_AHEAD = 64  # pictures that are opened and wait to be taken, at most, beside those in the workers' hands

_ID_DIGITS = 24  # of the SHA-256: among a million million contents two share them with probability 1e-5


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture that was read. Of content that the gallery has, no more than its hash is known.

    width, height: upright, in pixels; size: bytes of the file. Either its prepared pixels are there, or, from workers
    that encode, the retriever's vector.
    """

    ref: ImageRef
    digest: str
    size: int
    width: int = 0
    height: int = 0
    pixels: UInt8[np.ndarray, "h w 3"] | None = None
    vector: Float32[np.ndarray, " d"] | None = None

    @property
    def id(self) -> str:
        """The content's id in the gallery."""
        return self.digest[:_ID_DIGITS]


Outcome = Opened | Skip
# Opens pictures for a retriever, and yields an outcome for each, in their order. It takes them no faster than outcomes
# are taken, and ends its workers when it is closed. Contents with a known id need not be decoded.
Reader = Callable[[PictureEncoder, Iterable[ImageRef], Container[str]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens one picture. May be sent to another process."""

    preprocess: Preprocess
    allow_urls: bool = False

    def __call__(self, ref: ImageRef, known: Container[str] = ()) -> Outcome:
        """Whatever goes wrong concerns this picture alone."""
        described = ""  # what reading raises names the picture already
        try:
            data = read(ref.uri, allow_urls=self.allow_urls)
            found = Opened(ref, hashlib.sha256(data).hexdigest(), len(data))
            if found.id in known:
                return found
            described = f"{printable(ref.uri)}: "
            decoded = decode(data, target=self.preprocess.target)
            pixels = self.preprocess.pixels(decoded.image)
            return Opened(ref, found.digest, found.size, decoded.width, decoded.height, pixels)
        except ImageError as error:
            return Skip(ref.uri, error.reason, described + str(error))
        except Exception as error:  # a shape or a mode that nobody thought of
            return Skip(ref.uri, "failed", f"{ref.uri} cannot be prepared: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Threads:
    """Opens pictures in threads; None: as many as cores."""

    workers: int | None = None
    allow_urls: bool = False

    def __call__(self, retriever: PictureEncoder, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        """A `Reader`."""
        # Here, because it brings torch along, which listing an unchanged gallery can do without.
        from samekind.retriever.encode import default_workers, ordered_map

        opener, workers = Opener(retriever.preprocess, self.allow_urls), self.workers or default_workers()
        return ordered_map(lambda ref: opener(ref, known), refs, workers=workers, look_ahead=LOOK_AHEAD + workers)
