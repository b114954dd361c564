"""What the backbone says of pictures, chunk by chunk: found where an earlier run left it, made where not."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32, UInt8

import samekind
from samekind.clip.encoder import ImageFeatures
from samekind.retriever.encode import BATCH, Engine, batches, default_workers, ordered_map
from samekind.retriever.identity import backbone_sha256
from samekind.retriever.kept_chunks import DTYPES, Part, Store, chunks, digest
from samekind.retriever.kept_pictures import Lost, Pictures, prepared

Told = Callable[[int, int], None]


@dataclass
class Chunk:
    """Some neighbouring rows of the data, and what there is of them on disk, by name; `pooled` is in memory too."""

    rows: range
    names: dict[str, str]
    parts: dict[str, Part] = field(default_factory=dict)
    pooled: "Float32[np.ndarray, 'n e'] | None" = None

    def lost(self) -> dict[int, Lost]:
        """The rows that cannot be opened."""
        return {self.rows[place]: lost for place, lost in self.parts["pooled"].lost.items()}

    def good(self) -> list[int]:
        """The rows that can, in their order."""
        lost = self.lost()
        return [row for row in self.rows if row not in lost]

    def missing(self) -> bool:
        """Whether there is anything to do."""
        return self.parts.keys() != self.names.keys()


class Encoding:
    """One pass over the chunks of a run.

    What a chunk's vectors are depends on the chunk alone, to the last bit: batches never reach over its end. So a run
    has the same result whatever was kept before it.
    """

    def __init__(self, data: Pictures, engine: Engine, store: Store, *, limit: int, tokens: bool) -> None:
        """`limit` in bytes is for tokens and, behind them, pixels; pooled vectors are always kept."""
        self.data, self.engine, self.store = data, engine, store
        self.backbone = backbone_sha256(engine.encoder)
        self.shapes = self._wanted(limit, tokens)
        self.chunks = [self._chunk(rows) for rows in self._ranges()]

    def _wanted(self, limit: int, tokens: bool) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of a row of each array that is wanted and fits; the tokens' is seen on a blank picture."""
        size = self.engine.encoder.preprocess.size
        wanted: dict[str, tuple[str, tuple[int, ...]]] = {}
        room = limit
        if tokens:
            row, _ = self._features(np.zeros((1, size, size, 3), np.uint8))
            if row.nbytes * len(self.data) <= room:
                wanted["tokens"] = "F16", row.shape[1:]
                room -= row.nbytes * len(self.data)
        if size * size * 3 * len(self.data) <= room:
            wanted["pixels"] = "U8", (size, size, 3)
        return {**wanted, "pooled": ("F32", (self.engine.encoder.dim,))}

    def _ranges(self) -> Iterator[range]:
        """Chunks never reach over a domain's end: a domain has the same ones beside any other."""
        for domain in range(len(self.data.domains)):
            rows = self.data.rows(domain).tolist()
            for found in chunks([self.data.contents[row] for row in rows]):
                yield range(rows[found.start], rows[found.start] + len(found))

    def _chunk(self, rows: range) -> Chunk:
        contents = self.data.contents[rows.start : rows.stop]
        picture = {"samekind": samekind.__version__, "preprocess": self.engine.encoder.preprocess.to_dict()}
        vectors = {**picture, "backbone": self.backbone, "dtype": str(self.engine.dtype)}
        vectors["device"] = self.engine.device.type  # which rounds in its own way
        facts = {"pixels": picture, "tokens": vectors, "pooled": vectors}
        chunk = Chunk(rows, {name: f"{digest({'part': name, **facts[name]}, contents)}.{name}" for name in self.shapes})
        for name, (dtype, shape) in self.shapes.items():
            part = self.store.find(chunk.names[name], dtype, shape, len(rows))
            if part is not None:
                chunk.parts[name] = part
        _agree(chunk)
        return chunk

    def all(self, progress: Told | None) -> list[Chunk]:
        """Every chunk, with all that is wanted of it; `progress` is told of pictures, those found at once."""
        unmade = [chunk for chunk in self.chunks if chunk.missing()]
        found = len(self.data) - sum(len(chunk.rows) for chunk in unmade)
        tell = progress or _silent
        tell(found, len(self.data))
        for _ in self.each(unmade, lambda done: tell(found + done, len(self.data))):
            pass
        return self.chunks

    def each(self, wanted: Sequence[Chunk], tell: Callable[[int], None]) -> Iterator[Chunk]:
        """Some chunks in their order, each as soon as it has everything; `tell` is told how many pictures were made."""
        unmade = [chunk for chunk in wanted if chunk.missing()]
        unread = [row for chunk in unmade if "pixels" not in chunk.parts for row in chunk.rows]
        loaded: Iterator[Any] = ordered_map(self._load, unread, workers=default_workers(), look_ahead=2 * BATCH)
        done = 0
        with closing(loaded):  # type: ignore[type-var]
            for chunk in wanted:
                if chunk.missing():
                    source = self._kept(chunk) if "pixels" in chunk.parts else islice(loaded, len(chunk.rows))
                    self._make(chunk, source, partial(_tell_from, tell, done))
                    done += len(chunk.rows)
                    self.store.evict()
                yield chunk

    def vectors(self, chunk: Chunk, domain: str | None) -> Float32[np.ndarray, "n d"]:
        """The method's vectors of a whole chunk, a row for each of `good`, from what is kept alone.

        Tokens are kept in half precision, so these differ a little from `Engine.images`. Without tokens and pixels
        only for a method that needs none: see `Method.needs`. Raises OSError when a file has gone meanwhile.
        """
        whole = {name: part.whole() for name, part in chunk.parts.items() if name != "pooled"}
        told = chunk.pooled if chunk.pooled is not None else chunk.parts["pooled"].whole()
        found = [np.empty((0, self.engine.method.dim), np.float32)]
        for start in range(0, len(told), BATCH):
            rows = slice(start, start + BATCH)
            pooled = torch.from_numpy(told[rows]).to(self.engine.device)
            features, x = self.engine.blank(pooled)
            if "tokens" in whole:
                features = ImageFeatures(torch.from_numpy(whole["tokens"][rows]).to(pooled.device).float(), pooled)
                x = self.engine.normalised(whole["pixels"][rows])
            found.append(self.engine.vectors(features, x, domain))
        return np.concatenate(found)

    def _load(self, row: int) -> "UInt8[np.ndarray, 's s 3'] | Lost":
        return prepared(self.data, row, self.engine.encoder.preprocess)

    def _kept(self, chunk: Chunk) -> Iterator[Any]:
        """The chunk's pixels from disk, and what is lost in its place."""
        part = chunk.parts["pixels"]
        try:
            pixels = iter(part.whole())
        except (OSError, ValueError):  # somebody has just deleted it
            del chunk.parts["pixels"]
            yield from map(self._load, chunk.rows)
            return
        for place in range(len(chunk.rows)):
            yield part.lost[place] if place in part.lost else next(pixels)

    def _make(self, chunk: Chunk, source: Iterator[Any], tell: Callable[[int], None]) -> None:
        """Everything that the chunk lacks, written when all of it is there."""
        lost: dict[int, Lost] = {}
        columns: dict[str, list[np.ndarray]] = {name: [] for name in self.shapes}
        encoded = all(name in chunk.parts for name in self.shapes if name != "pixels")
        for batch in batches(_good(source, lost), BATCH):
            pixels = np.stack(batch)
            if not encoded:
                self._encode(pixels, columns)
            columns.setdefault("pixels", []).append(pixels)
            tell(len(lost) + sum(map(len, columns["pixels"])))
        if encoded and lost != chunk.parts["pooled"].lost:  # a file that could be opened then, and cannot be now
            for pixels in columns["pixels"]:
                self._encode(pixels, columns)
            encoded = False
        done = {name for name in chunk.parts if encoded or name == "pixels"}
        for name, (dtype, shape) in self.shapes.items():
            if name in done:
                continue
            values = np.concatenate([np.empty((0, *shape), DTYPES[dtype]), *columns[name]])
            chunk.parts[name] = self.store.write(chunk.names[name], values, lost)
            if name == "pooled":
                chunk.pooled = values

    def _encode(self, pixels: UInt8[np.ndarray, "b s s 3"], columns: dict[str, list[np.ndarray]]) -> None:
        """Add one batch's tokens and pooled vectors, as far as they are kept."""
        tokens, pooled = self._features(pixels)
        columns["pooled"].append(pooled)
        if "tokens" in columns:
            columns["tokens"].append(tokens)

    def _features(
        self, pixels: UInt8[np.ndarray, "b s s 3"]
    ) -> tuple[Float16[np.ndarray, "b n d"], Float32[np.ndarray, "b e"]]:
        """Tokens in half precision, and pooled vectors."""
        with torch.no_grad():
            features = self.engine.features(self.engine.normalised(pixels))
        return features.tokens.half().cpu().numpy(), features.pooled.float().cpu().numpy()


def _agree(chunk: Chunk) -> None:
    """Read the pooled vectors, and drop what has other rows than they have."""
    if "pooled" not in chunk.parts:
        return
    try:
        chunk.pooled = chunk.parts["pooled"].whole()
    except (OSError, ValueError):  # somebody has just deleted it
        del chunk.parts["pooled"]
        return
    lost = chunk.parts["pooled"].lost
    chunk.parts = {name: part for name, part in chunk.parts.items() if part.lost == lost}


def _good(source: Iterator[Any], lost: dict[int, Lost]) -> Iterator[UInt8[np.ndarray, "s s 3"]]:
    """What could be opened; the rest is noted in `lost` on the way."""
    for place, each in enumerate(source):
        if isinstance(each, Lost):
            lost[place] = each
        else:
            yield each


def _tell_from(tell: Callable[[int], None], before: int, done: int) -> None:
    tell(before + done)


def _silent(done: int, total: int) -> None:
    """Nobody listens."""
