"""The files of a checkpoint folder, read with suspicion: they may come from anybody."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from samekind.errors import SamekindError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
CONVERT = (
    "only safetensors are read, as other formats can run code. Convert it on a machine that trusts it: "
    "AutoModel.from_pretrained(X).save_pretrained(FOLDER); AutoProcessor.from_pretrained(X).save_pretrained(FOLDER) "
    "(with transformers), then give FOLDER."
)
DTYPES = {"F32", "F16", "BF16", "F64"}
MAX_PARAMETERS = 20_000_000_000  # the largest published CLIP has 18 billion
MAX_TEXT_FILE = 256 * 2**20  # bytes; SigLIP 2's tokenizer.json has 34 million


def read_file(path: Path) -> bytes:
    """A small file as a whole; raises SamekindError when it is missing, too large or unreadable."""
    try:
        if path.stat().st_size > MAX_TEXT_FILE:
            raise SamekindError(f"{path} is larger than {MAX_TEXT_FILE} bytes; that is no file of a checkpoint.")
        return path.read_bytes()
    except OSError as error:
        raise SamekindError(f"{path} cannot be read: {error.strerror}. Is this a checkpoint's folder?") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; raises SamekindError naming the file."""
    try:
        values = json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        raise SamekindError(f"{path} is not JSON ({error}). Fetch the checkpoint again.") from error
    if not isinstance(values, dict):
        raise SamekindError(f"{path} holds no JSON object. Fetch the checkpoint again.")
    return values


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the files that its index names, sorted; raises SamekindError where there are none."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return _shards(folder)
    others = sorted(path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".h5", ".msgpack"})
    if others:
        raise SamekindError(f"{folder} has its weights in {others[0]}: {CONVERT}")
    raise SamekindError(f"{folder} has no {WEIGHTS}: {CONVERT}")


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise SamekindError(f"{index}: weight_map is no object of file names. Fetch the checkpoint again.")
    names = sorted(set(places.values()))
    for name in names:
        # The name comes from the file: only a plain one, of a safetensors file in this very folder.
        if not name.endswith(".safetensors") or "/" in name or "\\" in name or name != Path(name).name:
            raise SamekindError(f"{index} points to {name!r}, which is no safetensors file in its folder; refused.")
        if not (folder / name).is_file():
            raise SamekindError(f"{index} points to {name}, which is missing. Fetch the checkpoint again.")
    return [folder / name for name in names]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError) as error:
        raise SamekindError(
            f"{path} is not a sound safetensors file ({error}). Fetch the checkpoint again; {CONVERT}"
        ) from error


def read_weights(files: list[Path], expected: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The expected tensors by name, as finite float32 in memory of their own.

    Names, shapes and types are compared with the files' headers before anything is allocated. Raises SamekindError
    naming file and tensor for whatever is missing, too many, of another shape or type, or not finite.
    """
    if sum(map(math.prod, expected.values())) > MAX_PARAMETERS:
        raise SamekindError(f"config.json asks for more than {MAX_PARAMETERS:,} parameters; no CLIP has so many.")
    places: dict[str, Path] = {}
    for path in files:
        with _opened(path) as opened:
            for name in opened.keys():  # noqa: SIM118 - safe_open is no mapping
                header = opened.get_slice(name)
                _check_header(path, name, tuple(header.get_shape()), header.get_dtype(), expected)
                if name in places:
                    raise SamekindError(
                        f"{path}: {name} is in {places[name].name} already. Fetch the checkpoint again."
                    )
                places[name] = path
    missing = sorted(expected.keys() - places.keys())
    if missing:
        raise SamekindError(f"{files[0]} lacks {_some(missing)}: it does not belong to its config.json.")
    tensors: dict[str, Tensor] = {}
    for path in files:
        with _opened(path) as opened:
            for name in expected:
                if places[name] == path:
                    tensors[name] = _finite(path, name, opened.get_tensor(name).to(torch.float32, copy=True))
    return tensors


def _check_header(
    path: Path, name: str, shape: tuple[int, ...], dtype: str, expected: Mapping[str, torch.Size]
) -> None:
    if name.endswith("embeddings.position_ids"):
        return  # 0, 1, 2, ...: written by older versions of transformers
    if name not in expected:
        raise SamekindError(f"{path}: {name} has no place in a model of its config.json.")
    if shape != tuple(expected[name]):
        raise SamekindError(f"{path}: {name} has shape {list(shape)}, config.json asks for {list(expected[name])}.")
    if dtype not in DTYPES:
        raise SamekindError(f"{path}: {name} is of type {dtype}, expected one of {', '.join(sorted(DTYPES))}.")


def _finite(path: Path, name: str, tensor: Tensor) -> Tensor:
    # One sum is several times as fast as looking at each value, and not finite as soon as one value is not.
    if not math.isfinite(tensor.sum()) and not bool(torch.isfinite(tensor).all()):
        raise SamekindError(f"{path}: {name} has values that are not finite; the checkpoint is damaged.")
    return tensor


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def content_hash(essence: Mapping[str, Any], weights: list[Path], tokenizer: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) of what the vectors of an encoder depend on: configuration, weight files, tokenizer files.

    Weight files are streamed whole: about half a second for a ViT-B of 600 MB, 10 ms for `mini`.
    """
    digests = []
    for path in weights:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    texts = {name: hashlib.sha256(data).hexdigest() for name, data in tokenizer.items()}
    whole = json.dumps({"config": essence, "weights": digests, "tokenizer": texts}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()
