"""The retriever: encodes pictures and texts, and lives in one folder that holds everything it needs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps

from samekind.clip.encoder import DualEncoder
from samekind.clip.hub import HUB_ID
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError, UsageError
from samekind.images.colour import to_rgb
from samekind.images.decode import open_image
from samekind.images.preprocess import Preprocess
from samekind.methods import method_class
from samekind.methods.base import EncoderFacts, Method, Space
from samekind.retriever.card import CARD_NAME, Card
from samekind.retriever.encode import BATCH, TEXT_BATCH, Engine, batches, default_workers, ordered_map
from samekind.retriever.folder import BUNDLED, is_retriever, read_folder, write_folder
from samekind.retriever.identity import describe, fingerprint
from samekind.retriever.precision import Precision, choose_device, choose_dtype


class Retriever:
    """A backbone and a method, ready to turn pictures and texts into comparable float32 vectors.

    Encoding is thread-safe. `ref` is what `load` finds this retriever by again (None before the first `save`);
    `sha256` changes when, and only when, something changes that a vector depends on: the backbone's tensors, the
    preprocessing, the method, its configuration or its tensors. Device and precision are no part of it.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        method: Method,
        *,
        card: Card | None = None,
        ref: str | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> None:
        """Put backbone and method to use on `device`; both are moved there and set to evaluation.

        Without a card, one is written that knows of no training. Raises UsageError for an unknown device or precision.
        """
        place = choose_device(device)
        self.encoder = encoder.eval().to(place)
        self.method = method.eval().to(place)
        self.card = card or describe(encoder, method)
        self.ref = ref
        self._engine = Engine(self.encoder, self.method, place, choose_dtype(precision, encoder, place))

    @property
    def name(self) -> str:
        """What the card calls it."""
        return self.card.name

    @property
    def sha256(self) -> str:
        """The hash of everything that changes a vector."""
        return self.card.sha256

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.card.dim

    @property
    def space(self) -> Space:
        """Which distance compares the vectors."""
        return self.method.space

    @property
    def preprocess(self) -> Preprocess:
        """How pictures are prepared; `preprocess.size` is the `target` that `decode` may reduce a JPEG to."""
        return self.encoder.preprocess

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._engine.device

    @property
    def engine(self) -> Engine:
        """Backbone and method at work, for whoever keeps what the backbone says of pictures."""
        return self._engine

    @property
    def precision(self) -> str:
        """The number format of the picture tower: float32, bfloat16 or float16."""
        return str(self._engine.dtype).removeprefix("torch.")

    def prepare(self, image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
        """An upright RGB picture resized and cropped to what `encode_pixels` takes. Thread-safe."""
        return self.preprocess.pixels(image)

    def save(self, folder: str | Path) -> None:
        """Write everything that `load` needs into one folder, at once or not at all; `ref` is that folder from then on.

        An older retriever there is replaced. Raises UsageError when the folder holds something else, SamekindError
        when it cannot be written.
        """
        target = Path(folder).expanduser().absolute()
        self.card = write_folder(target, self.encoder, self.method, self.card)
        self.ref = str(target)

    def with_config(self, **changes: Any) -> "Retriever":
        """The same tensors read under a changed configuration of the method, such as `output="fused"` of TPSNet's.

        Another retriever by its hash, not on disk yet; backbone, device and precision are this one's. Raises UsageError
        for a configuration that the method does not know, or for which other tensors would have to be trained.
        """
        told = ", ".join(f"{name} = {value!r}" for name, value in changes.items())
        if unknown := changes.keys() - self.method.config().keys():
            known = ", ".join(self.method.config()) or "nothing"
            raise UsageError(f"{self.method.name} has no {sorted(unknown)[0]!r} in its configuration; it has {known}.")
        with torch.random.fork_rng(devices=[]):  # fresh tensors are drawn, and replaced at once
            method = type(self.method).from_config({**self.method.config(), **changes}, EncoderFacts.of(self.encoder))
        try:
            method.load_state_dict(self.method.state_dict())
        except RuntimeError as error:
            raise UsageError(
                f"{self.name} cannot be read with {told}: it would have to be trained so, as its tensors are others."
            ) from error
        whole = fingerprint(self.card.backbone.sha256, self.encoder, method)
        card = replace(self.card, config=method.config(), space=method.space, dim=method.dim, sha256=whole)
        return Retriever(
            self.encoder, method, card=card, device=str(self.device), precision=cast("Precision", self.precision)
        )

    def moved(self, device: str, precision: Precision | None = None) -> "Retriever":
        """The same on another machine's device: "cuda" or "cpu".

        Without a precision, it keeps its own on a device of its kind; on another it takes cuda's usual one, or float32,
        so that all processors give the same vectors.
        """
        if precision is None:
            usual: Precision = "auto" if device == "cuda" else "float32"
            precision = cast("Precision", self.precision) if self.device.type == device else usual
        return Retriever(self.encoder, self.method, card=self.card, ref=self.ref, device=device, precision=precision)

    def encode_pixels(
        self, pixels: UInt8[np.ndarray, "b h w 3"], domain: str | None = None
    ) -> Float32[np.ndarray, "b d"]:
        """Vectors of prepared pictures; an unknown domain is None. Raises ValueError for pictures of another size."""
        size = self.preprocess.size
        if pixels.shape[1:3] != (size, size):
            raise ValueError(
                f"Pictures of {pixels.shape[1:3]} pixels were not prepared for {self.name}: {size} expected."
            )
        vectors = np.empty((len(pixels), self.dim), np.float32)
        for start in range(0, len(pixels), BATCH):
            chunk = slice(start, start + BATCH)
            vectors[chunk] = self._engine.images(pixels[chunk], domain)
        return vectors

    def encode_images(
        self,
        images: Sequence[str | Path | Image.Image],
        domain: str | None = None,
        *,
        batch_size: int = BATCH,
        workers: int | None = None,
    ) -> Float32[np.ndarray, "b d"]:
        """Vectors of picture files and PIL images, in order.

        `workers` threads decode (as many as cores by default), `batch_size` pictures are encoded at a time: memory
        does not grow with their number. Raises ImageError for the first picture that cannot be opened.
        """
        vectors = np.empty((len(images), self.dim), np.float32)
        threads = workers or default_workers()
        # A batch ahead: the next one is decoded while this one is encoded.
        prepared = ordered_map(self._open, images, workers=threads, look_ahead=batch_size + threads)
        done = 0
        for batch in batches(prepared, batch_size):
            vectors[done : done + len(batch)] = self.encode_pixels(np.stack(batch), domain)
            done += len(batch)
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "b d"]:
        """Vectors of texts, comparable with those of pictures. Raises TypeError for one bare string."""
        if isinstance(texts, str):
            raise TypeError("encode_texts takes a list of texts, not one string.")
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), TEXT_BATCH):
            chunk = slice(start, start + TEXT_BATCH)
            vectors[chunk] = self._engine.texts(texts[chunk])
        return vectors

    def _open(self, image: str | Path | Image.Image) -> UInt8[np.ndarray, "h w 3"]:
        if isinstance(image, Image.Image):
            return self.prepare(to_rgb(ImageOps.exif_transpose(image)))
        return self.prepare(open_image(str(image), target=self.preprocess.target).image)


def load(ref: str | Path = BUNDLED, *, device: str = "auto", precision: Precision = "auto") -> Retriever:
    """The retriever that `ref` names: "mini", a retriever's folder, a CLIP checkpoint's folder, or a hub id.

    A checkpoint becomes a zero-shot retriever. A hub id may carry a revision ("OWNER/NAME@REVISION"); `Retriever.ref`
    always does, so that it means the same checkpoint later. Raises SamekindError, with what to do, when nothing usable
    is there, and UsageError for an unknown device or precision.
    """
    folder = Path(ref).expanduser().absolute()
    if ref == BUNDLED or not folder.exists():
        return _zero_shot(ref, device, precision)
    if folder.name == CARD_NAME:
        folder = folder.parent
    if is_retriever(folder):
        encoder, method, card = read_folder(folder)
        return Retriever(encoder, method, card=card, ref=str(folder), device=device, precision=precision)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise SamekindError(
            f"{folder} is neither a retriever (it has no {CARD_NAME}) nor a CLIP checkpoint (it has no config.json). "
            f"Give such a folder, a hub id, or {BUNDLED!r}."
        )
    return _zero_shot(folder, device, precision)


def _zero_shot(ref: str | Path, device: str, precision: Precision) -> Retriever:
    """A checkpoint as it is."""
    place, _, revision = str(ref).partition("@")
    if isinstance(ref, str) and revision and HUB_ID.fullmatch(place):
        encoder = load_encoder(place, revision=revision)
    else:
        encoder = load_encoder(ref)
    method = method_class("zero_shot").from_config({}, EncoderFacts.of(encoder))
    found = encoder.source if encoder.revision is None else f"{encoder.source}@{encoder.revision}"
    return Retriever(encoder, method, ref=found, device=device, precision=precision)
