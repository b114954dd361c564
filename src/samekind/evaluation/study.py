"""A study: a method trained with several seeds and evaluated, as one small document of means, spreads and origins."""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import samekind
from samekind.errors import SamekindError
from samekind.evaluation.recipes import Recipe
from samekind.evaluation.recipes_train import Training
from samekind.evaluation.report import QUERIES, SCHEMA, SKIPPED, put, readable, result_file, skipped_lines
from samekind.evaluation.report_facts import machine, today, versions
from samekind.images.refs import Skip

KIND = "study"
DIGITS = 6  # behind the point, of every figure
KEPT = "kept, tokens in half precision"  # where vectors come from; else pictures were encoded for each retriever
# What there is a retriever for, by `per` of a study.
MADE_FOR = {"pair": "each two domains and seed", "all": "all domains and each seed", "once": "each seed"}
AS_TRAINED = ""  # the name of the reading that training chose

# Of a pair, what is the same whatever the seed.
SIZES = ("queries", "gallery_size", "skipped_queries", "skipped_gallery", "without_relevant", "copies", "chance")
_OF_ALL = ("method", "space", "dim", "precision", "backbone")  # of a retriever's facts, what holds for all of them
_LONG = 4_000  # characters of a training's fact that is left out


@dataclass(frozen=True)
class Evaluated:
    """One retriever under one reading: what is kept between two runs, all of it JSON.

    seed, domains: which training. retriever: its facts. training: the card's account. pairs: as in a result file, but
    for intervals, classes and curves. facts: of the evaluation. seconds: read, encode and score. skipped: (uri, reason,
    detail).
    """

    seed: int
    domains: tuple[str, ...]
    retriever: Mapping[str, Any]
    training: Mapping[str, Any]
    pairs: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    seconds: Mapping[str, float]
    skipped: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Study:
    """The whole document, and the pictures that could not be used."""

    values: Mapping[str, Any]
    skipped: tuple[Skip, ...] = ()

    @property
    def mean(self) -> Mapping[str, float]:
        """Over seeds and pairs, each counting the same."""
        found: Mapping[str, float] = self.values["mean"]
        return found

    def to_json(self) -> dict[str, Any]:
        """The content of the file, in the order that docs/evaluation.md describes."""
        return dict(self.values)

    def write(self, file: str | Path) -> Path:
        """Write FILE.json, whole or not at all; what an earlier result left beside it is removed.

        Raises UsageError for another ending than .json, SamekindError when it cannot be written.
        """
        target = result_file(file)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for suffix in (SKIPPED, QUERIES):
                target.with_suffix(suffix).unlink(missing_ok=True)
            if self.skipped:
                put(target.with_suffix(SKIPPED), skipped_lines(self.skipped))
            put(target, readable(self.values).encode())
        except OSError as error:
            raise SamekindError(f"The study cannot be written to {target}: {error.strerror or error}.") from error
        return target


def study(
    recipe: Recipe,
    training: Training,
    data: Mapping[str, Any],
    found: Mapping[str, Sequence[Evaluated]],
    order: Sequence[tuple[str, str]],
    command: str | None = None,
) -> Study:
    """Put together what was evaluated: by reading, every training of every seed; pairs come in `order`.

    Raises SamekindError when a pair has other queries or pictures with one seed than with another.
    """
    first = found[AS_TRAINED][0]
    skipped = {each[0]: Skip(each[0], each[1], each[2]) for one in found[AS_TRAINED] for each in one.skipped}
    notes = {name: text for name, text in first.facts["metrics_note"].items() if name != "intervals"}
    values = {
        "schema": SCHEMA,
        "kind": KIND,
        "samekind": samekind.__version__,
        "protocol": recipe.evaluate["protocol"],
        "profile": recipe.evaluate["profile"],
        "seeds": list(training.seeds),
        "retriever": {
            "name": training.label,
            "sha256": _together(found[AS_TRAINED]),
            **{name: first.retriever[name] for name in _OF_ALL},
        },
        "data": dict(data),
        **_figures(found[AS_TRAINED], training.seeds, order, sizes=True),
        "readings": {
            name: {
                "config": dict(training.readings[name]),
                "sha256": _together(each),
                "space": each[0].retriever["space"],
            }
            | _figures(each, training.seeds, order)
            for name, each in found.items()
            if name != AS_TRAINED
        },
        "training": _training(training, found[AS_TRAINED]),
        "recipe": {
            "name": recipe.name,
            "sha256": hashlib.sha256(recipe.text.encode()).hexdigest(),
            "text": recipe.text,
        },
        "seconds": _seconds(found),
        "skipped": len(skipped),
        **{name: first.facts[name] for name in ("headline", "split", "options")},
        "metrics_note": {**notes, "over seeds": "plain mean; sd is the sample standard deviation (n - 1)"},
        "features": " and ".join(
            sorted({one.facts.get("features", "encoded") for each in found.values() for one in each})
        ),
        "notes": first.facts["notes"],
        "versions": versions(),
        "machine": machine(),
        "command": command,
        "date": today(),
    }
    return Study(values, tuple(skipped.values()))


def spread(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1); None for one value, which has none."""
    return statistics.stdev(values) if len(values) > 1 else None


def _figures(
    evaluated: Sequence[Evaluated], seeds: Sequence[int], order: Sequence[tuple[str, str]], *, sizes: bool = False
) -> dict[str, Any]:
    """`pairs`, `mean`, `mean_sd` and `mean_by_seed` of one reading."""
    of = {(one.seed, pair["query"], pair["gallery"]): pair for one in evaluated for pair in one.pairs}
    pairs = []
    for query, gallery in order:
        mine = [of[seed, query, gallery] for seed in seeds]
        if any(each[name] != mine[0][name] for each in mine for name in SIZES):
            raise SamekindError(
                f"{query} → {gallery} had other pictures with one seed than with another: a picture could be opened "
                "once and not again. Look at the data, and run it again with another --work."
            )
        shown = {name: mine[0][name] for name in SIZES} if sizes else {}
        by_seed = {name: [each["metrics"][name] for each in mine] for name in mine[0]["metrics"]}
        pairs.append({"query": query, "gallery": gallery, **shown, **_over("metrics", "sd", "by_seed", by_seed)})
    means = {
        name: [statistics.fmean(of[seed, *pair]["metrics"][name] for pair in order) for seed in seeds]
        for name in pairs[0]["metrics"]
    }
    return {"pairs": pairs, **_over("mean", "mean_sd", "mean_by_seed", means)}


def _over(mean: str, sd: str, by_seed: str, values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Means over seeds, their spreads (None with one seed), and the values themselves, under these names."""
    spreads = {name: spread(each) for name, each in values.items()}
    known = {name: round(value, DIGITS) for name, value in spreads.items() if value is not None}
    return {
        mean: {name: round(statistics.fmean(each), DIGITS) for name, each in values.items()},
        sd: known or None,
        by_seed: {name: [round(value, DIGITS) for value in each] for name, each in values.items()},
    }


def _together(evaluated: Sequence[Evaluated]) -> str:
    """One hash for all retrievers, in their order."""
    return hashlib.sha256("".join(f"{one.retriever['sha256']}\n" for one in evaluated).encode()).hexdigest()


def _training(training: Training, evaluated: Sequence[Evaluated]) -> dict[str, Any]:
    """What was trained: once what is the same for all, then a line of facts for each retriever."""
    return {
        "method": training.method,
        "per": training.per,
        **_classes(training, evaluated[0]),
        "settings": evaluated[0].training.get("settings") or list(training.settings),
        "retrievers": [
            {
                "seed": one.seed,
                "domains": list(one.domains),
                "sha256": one.retriever["sha256"],
                "data_sha256": one.retriever["data_sha256"],
                "created": one.retriever["created"],
                **({"classes": one.retriever["config"]["classes"]} if "classes" in one.retriever["config"] else {}),
                "facts": {
                    name: value
                    for name, value in one.training.items()
                    if name not in ("key", "settings", "profile", "classes_count") and len(str(value)) <= _LONG
                },
            }
            for one in evaluated
        ],
    }


def _classes(training: Training, one: Evaluated) -> dict[str, Any]:
    """How many classes training was told of; from names alone also which names, as the recipe says it."""
    if training.classes is None:
        return {"classes_count": training.classes_count}
    given = training.classes if isinstance(training.classes, str) else list(training.classes)
    return {"classes_count": one.retriever["config"].get("classes"), "classes": given}


def _seconds(found: Mapping[str, Sequence[Evaluated]]) -> dict[str, float]:
    """Of all trainings, and of all evaluations in every reading."""
    trained = sum((sum((one.training.get("seconds") or {}).values()) for one in found[AS_TRAINED]), 0.0)
    parts = {name: sum(one.seconds[name] for each in found.values() for one in each) for name in ("encode", "score")}
    return {"train": round(trained, 1), **{name: round(value, 1) for name, value in parts.items()}}
