"""Data and protocol, ready for any retriever: encode what is not known yet, score, and say how it was done."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from samekind.datasets import read_data
from samekind.datasets.declaration import Dataset
from samekind.datasets.hashes import hash_files
from samekind.errors import SamekindError
from samekind.evaluation.features import Features, Progress, encode_table
from samekind.evaluation.features_treated import Treatment
from samekind.evaluation.protocols import Plan, Request, load_protocol
from samekind.evaluation.report import PairResult, Report, check_seed
from samekind.evaluation.report_facts import machine, metrics_note, today, versions
from samekind.evaluation.run_by_name import by_name
from samekind.evaluation.run_intervals import shared_intervals
from samekind.evaluation.run_score import pair_result, plain_mean, score_task
from samekind.evaluation.run_trec import export
from samekind.evaluation.spaces import Space
from samekind.evaluation.summary import Interval
from samekind.images.refs import Skip
from samekind.reading.opening import Reader

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate, whatever the protocol.

    seed: of the intervals. cache: where vectors are kept. with_domains: the retriever is told each picture's domain.
    trec: where runs and qrels go. reader: what opens pictures, by default threads. command: what was typed.
    shared_backbone: hash of a backbone that several retrievers have in common; what it says of pictures is then kept
    for all of them, tokens in half precision, beside what training keeps. By default nothing is shared: see `encode`.
    """

    seed: int
    cache: Path
    with_domains: bool = False
    trec: Path | None = None
    reader: Reader | None = None
    command: str | None = None
    shared_backbone: str | None = None

    def __post_init__(self) -> None:
        """Refuse a seed that is none. Raises UsageError."""
        check_seed(self.seed)


@dataclass(frozen=True)
class Evaluation:
    """What will be asked: the same for every retriever."""

    protocol: str
    plan: Plan
    data: Mapping[str, Any]
    contents: Sequence[str]
    skipped: tuple[Skip, ...]
    request: Request
    settings: Settings

    @classmethod
    def prepare(
        cls,
        data: str | Path,
        protocol: str,
        request: Request,
        settings: Settings,
        progress: Callable[[str, Progress], None] | None = None,
    ) -> "Evaluation":
        """Read the data, let the protocol decide, and hash the pictures that it is about. No picture is decoded."""
        chosen = load_protocol(protocol)
        table, dataset = read_data(data)
        plan = chosen.plan(table, dataset, request)
        unlisted = tuple(Skip(each["uri"], each["reason"], each["detail"]) for each in table.skipped)
        began = perf_counter()

        def told(done: int, total: int) -> None:
            if progress:
                progress("", Progress(total, done, 0, 0, perf_counter() - began))

        contents = hash_files(plan.table.root, plan.table.files, told)
        return cls(protocol, plan, _data_facts(plan, dataset), contents, unlisted, request, settings)

    def run(
        self,
        retriever: "Retriever",
        label: str,
        reading: float = 0.0,
        progress: Callable[[str, Progress], None] | None = None,
    ) -> Report:
        """Encode what the cache does not have, score every task, tell everything; `label` names files and progress."""
        features = self.encode(retriever, (lambda told: progress(label, told)) if progress else None)
        began = perf_counter()
        space: Space = retriever.space if self.plan.rules.space == "own" else self.plan.rules.space
        scored = [score_task(task, self.plan, features, space) for task in self.plan.tasks]
        ends, over = shared_intervals(
            [each.task.name for each in scored],
            [each.queries for each in scored],
            [each.metrics for each in scored],
            self.settings.seed,
        )
        pairs = [
            pair_result(each, self.plan, self.contents, mine, self.settings.seed)
            for each, mine in zip(scored, ends, strict=True)
        ]
        names = self._by_name(retriever, features)
        seconds = {"read": reading, "encode": features.seconds, "score": perf_counter() - began}
        if self.settings.trec is not None:
            export(self.settings.trec / label, self.plan, features, scored, space)
        facts = {**_over_pairs(pairs, over), "by_name": names, **self._facts(retriever, features, space)}
        return self._report(retriever, pairs, seconds, facts, features)

    def _report(
        self,
        retriever: "Retriever",
        pairs: Sequence[PairResult],
        seconds: Mapping[str, float],
        facts: Mapping[str, Any],
        features: Features,
    ) -> Report:
        return Report(
            self.protocol,
            self.request.profile,
            self.settings.seed,
            retriever_facts(retriever),
            self.data,
            pairs,
            plain_mean([pair for pair in pairs if pair.name == pairs[0].name]),
            {name: round(value, 3) for name, value in seconds.items()},
            facts,
            (*self.skipped, *features.skipped.values()),
            self.plan.lists,
            features.fault,
        )

    def encode(self, retriever: "Retriever", progress: Callable[[Progress], None] | None = None) -> Features:
        """The vectors of every picture that some task needs, colour-inverted where the rules say so.

        A retriever over `Settings.shared_backbone` is given what that backbone said of the pictures before; one whose
        training changed the backbone has another, which nobody will ask for again.
        """
        plan = self.plan
        shared = self.shares(retriever)
        rows = np.unique(np.concatenate([part for task in plan.tasks for part in (task.query_rows, task.gallery_rows)]))
        inverted = np.isin(plan.table.domain[rows], [plan.table.domains.index(name) for name in plan.rules.inverted])
        raw = plan.rules.raw and retriever.card.method == "zero_shot"
        whole: Features | None = None
        for flag in (False, True):
            part = rows[inverted == flag]
            if len(part):
                found = encode_table(
                    retriever,
                    plan.table,
                    part,
                    cache=self.settings.cache,
                    data_sha256=self.data["sha256"],
                    treatment=Treatment(flag, self.settings.with_domains, raw),
                    reader=self.settings.reader,
                    progress=progress,
                    contents=self.contents if shared else None,
                )
                whole = found if whole is None else whole.joined(found, part)
        if whole is None:
            raise SamekindError(f"{plan.table.name} has no pictures for {self.protocol}.")
        return whole

    def shares(self, retriever: "Retriever") -> bool:
        """Whether vectors come from what is kept of the backbone."""
        return retriever.card.backbone.sha256 == self.settings.shared_backbone

    def _by_name(self, retriever: "Retriever", features: Features) -> dict[str, Any] | None:
        plan = self.plan
        used: dict[str, list[np.ndarray]] = {}
        for task in plan.tasks:
            used.setdefault(task.query, []).append(task.query_rows)
            used.setdefault(task.gallery, []).append(task.gallery_rows)
        lost = list(features.skipped)
        rows = {name: np.setdiff1d(np.concatenate(used[name]), lost) for name in sorted(used)}
        present = np.unique(plan.table.label[np.concatenate(list(rows.values()))])
        return by_name(retriever, plan.table, rows, features.vectors, [plan.table.classes[n] for n in present])

    def _facts(self, retriever: "Retriever", features: Features, space: Space) -> dict[str, Any]:
        rules, settings = self.plan.rules, self.settings
        return {
            "encoded": features.encoded,
            "cached": features.cached,
            "headline": list(self.plan.headline),
            "split": dict(self.plan.split) if self.plan.split else None,
            "options": {
                "pairs": [list(pair) for pair in self.request.pairs] if self.request.pairs else None,
                "classes": list(self.request.classes) if self.request.classes else None,
                "seen": self.request.seen,
                "mixed": self.request.mixed.name if self.request.mixed else None,
                "with_domains": settings.with_domains,
                "inverted": sorted(rules.inverted),
                "raw": rules.raw and retriever.card.method == "zero_shot",
            },
            "metrics_note": metrics_note(self.plan.rules, space, settings.seed),
            "notes": list(self.plan.notes),
            "versions": versions(),
            "machine": machine(),
            "command": settings.command,
            "date": today(),
        }


def _over_pairs(pairs: Sequence[PairResult], over: Mapping[str, Mapping[str, Interval]]) -> dict[str, Any]:
    """The interval of the mean; where there are several galleries, all their means with intervals too."""
    ends = {name: {metric: list(each) for metric, each in found.items()} for name, found in over.items()}
    facts: dict[str, Any] = {"mean_intervals": ends[pairs[0].name]}
    if len(ends) > 1:
        facts["means"] = {name: plain_mean([pair for pair in pairs if pair.name == name]) for name in ends}
        facts["means_intervals"] = ends
    return facts


def _data_facts(plan: Plan, dataset: Dataset | None) -> dict[str, Any]:
    table = plan.table
    counts = {name: len(rows) for name in table.domains if len(rows := table.rows(name))}
    return {
        "name": dataset.name if dataset else table.name,
        "sha256": table.sha256(),
        "pictures": len(table.files),
        "domains": counts,
        "classes": len(np.unique(table.label)),
    }


def retriever_facts(retriever: "Retriever") -> dict[str, Any]:
    """What its card says, and the precision of this run; a folder's place is told by its name alone."""
    card = retriever.card
    return {
        "name": retriever.name,
        "method": card.method,
        "sha256": retriever.sha256,
        "ref": _shown(retriever.ref),
        "space": card.space,
        "dim": card.dim,
        "precision": retriever.precision,
        "backbone": {"name": card.backbone.name, "sha256": card.backbone.sha256, "revision": card.backbone.revision},
        "config": dict(card.config),
        "data_sha256": card.data_sha256,
        "seed": card.seed,
        "commit": card.commit,
        # A zero-shot retriever is put together whenever it is loaded: that time says nothing.
        "created": None if card.method == "zero_shot" else card.created,
    }


def _shown(ref: str | None) -> str | None:
    """A path below the current folder relative to it, another one by its last part, anything else as it is."""
    if ref is None or not os.path.isabs(ref):  # noqa: PTH117
        return ref
    path = Path(ref)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name
