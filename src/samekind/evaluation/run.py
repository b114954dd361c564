"""Evaluating: one retriever or several on the very same pictures, results written where they are wanted."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from samekind.errors import UsageError
from samekind.evaluation.features import Progress
from samekind.evaluation.features_store import cache_folder, cache_limit
from samekind.evaluation.protocols import Pairs, Request, parse_pairs
from samekind.evaluation.report import Report, result_file
from samekind.evaluation.run_evaluation import Evaluation, Settings
from samekind.reading.choice import chosen_reader

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever

Show = Callable[[str, Progress], None]


@overload
def evaluate(retrievers: "Retriever | str | Path", data: str | Path, **options: Any) -> Report: ...
@overload
def evaluate(retrievers: "Sequence[Retriever | str | Path]", data: str | Path, **options: Any) -> list[Report]: ...
def evaluate(retrievers: Any, data: str | Path, **options: Any) -> Report | list[Report]:
    """Evaluate a retriever (or what `samekind.load` takes), or each of a list; docs/evaluation.md has every formula.

    `options` are those of `evaluate_all`. One report for one retriever, a list for a list.
    """
    if isinstance(retrievers, str | Path) or not isinstance(retrievers, Sequence):
        return evaluate_all([retrievers], data, **options)[0]
    return evaluate_all(retrievers, data, **options)


def evaluate_all(
    retrievers: "Sequence[Retriever | str | Path]",
    data: str | Path,
    *,
    protocol: str = "ucdir",
    profile: str = "clean",
    pairs: Pairs | str | None = None,
    classes: Sequence[str] | None = None,
    seen: str | None = None,
    mixed: str | Path | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    trec: str | Path | None = None,
    cache: str | Path | None = None,
    with_domains: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    command: str | None = None,
    progress: Show | None = None,
) -> list[Report]:
    """Evaluate each of several retrievers on the very same pictures.

    `data` is a folder root/domain/class/picture, or the name of a declared data set with its path ("pacs:PATH"). The
    options are those of `samekind evaluate`: `pairs` as [("photo", "sketch")] or "photo:sketch", `classes` to leave all
    others out, `seed` of the intervals. With `out` (FILE.json) the result is written, for several retrievers to
    FILE-NAME.json each; with `trec`, a folder, also runs and qrels. Vectors are kept below `cache`. `progress` is
    called a few times a second, with the retriever's name ("" while files are hashed).

    `workers` threads open the pictures; with `ray` ("HOST:PORT", "auto" or "local") the machines of that Ray cluster
    open and encode them, with `workers` cores for each of its workers.

    Raises UsageError for data that the protocol is not about, SamekindError when nothing is left to score or a result
    cannot be written.
    """
    cache_limit()  # refuses a wrong one before anything is done
    target = None if out is None else result_file(out)
    chosen = parse_pairs(pairs) if isinstance(pairs, str) else pairs
    request = Request(profile, chosen, classes, seen, None if mixed is None else Path(mixed))
    reader = chosen_reader(workers=workers, ray=ray)
    settings = Settings(seed, cache_folder(cache), with_domains, None if trec is None else Path(trec), reader, command)
    began = time.perf_counter()
    task = Evaluation.prepare(data, protocol, request, settings, progress)
    reading = time.perf_counter() - began
    loaded = [_loaded(each) for each in retrievers]
    names = labels(loaded)
    reports = []
    for retriever, name in zip(loaded, names, strict=True):
        report = task.run(retriever, name, reading, progress)
        if target is not None:
            report.write(target if len(loaded) == 1 else target.with_name(f"{target.stem}-{name}.json"))
        reports.append(report)
    return reports


def _loaded(retriever: "Retriever | str | Path") -> "Retriever":
    if not isinstance(retriever, str | Path):
        return retriever
    from samekind.retriever.store import load

    return load(retriever)


def labels(retrievers: "Sequence[Retriever]") -> list[str]:
    """A name for each that a file can carry, with part of the hash where two have the same name.

    Raises UsageError for no retriever, or the same one twice.
    """
    if not retrievers:
        raise UsageError("There is no retriever to evaluate.")
    names = ["".join(c if c.isalnum() or c in "-_." else "-" for c in each.name) or "retriever" for each in retrievers]
    told = [
        f"{name}-{each.sha256[:8]}" if names.count(name) > 1 else name
        for name, each in zip(names, retrievers, strict=True)
    ]
    if len(set(told)) < len(told):
        raise UsageError(f"The retriever {told[0]} was given twice.")
    return told
