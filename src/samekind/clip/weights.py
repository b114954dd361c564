"""Checkpoints in and out: Hugging Face's folder format, safetensors only."""

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

from samekind.clip.checkpoint import WEIGHTS, content_hash, read_file, read_object, read_weights, weight_files
from samekind.clip.encoder import DualEncoder
from samekind.clip.families import Family, Vision, essence, family_of
from samekind.clip.hub import find
from samekind.clip.text import LEGACY_EOS, TextTower
from samekind.clip.tokenizer import TextTokenizer
from samekind.errors import SamekindError
from samekind.images.preprocess import Preprocess

RESAMPLE = {"lanczos": 1, "bilinear": 2, "bicubic": 3}  # Pillow's numbers, which HF's files hold


def load_encoder(ref: str | Path = "mini", *, revision: str | None = None) -> DualEncoder:
    """The encoder of "mini", of a checkpoint's folder or of a hub id, in float32, frozen, in eval mode.

    `revision` is a branch, tag or commit on the hub; `encoder.revision` is the commit that it meant. Raises
    SamekindError, naming file and key, for whatever does not fit: nothing of a checkpoint is trusted or run. For
    training call `encoder.requires_grad_(True).train()`.
    """
    place = find(ref, revision)
    config = read_object(place.folder / "config.json")
    family = family_of(config)
    with torch.device("meta"), _Uninitialised():  # nothing is allocated before the files' headers were compared
        vision, text = family.vision(config), family.text(config)
        tokenizer = TextTokenizer(
            _tokenizer_files(place.folder, family), context=text.config.max_position_embeddings, siglip=family.siglip
        )
        preprocess = _read_preprocess(place.folder)
        encoder = _assemble(config, family, vision, text, tokenizer, preprocess)
    files = weight_files(place.folder)
    ours = {family.file_name(name): name for name in encoder.state_dict()}
    shapes = {theirs: encoder.get_parameter(name).shape for theirs, name in ours.items()}
    tensors = read_weights(files, shapes)
    encoder.load_state_dict({ours[name]: tensor for name, tensor in tensors.items()}, assign=True)
    encoder.name, encoder.source, encoder.revision = place.name, place.source, place.revision
    encoder.sha256 = content_hash(essence(vision, text.config), files, tokenizer.files)
    return encoder.requires_grad_(False).eval()


def new_encoder(config: Mapping[str, Any], tokenizer_files: Mapping[str, bytes], preprocess: Preprocess) -> DualEncoder:
    """An encoder with fresh weights, for training; `config` is what config.json will hold.

    `tokenizer_files` maps "tokenizer.json" (or "vocab.json" and "merges.txt") to bytes. Raises SamekindError for parts
    that do not fit each other.
    """
    family = family_of(config)
    vision, text = family.vision(config), family.text(config)
    context = text.config.max_position_embeddings
    tokenizer = TextTokenizer(tokenizer_files, context=context, siglip=family.siglip)
    return _assemble(config, family, vision, text, tokenizer, preprocess)


def save_encoder(encoder: DualEncoder, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write the folder that `load_encoder` reads; what is there under the same names is replaced, file by file.

    float32 comes back bit by bit; `dtype=torch.float16` (or bfloat16) halves the file and rounds. Raises SamekindError
    when the folder cannot be written.
    """
    folder, family = Path(folder), family_of(encoder.config)
    tensors = {
        family.file_name(name): tensor.detach().to("cpu", dtype).clone(memory_format=torch.contiguous_format)
        for name, tensor in encoder.state_dict().items()
    }
    config = {key: value for key, value in encoder.config.items() if key != "torch_dtype"}
    config["dtype"] = str(dtype).removeprefix("torch.")
    texts = {
        **encoder.tokenizer.files,
        "preprocessor_config.json": _json(_hf_preprocess(encoder.preprocess)),
        "config.json": _json(config),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / WEIGHTS, partial(save_file, tensors, metadata={"format": "pt"}))
        for name, data in texts.items():
            _replace(folder / name, partial(_write, data))
    except (OSError, SafetensorError) as error:
        raise SamekindError(f"the encoder cannot be written to {folder}: {error}. Is there room?") from error


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then put it in its place: never half a file under the final name."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.touch()
        mode = beside.stat().st_mode  # what the user's umask gives; safetensors makes files that only they can read
        write(beside)
        beside.chmod(mode)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def _assemble(
    config: Mapping[str, Any],
    family: Family,
    vision: Vision,
    text: TextTower,
    tokenizer: TextTokenizer,
    preprocess: Preprocess,
) -> DualEncoder:
    """Put the parts together after seeing that they fit each other."""
    sizes = text.config
    if vision.dim != sizes.projection_dim:
        raise SamekindError(
            f"config.json: pictures get {vision.dim} dimensions and texts {sizes.projection_dim}; they must agree."
        )
    if tokenizer.size > sizes.vocab_size:
        raise SamekindError(f"the tokenizer has {tokenizer.size} ids, config.json's vocab_size is {sizes.vocab_size}.")
    if sizes.causal and sizes.eos_token_id not in (LEGACY_EOS, tokenizer.end_id):
        raise SamekindError(
            f"config.json: text_config.eos_token_id is {sizes.eos_token_id}, but the tokenizer ends its texts with "
            f"{tokenizer.end_id}: every text would get the same vector."
        )
    if preprocess.size != vision.image_size:
        raise SamekindError(
            f"preprocessor_config.json makes pictures of {preprocess.size} pixels, config.json's image_size is "
            f"{vision.image_size}."
        )
    scale, bias = family.logits()
    return DualEncoder(
        vision.tower,
        text,
        tokenizer,
        preprocess,
        config=config,
        token_dim=vision.token_dim,
        logit_scale=scale,
        logit_bias=bias,
    )


FILLING = (torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.zero_, torch.Tensor.fill_)


class _Uninitialised(TorchFunctionMode):
    """Modules are built without random start values: on shapes alone these would import torch's compiler, for 1 s."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Leave out whatever fills a tensor."""
        if func in FILLING or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _tokenizer_files(folder: Path, family: Family) -> dict[str, bytes]:
    """The bytes of those files that the tokenizer is made from."""
    names = ["tokenizer.json"] if (folder / "tokenizer.json").is_file() else ["vocab.json", "merges.txt"]
    if family.siglip:
        names.append("tokenizer_config.json")
    return {name: read_file(folder / name) for name in names if (folder / name).is_file()}


def _read_preprocess(folder: Path) -> Preprocess:
    """From preprocessor_config.json, or from processor_config.json, where transformers 5 puts it."""
    path = folder / "preprocessor_config.json"
    if path.is_file():
        values = read_object(path)
    else:
        path = folder / "processor_config.json"
        values = read_object(path).get("image_processor", {}) if path.is_file() else {}
    if not isinstance(values, dict) or not values:
        raise SamekindError(
            f"{folder} has no preprocessor_config.json, so nobody knows how its pictures are prepared. Fetch it from "
            "where the weights come from."
        )
    try:
        own = values.get("samekind")
        return Preprocess.from_dict(own) if isinstance(own, dict) else Preprocess.from_hf(values)
    except SamekindError as error:
        raise SamekindError(f"{path}: {error}") from error


def _hf_preprocess(preprocess: Preprocess) -> dict[str, Any]:
    """The settings as HF's picture processors read them, and exactly as ours under a key of its own."""
    own = {"samekind": preprocess.to_dict()}
    if preprocess.resize == "pad":
        return own  # none of HF's processors does this
    shortest, edge, size = preprocess.resize == "shortest", preprocess.target, preprocess.size
    return {
        "image_processor_type": "CLIPImageProcessor" if shortest else "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": edge} if shortest else {"height": edge, "width": edge},
        "resample": RESAMPLE[preprocess.interpolation],
        "do_center_crop": shortest or edge != size,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
        **own,
    }


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
