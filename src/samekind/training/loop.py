"""Epochs of a stage: resume, train, note, checkpoint; a loss that is no number stops the run."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from samekind.errors import SamekindError
from samekind.nn.processes import place
from samekind.training import checkpoint
from samekind.training.journal import Journal

Report = Callable[[str, Mapping[str, float]], None]


@runtime_checkable
class Stage(Protocol):
    """Something that is trained epoch by epoch and whose whole state is a dictionary of tensors."""

    name: str
    epochs: int

    def epoch(self, number: int) -> dict[str, float]:
        """Train epoch `number` (from 0), a function of state and number alone; returns what is to be noted."""

    def tensors(self) -> dict[str, Tensor]:
        """The state after an epoch."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to such a state."""


@dataclass(frozen=True)
class Run:
    """Where a run keeps its things: `key` stands for everything that its result depends on."""

    work: Path
    key: str
    report: Report
    journal: Journal


def train_stage(stage: Stage, run: Run) -> float:
    """All epochs of a stage, from its last checkpoint on; returns the seconds that this took.

    Of several processes the first writes. Raises SamekindError when the loss is not finite: the checkpoint of the
    epoch before stays.
    """
    file = run.work / f"{stage.name}.safetensors"
    found = checkpoint.load(file, key=run.key)
    first = 0
    if found is not None:
        stage.restore(found[0])
        first = found[1]
    if place()[0] == 0:
        run.journal.forget(stage.name, first)
    began = time.monotonic()
    for number in range(first, stage.epochs):
        try:
            numbers = stage.epoch(number)
        except NotFiniteError as error:
            kept = f"{file} keeps epoch {number}" if number else "no epoch was finished"
            raise SamekindError(
                f"The loss of {stage.name} is {error.loss} at step {error.step} of epoch {number + 1}; {kept}. Lower "
                f"the learning rate (--set {stage.name}.rate=...), or look for pictures or weights that are no numbers."
            ) from error
        if place()[0] > 0:
            continue
        checkpoint.save(file, stage.tensors(), key=run.key, epoch=number + 1)
        run.journal.write(stage.name, number + 1, numbers)
        run.report(stage.name, {"step": float(number + 1), "steps": float(stage.epochs), **numbers})
    return time.monotonic() - began


class NotFiniteError(Exception):
    """A loss that is no number, at a step of an epoch (from 1)."""

    def __init__(self, loss: float, step: int) -> None:
        super().__init__(f"loss {loss} at step {step}")
        self.loss, self.step = loss, step


def finite(loss: Tensor, step: int) -> Tensor:
    """The loss itself; raises NotFiniteError, before the weights have seen it."""
    if not bool(torch.isfinite(loss)):
        raise NotFiniteError(float(loss.detach()), step)
    return loss


def shuffled(count: int, size: int, *dice: int) -> list[Int[np.ndarray, " _b"]]:
    """All rows below `count` in an order that follows from `dice` alone, in batches of `size`, the last one shorter."""
    order = np.random.default_rng(dice).permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def rate_factor(step: int, warmup: int, steps: int) -> float:
    """Linear up to one during `warmup` steps, then a half cosine down to zero at `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Means:
    """Means of numbers over the steps of an epoch, weighted by pictures."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, count: int, **numbers: float) -> None:
        """The numbers of one step over `count` pictures."""
        self.count += count
        for name, value in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * count

    def told(self) -> dict[str, float]:
        """The means."""
        return {name: value / max(1, self.count) for name, value in self.sums.items()}
