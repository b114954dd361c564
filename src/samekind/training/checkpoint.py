"""The state of a stage on disk, written after each epoch: a killed run goes on as if nothing had happened."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from samekind.errors import SamekindError


def claim(folder: Path, key: str) -> None:
    """Make a run's folder its own; raises SamekindError where it is another run's, before anything is computed."""
    note = folder / "key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not note.is_file():
            note.write_text(key, encoding="utf-8")
        known = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SamekindError(f"{folder} cannot be used: {error}. Remove it, or give another --out.") from error
    if known != key:
        raise _another(folder)


def _another(folder: Path) -> SamekindError:
    return SamekindError(
        f"{folder} belongs to another run: its pictures, settings, seed or backbone differ. Give another --out, or "
        "remove that folder to start anew."
    )


def save(file: Path, tensors: Mapping[str, Tensor], *, key: str, epoch: int) -> None:
    """Write a checkpoint whole or not at all; raises SamekindError when the disk refuses."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    fresh = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, fresh, metadata={"key": key, "epoch": str(epoch)})
        fresh.replace(file)
    except (OSError, SafetensorError) as error:
        raise SamekindError(
            f"{file} cannot be written: {error}. Make room, and give the same command again."
        ) from error


def load(file: Path, *, key: str) -> tuple[dict[str, Tensor], int] | None:
    """The tensors of a checkpoint and the epochs that it has behind it; None where there is none.

    `key` stands for data, settings, seed and backbone. Raises SamekindError for a checkpoint of another run, and for a
    damaged one.
    """
    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as opened:
            facts = opened.metadata() or {}
        tensors, epoch = load_file(file), int(facts["epoch"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise SamekindError(f"{file} is damaged ({error}). Remove the folder {file.parent} and start anew.") from error
    if facts.get("key") != key:
        raise _another(file.parent)
    return tensors, epoch


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by name; the learning rate is set anew each step and is not part of it."""
    states = optimiser.state_dict()["state"]
    return {
        f"optimiser.{number}.{part}": torch.as_tensor(value)
        for number, state in states.items()
        for part, value in state.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` gave, out of all tensors of a checkpoint."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, part = name.split(".")
            state.setdefault(int(number), {})[part] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
