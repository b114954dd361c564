"""Prepared pictures and what the frozen backbone says of them: made once, kept on disk, read by rows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped, UInt8
from torch import Tensor

from samekind.clip.encoder import ImageFeatures
from samekind.errors import SamekindError
from samekind.retriever.encode import BATCH, Engine, default_workers, ordered_map
from samekind.retriever.kept import cache_folder
from samekind.retriever.kept_chunks import FOLDER, Part, Store
from samekind.retriever.kept_features import Chunk, Encoding
from samekind.retriever.kept_pictures import Lost, prepared
from samekind.training.data import Unlabelled

Told = Callable[[int, int], None]


class PictureCache:
    """Pixels, tokens and pooled vectors of the pictures of a run, row by row.

    Pooled vectors are always kept, tokens (half precision) and pixels while they fit `limit` bytes together, tokens
    first; what is not kept is made again from the files. `data` are the pictures that could be opened, `pooled` is in
    memory. Kept is everything in chunks below the user's cache folder, for any run to find; `fault` says why that
    folder cannot be written where it cannot: then the chunks are in `work`, and gone with it.
    """

    def __init__(
        self,
        data: Unlabelled,
        engine: Engine,
        work: Path,
        *,
        limit: int,
        tokens: bool,
        progress: Told | None = None,
        store: Path | None = None,
    ) -> None:
        """Find every chunk of the pictures, or make it; `store` is a folder instead of the user's own.

        Killed and called again it goes on behind the last whole chunk. Raises SamekindError when no picture can be
        opened, or nothing can be written.
        """
        self.engine = engine
        kept = Store(store or cache_folder() / FOLDER, work / FOLDER)
        encoding = Encoding(data, engine, kept, limit=limit, tokens=tokens)
        made = encoding.all(progress)
        self.fault = kept.fault
        self._take(data, made)

    def _take(self, data: Unlabelled, chunks: list[Chunk]) -> None:
        """Rows of the pictures that could be opened: in which chunk each is, and where in it."""
        skips = [each.skip(data.files[row]) for chunk in chunks for row, each in chunk.lost().items()]
        rows = [np.array(chunk.good(), np.int64) for chunk in chunks]
        if not any(map(len, rows)):
            raise SamekindError(f"None of the {len(data):,} pictures could be opened; the first: {skips[0].detail}.")
        self.data = data.select(np.concatenate(rows), skips)
        self.pooled: Float32[Tensor, "n e"] = torch.from_numpy(
            np.concatenate([chunk.pooled for chunk in chunks if chunk.pooled is not None])
        )
        self._chunk = np.repeat(np.arange(len(chunks)), [len(each) for each in rows])
        self._place = np.concatenate([np.arange(len(each)) for each in rows])
        names = set.intersection(*(set(chunk.parts) for chunk in chunks))
        self._parts: dict[str, list[Part]] = {name: [chunk.parts[name] for chunk in chunks] for name in names}

    def batch(self, rows: Int[np.ndarray, " b"]) -> tuple[Float[Tensor, "b 3 h w"], ImageFeatures | None]:
        """Normalised pixels on the device and the backbone's features; None where these are not kept."""
        pixels, tokens = self.engine.normalised(self.pixels(rows)), self._read("tokens", rows)
        if tokens is None:
            return pixels, None
        device = self.engine.device
        on_device = torch.from_numpy(tokens).to(device).float()
        return pixels, ImageFeatures(on_device, self.pooled[torch.from_numpy(rows)].to(device))

    def pixels(self, rows: Int[np.ndarray, " b"]) -> UInt8[np.ndarray, "b s s 3"]:
        """Prepared pictures, from the cache or from their files."""
        kept = self._read("pixels", rows)
        return self._from_files(rows) if kept is None else kept

    def _read(self, name: str, rows: Int[np.ndarray, " b"]) -> Shaped[np.ndarray, "b ..."] | None:
        """Rows of what is kept; None where it is not, or not any more.

        Read by plain reads rather than by mapped memory: no open file between two batches, no growing process.
        """
        if name not in self._parts:
            return None
        parts, order = self._parts[name], np.argsort(rows)
        out = np.empty((len(rows), *parts[0].shape[1:]), parts[0].dtype)
        numbers, begins = np.unique(self._chunk[rows[order]], return_index=True)
        try:
            for number, where in zip(numbers, np.split(order, begins[1:]), strict=True):
                parts[number].read(self._place[rows[where]].tolist(), [out[row] for row in where])
        except OSError:  # somebody emptied the cache folder
            return None
        return out

    def _from_files(self, rows: Int[np.ndarray, " b"]) -> UInt8[np.ndarray, "b s s 3"]:
        preprocess = self.engine.encoder.preprocess
        loaded = ordered_map(
            lambda row: prepared(self.data, row, preprocess), rows.tolist(), workers=default_workers(), look_ahead=BATCH
        )
        found = []
        for row, each in zip(rows.tolist(), loaded, strict=True):
            if isinstance(each, Lost):
                detail = each.skip(self.data.files[row]).detail
                raise SamekindError(f"A picture of this run cannot be opened any more: {detail}. Start it anew.")
            found.append(each)
        return np.stack(found)
