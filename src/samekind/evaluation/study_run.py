"""Running a recipe that trains: every part of it in turn; what is finished is never made again."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import samekind
from samekind.datasets import read_data
from samekind.errors import SamekindError, UsageError
from samekind.evaluation.features_store import cache_folder, cache_limit
from samekind.evaluation.protocols import Request, parse_pairs
from samekind.evaluation.recipes import Recipe, same_data
from samekind.evaluation.recipes_train import Training
from samekind.evaluation.report import put
from samekind.evaluation.run_evaluation import Evaluation, Settings
from samekind.evaluation.study import AS_TRAINED, KEPT, SIZES, Evaluated, Study, study
from samekind.evaluation.study_parts import Part, folder_of, names_for, parts
from samekind.evaluation.study_trainer import Trainer, fitting

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever

FOLDER = "studies"
_KEPT = 1  # the form of the files between two runs


@dataclass(frozen=True)
class _Run:
    """One study under way: everything that its parts have in common; `names` where training learns from them alone."""

    training: Training
    trainer: Trainer
    task: Evaluation
    data: str
    backbone: str
    folder: Path
    names: str | list[str] | None = None

    def kept(self, part: Part) -> dict[str, Evaluated]:
        """What an earlier run found of a part, by reading; a file that is damaged is as none."""
        found = {name: _kept(file) for name, (file, _) in self._readings(part).items()}
        return {name: each for name, each in found.items() if each is not None}

    def part(self, part: Part) -> dict[str, Evaluated]:
        """Train one retriever and evaluate it in every reading, as far as that is not done yet."""
        found, readings = self.kept(part), self._readings(part)
        if found.keys() < readings.keys():
            retriever = self._trained(part)
            for name in [each for each in readings if each not in found]:
                file, config = readings[name]
                found[name] = self._evaluated(retriever.with_config(**config) if config else retriever, part)
                put(file, json.dumps({"kept": _KEPT, **asdict(found[name])}).encode())
        return {name: found[name] for name in readings}

    def _readings(self, part: Part) -> dict[str, tuple[Path, Mapping[str, Any]]]:
        """By name the file that keeps its figures, called by a hash of what was asked, and its configuration."""
        place, found = self._place(part), {}
        request = self.task.request
        limits = {"classes": request.classes, "seen": request.seen}
        for name, config in {AS_TRAINED: {}, **self.training.readings}.items():
            asked = {
                "protocol": self.task.protocol,
                "profile": request.profile,
                "with_domains": self.task.settings.with_domains,
                "pairs": [[task.query, task.gallery] for task in part.tasks],
                "reading": dict(config),
                **{limit: value for limit, value in limits.items() if value is not None},
            }
            found[name] = place.with_name(f"{place.name}.{_hash(asked)[:12]}.json"), config
        return found

    def _place(self, part: Part) -> Path:
        """The retriever's folder."""
        return self.folder / f"{self.training.method}-{part.name}"

    def _trained(self, part: Part) -> "Retriever":
        training = self.training
        with self.trainer.stages() as show:
            train = partial(
                self.trainer.train,
                training.method,
                out=self._place(part),
                backbone=self.backbone,
                seed=part.seed,
                settings=training.settings,
                progress=show,
            )
            if training.classes_count is None:
                return train(classes=self.names)
            return train(self.data, domains=part.folders, classes_count=training.classes_count)

    def _evaluated(self, retriever: "Retriever", part: Part) -> Evaluated:
        """Score a retriever on its own pairs; its vectors are kept until that is done, as nobody needs them again."""
        place = self._place(part)
        cache = place.with_name(f"{place.name}.cache")
        plan, settings = replace(self.task.plan, tasks=part.tasks), replace(self.task.settings, cache=cache)
        with self.trainer.pictures() as show:
            task = replace(self.task, plan=plan, settings=settings)
            report = task.run(retriever, part.title, progress=show)
        shutil.rmtree(cache, ignore_errors=True)
        wanted = ("query", "gallery", *SIZES, "metrics")
        return Evaluated(
            part.seed,
            part.domains,
            report.retriever,
            dict(retriever.card.training),
            [{name: value for name, value in pair.to_json().items() if name in wanted} for pair in report.pairs],
            {name: report.facts[name] for name in ("headline", "split", "options", "metrics_note", "notes")}
            | ({"features": KEPT} if task.shares(retriever) else {}),
            report.seconds,
            [(each.uri, each.reason, each.detail) for each in report.skipped],
        )


def run_study(
    recipe: Recipe,
    training: Training,
    trainer: Trainer | None,
    *,
    data: str,
    backbone: str,
    cache: str | Path | None = None,
    work: str | Path | None = None,
    command: str | None = None,
) -> Study:
    """Train and evaluate every part of a recipe; retrievers and figures are kept below `work`.

    `work` is by default a folder beside the cached vectors. A call that was stopped, or failed, goes on where it was.
    Raises UsageError for a method that cannot be trained and data that training is not about, SamekindError for a
    failure in one part, which it names.
    """
    trainer = fitting(recipe, training, trainer)
    cache_limit()  # refuses a wrong one before anything is done
    task, whole = _prepared(recipe, data, cache, command, trainer), read_data(data)[0]
    if training.classes is None:
        _seen(recipe, len(whole), task)
    same_data(recipe, task.data["sha256"])
    shared = _sha256(backbone)
    task = replace(task, settings=replace(task.settings, shared_backbone=shared))
    names = names_for(training, whole)
    folder = _folder(work, cache, training, names, shared, task)
    run = _Run(training, trainer, task, data, backbone, folder, names)
    every = parts(task, training)
    found: dict[str, list[Evaluated]] = {}
    pace = _Pace()
    for number, part in enumerate(every):
        done = len(run.kept(part)) > len(training.readings)
        where = "; known from an earlier run" if done else pace.told(len(every) - number)
        trainer.tell(f"{number + 1} of {len(every)}: {part.title}{where}")
        with _named(part, number, len(every), folder), pace.timed(done):
            for name, each in run.part(part).items():
                found.setdefault(name, []).append(each)
    order = [(each.query, each.gallery) for each in task.plan.tasks]
    return study(recipe, training, task.data, found, order, command)


def _prepared(recipe: Recipe, data: str, cache: str | Path | None, command: str | None, trainer: Trainer) -> Evaluation:
    """What will be asked."""
    options = recipe.evaluate
    pairs = parse_pairs(options["pairs"]) if "pairs" in options else None
    request = Request(options["profile"], pairs, options.get("classes"), options.get("seen"))
    told = options.get("with_domains", False)
    settings = Settings(options.get("seed", 0), cache_folder(cache), told, command=command)
    with trainer.pictures() as show:
        return Evaluation.prepare(data, options["protocol"], request, settings, show)


def _seen(recipe: Recipe, pictures: int, task: Evaluation) -> None:
    """Refuse data of whose pictures training would see others than those that are asked about, or by other names."""
    table = task.plan.table
    if pictures > len(table):
        raise UsageError(
            f"{recipe.name} is about {len(table):,} pictures of {table.name}, and training would see all the others in "
            "these domains too. Make a folder that holds those classes alone."
        )
    other = [name for name in table.domains if folder_of(table, name) != name]
    if task.settings.with_domains and other:
        raise UsageError(
            f"With with_domains the folders of domains must be called as the data set calls them; {other[0]} is not."
        )


def _sha256(backbone: str) -> str:
    """What is in the card of a retriever whose training left the backbone as it is."""
    from samekind.retriever.identity import backbone_sha256
    from samekind.retriever.store import load

    return backbone_sha256(load(backbone).encoder)


def _folder(
    work: str | Path | None,
    cache: str | Path | None,
    training: Training,
    names: str | list[str] | None,
    backbone: str,
    task: Evaluation,
) -> Path:
    """The folder of everything that is trained alike: data, backbone (by hash), method, settings, classes or names."""
    whole = {
        "samekind": samekind.__version__,
        "method": training.method,
        "data": task.data["sha256"],
        "backbone": backbone,
        **({"classes_count": training.classes_count} if names is None else {"classes": names}),
        "settings": training.settings,
    }
    base = cache_folder(cache) / FOLDER if work is None else Path(work).expanduser().absolute()
    folder = base / f"{training.method}-{_hash(whole)[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put(folder / "study.json", json.dumps(whole, indent=2).encode())
    except OSError as error:
        raise SamekindError(f"{folder} cannot be used: {error.strerror or error}. Give another --work.") from error
    return folder


def _hash(whole: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _kept(file: Path) -> Evaluated | None:
    """What an earlier run found; None where it found nothing, or the file is damaged."""
    try:
        values = json.loads(file.read_bytes())
        if values.pop("kept") != _KEPT:
            return None
        return Evaluated(**{**values, "domains": tuple(values["domains"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def _named(part: Part, number: int, total: int, folder: Path) -> Iterator[None]:
    """Errors say in which part they happened, and where the finished ones are."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{part.title}: {error}") from error
    except SamekindError as error:
        raise SamekindError(
            f"{part.title} ({number + 1} of {total}): {error} What was finished is kept in {folder}; the same command "
            "goes on from there."
        ) from error


class _Pace:
    """How long the rest takes at most, by the parts that this run had to work on."""

    def __init__(self) -> None:
        self.spans: list[float] = []

    def told(self, left: int) -> str:
        """Minutes left, as soon as one part was worked on."""
        if not self.spans:
            return ""
        seconds = sum(self.spans) / len(self.spans) * left
        return f"; about {max(1, round(seconds / 60))} min left"

    @contextmanager
    def timed(self, done: bool) -> Iterator[None]:
        """Note how long a part takes that is not known yet."""
        began = time.monotonic()
        yield
        if not done:
            self.spans.append(time.monotonic() - began)
