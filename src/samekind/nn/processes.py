"""Several processes that train as one, started by torchrun; alone, everything here is a no-op."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed


def place() -> tuple[int, int]:
    """This process's number, from 0, and how many there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started (it sets WORLD_SIZE), over gloo; leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield
        return
    distributed.init_process_group("gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_alone() -> Iterator[None]:
    """Process 0 goes through the block before the others do: what it left on disk, they read."""
    number, count = place()
    if number > 0:
        distributed.barrier()
    yield
    if number == 0 and count > 1:
        distributed.barrier()


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    if place()[1] == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= place()[1]
    done = 0
    for gradient in gradients:
        gradient.copy_(flat[done : done + gradient.numel()].view_as(gradient))
        done += gradient.numel()


def average_numbers(numbers: dict[str, float]) -> dict[str, float]:
    """The mean of each number over the processes."""
    if place()[1] == 1:
        return numbers
    values = torch.tensor(list(numbers.values()), dtype=torch.float64)
    distributed.all_reduce(values)
    return dict(zip(numbers, (values / place()[1]).tolist(), strict=True))


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over the processes, without gradients; the tensor itself where there is one process."""
    if place()[1] == 1:
        return tensor
    total = tensor.detach().clone()
    distributed.all_reduce(total)
    return total


def my_part(rows: np.ndarray) -> np.ndarray:
    """This process's share of a batch; all of it where there is less than a row for each."""
    number, count = place()
    return np.array_split(rows, count)[number] if len(rows) >= count else rows
