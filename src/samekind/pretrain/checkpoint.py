"""Checkpoints of a stage: its modules, its optimiser and a few facts in one safetensors file, whole or not there."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from samekind.errors import SamekindError
from samekind.training.checkpoint import load_optimiser, optimiser_tensors


def keep(
    file: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, facts: Mapping[str, str]
) -> None:
    """Write the parameters of `modules`, the optimiser's state and `facts`, which have a `seed`, for `go_on`."""
    tensors = {
        f"{part}.{name}": p.detach() for part, module in modules.items() for name, p in module.named_parameters()
    }
    tensors |= optimiser_tensors(optimiser)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file(tensors, part, metadata=dict(facts))
    part.replace(file)


def go_on(
    file: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, seed: int
) -> dict[str, str] | None:
    """Load what `keep` wrote into modules and optimiser and return the facts; None where there is no such file.

    Raises:
        SamekindError: the file belongs to another seed.
    """
    if not file.is_file():
        return None
    with safe_open(file, "pt") as opened:
        facts: dict[str, str] = opened.metadata()
    if int(facts["seed"]) != seed:
        raise SamekindError(f"{file} belongs to seed {facts['seed']}, not {seed}; use another folder")
    tensors = load_file(file)
    for part, module in modules.items():
        head = f"{part}."
        module.load_state_dict({k.removeprefix(head): v for k, v in tensors.items() if k.startswith(head)})
    load_optimiser(optimiser, tensors)
    return facts
