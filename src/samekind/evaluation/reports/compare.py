"""Several results side by side: what must agree before they may be, and what differs by more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import samekind
from samekind.errors import UsageError
from samekind.evaluation.report import check_seed
from samekind.evaluation.reports.differences import LEVEL, Difference, differences, holm_corrected
from samekind.evaluation.reports.files import Result, read_result, readings
from samekind.evaluation.reports.published import Published, left_out, published
from samekind.evaluation.reports.seed_differences import SeedDifference, seed_differences

SCHEMA = 1


@dataclass(frozen=True)
class Comparison:
    """Results about the same question. `labels` are what their rows are called; the first is the one compared with.

    differences: of every other one to the first, empty where a table of queries is missing. by_seed: of every other
    study to the first, empty where that is none. notes: what a reader of the figures has to know.
    """

    results: tuple[Result, ...]
    labels: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    by_seed: tuple[SeedDifference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Result:
        """The result that the others are compared with; protocol, data and pairs are those of all."""
        return self.results[0]

    @property
    def tested(self) -> tuple[str, ...]:
        """The metrics whose differences were tested."""
        return tuple(dict.fromkeys(each.metric for each in self.differences))

    def published(self, group: str) -> tuple[Published, ...]:
        """Figures of papers that may stand beside these."""
        return published(self.first, group)

    def difference(self, label: str, metric: str, pair: int | None, group: str = "") -> Difference | None:
        """That of one result in one metric, for one pair or (None) for the mean over the pairs of a gallery."""
        wanted = (label, metric, pair, group if pair is None else self.first.pairs[pair].name)
        return next(
            (each for each in self.differences if (each.label, each.metric, each.pair, each.group) == wanted), None
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the queries."""
        facts = self.first.facts
        return {
            "schema": SCHEMA,
            "samekind": samekind.__version__,
            **{name: facts[name] for name in ("protocol", "profile", "data")},
            "split": facts.get("split"),
            "headline": list(self.first.headline),
            "pairs": [
                {"query": pair.query, "gallery": pair.gallery, **({"name": pair.name} if pair.name else {})}
                | {"queries": pair.queries, "gallery_size": pair.gallery_size, "chance": pair.chance}
                for pair in self.first.pairs
            ],
            "methods": [_method(label, each) for label, each in zip(self.labels, self.results, strict=True)],
            "reference": self.labels[0],
            "level": LEVEL,
            "differences": [each.to_json() for each in self.differences],
            "differences_by_seed": [each.to_json() for each in self.by_seed],
            "published": [
                {"method": each.method, "backbone": each.backbone, "source": each.source, "over": each.over}
                | {"gallery": each.gallery, "mean": dict(each.mean), "pairs": _single(each)}
                for group in self.first.groups
                for each in self.published(group)
            ],
            "notes": list(self.notes),
        }


def _single(each: Published) -> list[dict[str, Any]]:
    return [
        {"query": query, "gallery": gallery, "metric": metric, "value": value}
        for metric, known in each.single.items()
        for (query, gallery), value in known.items()
    ]


def _method(label: str, result: Result) -> dict[str, Any]:
    return {
        "label": label,
        "file": result.file.name,
        "retriever": result.facts["retriever"],
        "metrics": [dict(pair.metrics) for pair in result.pairs],
        "intervals": [{name: list(ends) for name, ends in pair.intervals.items()} for pair in result.pairs],
        "means": {group: dict(values) for group, values in result.mean.items()},
        **_over_seeds(result),
        **{name: result.facts.get(name) for name in ("mean_intervals", "date", "command", "versions", "machine")},
    }


def _over_seeds(result: Result) -> dict[str, Any]:
    """Seeds and spreads of a study."""
    if not result.seeds:
        return {}
    return {"seeds": list(result.seeds), "sd": [dict(pair.sd) for pair in result.pairs]} | {
        name: result.facts.get(name) for name in ("mean_sd", "mean_by_seed")
    }


def compare(files: Sequence[str | Path], *, seed: int = 0) -> Comparison:
    """Read result files and put them side by side.

    Differences are those to the first file, tested over the same queries (see `differences`), and of studies over the
    same seeds (see `seed_differences`). Raises UsageError for no file, for a file that is no result, for a seed below
    0, and for results about different data, protocols, profiles, splits or pairs.
    """
    check_seed(seed)
    if not files:
        raise UsageError("There is nothing to compare: give one result file or several, as evaluate --out writes them.")
    read = [read_result(file) for file in files]
    first, *rest = (each for result in read for each in (result, *readings(result)))
    for other in rest:
        refuse_unequal(first, other)
    results = (first, *(in_order_of(first, other) for other in rest))
    names = labels(results)
    found: list[Difference] = []
    for label, other in zip(names[1:], results[1:], strict=True):
        if results[0].queries and other.queries:
            found += differences(results[0], other, label, seed=seed)
    corrected = tuple(holm_corrected(found)) if found else ()
    by_seed = seed_differences(results[0], results[1:], names[1:])
    return Comparison(results, names, corrected, by_seed, tuple(_notes(results, names)))


def refuse_unequal(first: Result, other: Result) -> None:
    """Raises UsageError that says in what two results are not about the same question."""
    told = []
    for name, (mine, its) in {
        "data": (_data(first), _data(other)),
        "protocol": (first.facts["protocol"], other.facts["protocol"]),
        "profile": (first.facts["profile"], other.facts["profile"]),
        "split": (_split(first), _split(other)),
    }.items():
        if mine != its:
            told.append(f"{name} ({its}, not {mine})")
    if pairs := _other_pairs(first, other, sizes=not told):  # of other data or another profile sizes differ anyway
        told.append(f"pairs ({pairs})")
    if told:
        raise UsageError(
            f"{other.file} cannot be compared with {first.file}; they differ in {'; '.join(told)}. Evaluate both with "
            "the same data, protocol, profile and pairs."
        )


def in_order_of(first: Result, other: Result) -> Result:
    """`other` with its pairs in the order of `first`, which has the same ones."""
    places = {pair.key[:3]: n for n, pair in enumerate(other.pairs)}
    order = [places[pair.key[:3]] for pair in first.pairs]
    queries = tuple(other.queries[n] for n in order) if other.queries else ()
    return replace(other, pairs=tuple(other.pairs[n] for n in order), queries=queries)


def _data(result: Result) -> str:
    data = result.facts["data"]
    return f"{data['name']} {data['sha256'][:12]}"


def _split(result: Result) -> str:
    split = result.facts.get("split")
    return (
        f"{split['sha256'][:12]}, share {split.get('share')}"
        if isinstance(split, dict) and "sha256" in split
        else "none"
    )


def _other_pairs(first: Result, other: Result, *, sizes: bool) -> str:
    """What is missing or surplus; with `sizes` also what is of another size."""
    mine, its = ([pair.key[:3] for pair in result.pairs] for result in (first, other))
    titles = {pair.key[:3]: pair.title for result in (first, other) for pair in result.pairs}
    told = []
    if lacking := [titles[key] for key in mine if key not in its]:
        told.append(f"it lacks {', '.join(lacking)}")
    if surplus := [titles[key] for key in its if key not in mine]:
        told.append(f"it also has {', '.join(surplus)}")
    if sizes and not told:
        for a, b in zip(first.pairs, in_order_of(first, other).pairs, strict=True):
            if a.key != b.key:
                told.append(
                    f"{a.title} has {b.queries:,} queries and {b.gallery_size:,} pictures, not {a.queries:,} and "
                    f"{a.gallery_size:,}; one run could not open some"
                )
    return "; ".join(told)


def labels(results: Sequence[Result]) -> tuple[str, ...]:
    """A different name for each row: the retriever's, else the file's, else the retriever's with a number.

    That of a study says how many seeds it has.
    """
    names = [str(each.facts["retriever"]["name"]) for each in results]
    stems = [each.file.stem + (f", {each.facts['reading']}" if each.facts.get("reading") else "") for each in results]
    found: list[str] = []
    for n, (name, stem) in enumerate(zip(names, stems, strict=True)):
        unique = next(
            (each for each, among in ((name, names), (stem, stems)) if among.count(each) == 1), f"{name} {n + 1}"
        )
        found.append(unique if unique not in found else f"{unique} {n + 1}")
    return tuple(label + seeds_told(each) for label, each in zip(found, results, strict=True))


def seeds_told(result: Result) -> str:
    """` (3 seeds)` for a study; nothing for a single retriever."""
    count = len(result.seeds)
    return f" ({count} seed{'s' if count > 1 else ''})" if count else ""


def _notes(results: Sequence[Result], names: Sequence[str]) -> list[str]:
    told = []
    both = list(zip(names, results, strict=True))
    for lacking in dict.fromkeys(each.lacking for each in results if each.lacking and len(results) > 1):
        whose = [label for label, each in both if each.lacking == lacking]
        among = f" for {'; '.join(whose)}" if len(whose) < len(results) else ""
        told.append(f"No test over queries{among}: {lacking}.")
    for label, each in both:
        if (each.facts.get("options") or {}).get("with_domains"):
            told.append(f"{label} was told each picture's domain, also the query's.")
    if any(each.mean_sd(metric) is not None for each in results for metric in each.headline):
        told.append("±: standard deviation over seeds (n - 1). Figures of studies are means over seeds.")
    hashes = [each.facts["retriever"]["sha256"] for each in results]
    told += [
        f"{names[n]} and {names[hashes.index(sha)]} are the same retriever."
        for n, sha in enumerate(hashes)
        if hashes.index(sha) < n
    ]
    if len({str((each.facts.get("metrics_note") or {}).get("compared by")) for each in results}) > 1:
        told.append("The retrievers' spaces differ: each is compared by its own distance.")
    alone = sum(pair.without_relevant for pair in results[0].pairs)
    if alone:
        counted = "are in no P@k" if results[0].micro else "count as 0"
        told.append(f"{alone:,} queries have nothing relevant in their gallery and {counted}.")
    if text := left_out(results[0]):
        told.append(text)
    return told + [note for note in results[0].facts.get("notes") or [] if isinstance(note, str)]
