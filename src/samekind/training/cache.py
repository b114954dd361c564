"""Prepared pictures and what the frozen backbone says of them, on disk as far as a limit allows."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from samekind.clip.encoder import ImageFeatures
from samekind.errors import SamekindError
from samekind.images.decode import open_image
from samekind.images.errors import ImageError
from samekind.images.refs import Skip
from samekind.retriever.encode import BATCH, Engine, batches, default_workers, ordered_map
from samekind.training.data import Unlabelled

Told = Callable[[int, int], None]

_DONE = "cache.json"
_NAMES = ("pixels", "tokens")


class PictureCache:
    """Pixels, tokens and pooled vectors of the pictures of a run, row by row.

    Pooled vectors are always kept, tokens (half precision) and pixels while they fit `limit` bytes together, tokens
    first; what is not kept is made again from the files. `data` are the pictures that could be opened.
    """

    def __init__(
        self, data: Unlabelled, engine: Engine, work: Path, *, limit: int, tokens: bool, progress: Told | None = None
    ) -> None:
        """Read the cache in `work`, or encode every picture once. Raises SamekindError when none can be opened."""
        self.engine, self.work = engine, work
        self.key = {"data": data.sha256, "backbone": engine.encoder.sha256, "dtype": str(engine.dtype)}
        note = work / _DONE
        if not _same(note, self.key):
            self._encode(data, limit if tokens else -1, limit, progress)
        told = json.loads(note.read_text(encoding="utf-8"))
        lost = [Skip(*each) for each in told["skipped"]]
        gone = {each.uri for each in lost}
        self.data = data.select(np.array([n for n, file in enumerate(data.files) if file not in gone], int), lost)
        self.pooled = torch.from_numpy(np.load(work / "pooled.npy"))
        self._kept: dict[str, Any] = {
            name: np.load(work / f"{name}.npy", mmap_mode="r") for name in _NAMES if (work / f"{name}.npy").is_file()
        }

    def batch(self, rows: Int[np.ndarray, " b"]) -> tuple[Float[Tensor, "b 3 h w"], ImageFeatures | None]:
        """Normalised pixels on the device and the backbone's features; None where these are not kept."""
        pixels = self.engine.normalised(self.pixels(rows))
        if "tokens" not in self._kept:
            return pixels, None
        device = self.engine.device
        tokens = torch.from_numpy(np.asarray(self._kept["tokens"][rows], np.float32)).to(device)
        return pixels, ImageFeatures(tokens, self.pooled[torch.from_numpy(rows)].to(device))

    def pixels(self, rows: Int[np.ndarray, " b"]) -> UInt8[np.ndarray, "b s s 3"]:
        """Prepared pictures, from the cache or from their files."""
        if "pixels" in self._kept:
            return np.asarray(self._kept["pixels"][rows])
        loaded = ordered_map(
            lambda row: _open(self.data, row, self.engine), rows.tolist(), workers=default_workers(), look_ahead=BATCH
        )
        found = []
        for each in loaded:
            if isinstance(each, Skip):
                raise SamekindError(f"A picture of this run cannot be opened any more: {each.detail}. Start it anew.")
            found.append(each)
        return np.stack(found)

    def _encode(self, data: Unlabelled, token_limit: int, limit: int, progress: Told | None) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        for name in (*_NAMES, "pooled"):
            (self.work / f"{name}.npy").unlink(missing_ok=True)
        skipped: list[Skip] = []
        pooled: list[Float32[np.ndarray, "b e"]] = []
        parts: dict[str, _Column] = {}
        loaded: Iterator[Any] = ordered_map(
            lambda row: _open(data, row, self.engine),
            range(len(data)),
            workers=default_workers(),
            look_ahead=2 * BATCH,
        )
        done = 0
        with closing(loaded):  # type: ignore[type-var]
            for batch in batches(loaded, BATCH):
                skipped += [each for each in batch if isinstance(each, Skip)]
                good = [each for each in batch if not isinstance(each, Skip)]
                if good:
                    pixels = np.stack(good)
                    with torch.no_grad():
                        features = self.engine.features(self.engine.normalised(pixels))
                    tokens = features.tokens.cpu().numpy().astype(np.float16)
                    if not pooled:
                        parts = self._columns(len(data), pixels, tokens, token_limit, limit)
                    for name, values in (("pixels", pixels), ("tokens", tokens)):
                        if name in parts:
                            parts[name].add(values)
                    pooled.append(features.pooled.float().cpu().numpy())
                done += len(batch)
                if progress:
                    progress(done, len(data))
        if not pooled:
            raise SamekindError(f"None of the {len(data):,} pictures could be opened; the first: {skipped[0].detail}.")
        for part in parts.values():
            part.close()
        np.save(self.work / "pooled.npy", np.concatenate(pooled))
        told = {"key": self.key, "skipped": [[each.uri, each.reason, each.detail] for each in skipped]}
        (self.work / f".{_DONE}").write_text(json.dumps(told), encoding="utf-8")
        (self.work / f".{_DONE}").replace(self.work / _DONE)

    def _columns(
        self, count: int, pixels: np.ndarray, tokens: np.ndarray, token_limit: int, limit: int
    ) -> dict[str, "_Column"]:
        """Files for what fits the limit."""
        parts: dict[str, _Column] = {}
        for name, one, most in (("tokens", tokens[0], token_limit), ("pixels", pixels[0], limit)):
            used = sum(part.size for part in parts.values())
            if one.nbytes * count + used <= most:
                parts[name] = _Column(self.work / f"{name}.npy", count, one)
        return parts


class _Column:
    """One array on disk, filled from the front."""

    def __init__(self, file: Path, count: int, one: np.ndarray) -> None:
        self.size = one.nbytes * count
        self.values = np.lib.format.open_memmap(file, "w+", one.dtype, (count, *one.shape))
        self.filled = 0

    def add(self, values: np.ndarray) -> None:
        """The next rows."""
        self.values[self.filled : self.filled + len(values)] = values
        self.filled += len(values)

    def close(self) -> None:
        """Everything is on disk."""
        self.values.flush()


def _open(data: Unlabelled, row: int, engine: Engine) -> "UInt8[np.ndarray, 'h w 3'] | Skip":
    """One prepared picture, or why there is none."""
    file, preprocess = data.files[row], engine.encoder.preprocess
    try:
        return preprocess.pixels(open_image(str(data.root / file), target=preprocess.target).image)
    except ImageError as error:
        return Skip(file, error.reason, str(error).replace(f"{data.root}/", ""))


def _same(note: Path, key: dict[str, str]) -> bool:
    try:
        return bool(json.loads(note.read_text(encoding="utf-8"))["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False
