"""What a study is made of: a training for each seed and each two domains, or for each seed where names are enough."""

from dataclasses import dataclass

import numpy as np

from samekind.datasets.table import Table
from samekind.evaluation.protocols import Task
from samekind.evaluation.recipes_train import GENERIC, OF_DATA, Training, spelled
from samekind.evaluation.run_evaluation import Evaluation


@dataclass(frozen=True)
class Part:
    """One training: its seed, its domains with their folders, and what its retriever is asked.

    What learns from names alone has no domains.
    """

    seed: int
    domains: tuple[str, ...]
    folders: tuple[str, ...]
    tasks: tuple[Task, ...]

    @property
    def title(self) -> str:
        """For people."""
        if not self.domains:
            return f"seed {self.seed}"
        *most, last = self.domains
        return f"seed {self.seed}, {', '.join(most)} and {last}"

    @property
    def name(self) -> str:
        """For folders."""
        names = ("".join(c if c.isalnum() else "_" for c in name) for name in self.domains)
        return "-".join((str(self.seed), *names))


def parts(task: Evaluation, training: Training) -> list[Part]:
    """Seed by seed, so that the first one is whole as early as can be; domains in the data's own order."""
    table, tasks = task.plan.table, task.plan.tasks
    order = {name: place for place, name in enumerate(table.domains)}
    every = {name for each in tasks for name in (each.query, each.gallery)}
    groups: dict[tuple[str, ...], list[Task]] = {}
    for each in tasks:
        among = {"pair": {each.query, each.gallery}, "all": every, "once": set[str]()}[training.per]
        groups.setdefault(tuple(sorted(among, key=order.__getitem__)), []).append(each)
    return [
        Part(seed, names, tuple(folder_of(table, name) for name in names), tuple(mine))
        for seed in training.seeds
        for names, mine in groups.items()
    ]


def folder_of(table: Table, domain: str) -> str:
    """Where a domain's pictures lie below the root, whatever the data set calls it."""
    row = int(table.rows(domain)[0])
    level = table.levels[table.domains.index(domain)] if table.levels else 2
    return "/".join(table.files[row].split("/")[: level - 1])


def names_for(training: Training, table: Table) -> str | list[str] | None:
    """What training from names is given, of the whole data set's table; None for a method that learns from pictures."""
    if training.classes is None or training.classes == GENERIC:
        return training.classes
    if training.classes == OF_DATA:
        return sorted({spelled(table.classes[label]) for label in np.unique(table.label)})
    return [spelled(name) for name in training.classes]
