"""Running a recipe: train if it says so, evaluate, write the result, and compare it with the score to expect."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from samekind.datasets import DATASETS
from samekind.errors import UsageError
from samekind.evaluation.recipes import Expected, Recipe, same_data
from samekind.evaluation.report import Report
from samekind.evaluation.run import Show, evaluate
from samekind.evaluation.study import Study
from samekind.evaluation.study_run import run_study
from samekind.evaluation.study_trainer import Trainer


@dataclass(frozen=True, slots=True)
class Check:
    """One expected figure beside the one that came out."""

    metric: str
    expected: Expected
    found: float

    @property
    def within(self) -> bool:
        """Whether the difference is at most the tolerance, give or take rounding."""
        return abs(self.found - self.expected.value) <= self.expected.tolerance + 1e-9


@dataclass(frozen=True)
class Outcome:
    """What running a recipe brought: the result, where it was written, and each expected figure beside its own.

    `unchecked` says why no figure was compared, where the recipe has some.
    """

    report: "Report | Study"
    file: Path
    checks: Sequence[Check]
    unchecked: str = ""

    @property
    def good(self) -> bool:
        """Whether every figure that was compared is within its tolerance."""
        return all(check.within for check in self.checks)


def run_recipe(
    recipe: Recipe,
    *,
    data: str | Path | None = None,
    retriever: str | Path | None = None,
    out: str | Path = "results",
    cache: str | Path | None = None,
    command: str | None = None,
    progress: Show | None = None,
    trainer: "Trainer | None" = None,
    seeds: Sequence[int] | None = None,
    work: str | Path | None = None,
) -> Outcome:
    """Train if the recipe says so, evaluate, write OUT/NAME.json, and compare with what is expected.

    `data` is where the data set lies (else SAMEKIND_DATA/NAME), `retriever` another retriever, or another backbone of
    what is trained, than the recipe's: nothing is expected of it. A recipe that trains needs a `trainer`; of its seeds
    only those in `seeds` are run, which is written to OUT/NAME-seeds-0-1.json, so that a part never replaces the whole.
    `work` is where trained retrievers are kept. Raises UsageError for a method that cannot be trained here and seeds
    that the recipe does not have, SamekindError for data with another hash than the recipe's.
    """
    whole = recipe.train
    recipe = _part_of(recipe, seeds)
    part = "" if recipe.train is None or recipe.train == whole else f"-seeds-{'-'.join(map(str, recipe.train.seeds))}"
    file = Path(out).expanduser() / f"{recipe.name}{part}.json"
    place, ref = located(recipe.data, data), str(retriever or recipe.retriever)
    report: Report | Study
    if recipe.train is None:
        report = evaluate(ref, place, out=file, cache=cache, command=command, progress=progress, **recipe.evaluate)
        same_data(recipe, report.data["sha256"], f" (the result is in {file})")
    else:
        report = run_study(
            recipe, recipe.train, trainer, data=place, backbone=ref, cache=cache, work=work, command=command
        )
        report.write(file)
    if retriever is not None:
        return Outcome(report, file, (), "the retriever is not the recipe's")
    if part:
        return Outcome(report, file, (), "not all seeds of the recipe were run")
    return Outcome(report, file, [Check(name, each, report.mean[name]) for name, each in recipe.expected.items()])


def _part_of(recipe: Recipe, seeds: Sequence[int] | None) -> Recipe:
    """The recipe with some of its seeds."""
    if seeds is None:
        return recipe
    if recipe.train is None:
        raise UsageError(f"{recipe.name} trains nothing, so it has no seeds to choose from: leave --seeds out.")
    known = recipe.train.seeds
    if not seeds or not set(seeds) <= set(known) or len(set(seeds)) < len(seeds):
        told = ", ".join(map(str, known))
        raise UsageError(
            f"The seeds of {recipe.name} are {told}: choose some of them, each once, as --seeds {known[0]}."
        )
    return replace(recipe, train=replace(recipe.train, seeds=tuple(seed for seed in known if seed in seeds)))


def located(name: str, data: str | Path | None) -> str:
    """What `read_data` is given: a declared data set with its path, or the folder of one that is not declared.

    Raises UsageError when the place is neither given nor found in SAMEKIND_DATA.
    """
    if data is not None:
        return f"{name}:{data}" if name in DATASETS else str(data)
    if name in DATASETS:
        return name
    base = os.environ.get("SAMEKIND_DATA")
    folder = Path(base, name) if base else None
    if folder is None or not folder.is_dir():
        raise UsageError(f"Where is {name}? Give --data PATH, or set SAMEKIND_DATA to the folder that holds {name}.")
    return str(folder)
