"""A result file and the table of its queries, read back and checked."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.report import COLUMNS, QUERIES, SCHEMA

LARGEST = 64 * 2**20  # bytes of a result file; a real one has some hundred thousand
TOLERANCE = 1e-4  # between a mean of float32 values and the figure in the result
HEADLINES = {"ucdir": ("P@1", "P@5", "P@15")}
NEEDED = {"schema": int, "protocol": str, "profile": str, "retriever": dict, "data": dict, "pairs": list, "mean": dict}
STUDY = "study"  # the kind of result that is a mean over seeds
OF_A_STUDY = {"seeds": list, "readings": dict, "training": dict, "mean_by_seed": dict}
OTHER_HEADLINE = ("mAP@200", "P@200")


@dataclass(frozen=True, slots=True)
class ResultPair:
    """One list of queries against one gallery, as the result file tells it; `name` tells galleries of a pair apart."""

    query: str
    gallery: str
    name: str
    queries: int
    gallery_size: int
    without_relevant: int
    chance: float | None
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    curve: tuple[tuple[int, ...], tuple[float, ...]]
    sd: Mapping[str, float] = field(default_factory=dict)  # over seeds, where this is of a study with several

    @property
    def title(self) -> str:
        """`sketch → photo`, with the gallery's name where it has one."""
        return f"{self.query} → {self.gallery}" + (f" ({self.name})" if self.name else "")

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What must agree for two results to be about the same question."""
        return self.query, self.gallery, self.name, self.queries, self.gallery_size


@dataclass(frozen=True)
class PairQueries:
    """The queries of one pair, in the order of the result.

    values: by metric; the metric is their mean by `weights`, which are 1 but for a micro average. relevant: pictures of
    the gallery. first: rank of the first of them, 0 where there is none. hits, right: for each query the nearest
    pictures' files, best first, and whether each is relevant.
    """

    files: tuple[str, ...]
    labels: tuple[str, ...]
    values: Mapping[str, Float64[np.ndarray, " q"]]
    weights: Mapping[str, Float64[np.ndarray, " q"]]
    relevant: Int64[np.ndarray, " q"]
    first: Int64[np.ndarray, " q"]
    hits: Any
    right: Any

    def shown(self, row: int, most: int) -> list[tuple[str, bool]]:
        """The first `most` hits of a query, each with whether it is relevant."""
        pairs = zip(self.hits[row].as_py() or (), self.right[row].as_py() or (), strict=False)
        return [(str(file), bool(right)) for file, right in list(pairs)[:most]]

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each file."""
        return {file: row for row, file in enumerate(self.files)}


@dataclass(frozen=True)
class Result:
    """A result file: `facts` is all of it. `queries` is empty where its table is not there; `lacking` says so then.

    Of a study the figures are means over seeds.
    """

    file: Path
    facts: Mapping[str, Any]
    pairs: tuple[ResultPair, ...]
    queries: tuple[PairQueries, ...] = ()
    lacking: str = ""
    mean: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the galleries: one empty name, or such as unseen and mixed."""
        return tuple(dict.fromkeys(pair.name for pair in self.pairs))

    @property
    def headline(self) -> tuple[str, ...]:
        """The metrics that the protocol's papers report, those of them that the result has."""
        told = self.facts.get("headline")
        usual = told if isinstance(told, list) else HEADLINES.get(self.facts["protocol"], OTHER_HEADLINE)
        return tuple(name for name in usual if all(name in pair.metrics for pair in self.pairs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that a study's retrievers were trained with; none for a single retriever."""
        return tuple(self.facts["seeds"]) if self.facts.get("kind") == STUDY else ()

    def mean_sd(self, metric: str) -> float | None:
        """The standard deviation of a mean over seeds, where there are several."""
        known: Mapping[str, float] = (self.facts.get("mean_sd") or {}) if self.seeds else {}
        return known.get(metric)

    @property
    def micro(self) -> bool:
        """Whether P@k is averaged over hits, so that queries with nothing relevant drop out (UCDIR's public code)."""
        return bool(self.facts["protocol"] == "ucdir" and self.facts["profile"] == "paper")

    def members(self, group: str) -> list[int]:
        """Positions of the pairs with one gallery name."""
        return [n for n, pair in enumerate(self.pairs) if pair.name == group]


def read_result(file: str | Path, *, queries: bool = True) -> Result:
    """Read FILE.json and, with `queries`, FILE.queries.parquet beside it if it is there.

    Raises UsageError for a file that is no result, SamekindError for one that cannot be read, that a newer samekind
    wrote, or whose table of queries does not belong to it.
    """
    path = Path(file).expanduser()
    facts = _facts(path)
    pairs = tuple(_pair(each, path) for each in facts["pairs"])
    found = Result(path, facts, pairs, mean=_means(facts, pairs))
    if not queries:
        return found
    if found.seeds:
        return replace(found, lacking="a study over seeds keeps no queries")
    table = path.with_suffix(QUERIES)
    if not table.exists():
        return replace(found, lacking=f"{table.name} is not there")
    return replace(found, queries=_queries(table, found))


def readings(result: Result) -> list[Result]:
    """The other readings of a study, each as a result of its own; none of anything else. Raises as `read_result`."""
    try:
        told = result.facts["readings"].items() if result.seeds else ()
        return [_reading(result, str(name), values) for name, values in told]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{result.file} is no study of samekind: a reading cannot be made out ({error!r}).") from error


def _reading(result: Result, name: str, told: Mapping[str, Any]) -> Result:
    both = zip(result.pairs, told["pairs"], strict=True)
    pairs = tuple(replace(pair, metrics=dict(its["metrics"]), sd=dict(its["sd"] or {})) for pair, its in both)
    retriever = {"name": f"{result.facts['retriever']['name']}, {name}", "sha256": told["sha256"]}
    facts = {
        **result.facts,
        **{each: told[each] for each in ("mean", "mean_sd", "mean_by_seed")},
        "retriever": {**result.facts["retriever"], **retriever},
        "reading": name,
        "config": dict(told["config"]),
        "readings": {},
    }
    return replace(result, facts=facts, pairs=pairs, mean=_means(facts, pairs))


def _facts(path: Path) -> dict[str, Any]:
    """The JSON of a result, its main parts known to be there."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is too large to be a result of samekind evaluate.")
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no result of samekind evaluate: it is no JSON.") from error
    if isinstance(values, list):
        raise UsageError(f"{path} holds several results: write each to its own file with evaluate --out FILE.json.")
    if lacking := _lacking(values):
        raise UsageError(f"{path} is no result of samekind evaluate: it lacks {', '.join(lacking)}.")
    if values["schema"] != SCHEMA:
        raise SamekindError(
            f"{path} has schema {values['schema']}, and this samekind reads {SCHEMA}: use the samekind that wrote it, "
            "or evaluate again."
        )
    found: dict[str, Any] = values
    return found


def _lacking(values: Any) -> list[str]:
    """Which main parts of a result are missing or of another kind."""
    if not isinstance(values, dict):
        return list(NEEDED)
    wrong = [name for name, kind in NEEDED.items() if not isinstance(values.get(name), kind)]
    if not wrong:
        parts = [(part, name) for part in ("retriever", "data") for name in ("name", "sha256")]
        wrong += [f"{part}.{name}" for part, name in parts if not isinstance(values[part].get(name), str)]
        wrong += [] if values["pairs"] else ["pairs"]
    if not wrong and values.get("kind") == STUDY:
        wrong += [name for name, kind in OF_A_STUDY.items() if not isinstance(values.get(name), kind)]
    return wrong


def _pair(told: Any, path: Path) -> ResultPair:
    """One entry of `pairs`; raises UsageError for what is missing or no number between 0 and 1."""
    try:
        metrics = {str(name): _share(value) for name, value in told["metrics"].items()}
        ends = {name: (_share(low), _share(high)) for name, (low, high) in (told.get("intervals") or {}).items()}
        curve = told.get("curve") or {"k": [], "P": []}
        ks, values = tuple(int(k) for k in curve["k"]), tuple(_share(value) for value in curve["P"])
        if not metrics or len(ks) != len(values):
            raise ValueError("figures are missing")
        return ResultPair(
            str(told["query"]),
            str(told["gallery"]),
            str(told.get("name") or ""),
            int(told["queries"]),
            int(told["gallery_size"]),
            int(told.get("without_relevant") or 0),
            None if told.get("chance") is None else _share(told["chance"]),
            metrics,
            ends,
            (ks, values),
            {name: _share(value) for name, value in (told.get("sd") or {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is no result of samekind evaluate: a pair cannot be made out ({error!r}).") from error


def _share(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and -1e-6 <= number <= 1 + 1e-6):
        raise ValueError(f"{value} is not between 0 and 1")
    return number


def _means(facts: Mapping[str, Any], pairs: tuple[ResultPair, ...]) -> dict[str, dict[str, float]]:
    """By the gallery's name, each metric's plain mean over the pairs that have this name."""
    found = {}
    for group in dict.fromkeys(pair.name for pair in pairs):
        mine = [pair for pair in pairs if pair.name == group]
        shared = [name for name in mine[0].metrics if all(name in pair.metrics for pair in mine)]
        found[group] = {name: sum(pair.metrics[name] for pair in mine) / len(mine) for name in shared}
    return found


def _queries(table: Path, result: Result) -> tuple[PairQueries, ...]:
    """The table of queries, cut into pairs; raises SamekindError when it is damaged or another run's."""
    import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses
    import pyarrow.parquet as pq

    needed = ["pair", "file", "label", *COLUMNS.values(), "relevant", "first", "hits", "right"]
    try:
        whole: pa.Table = pq.read_table(table, columns=needed)  # type: ignore[no-untyped-call]
        number = whole.column("pair").to_numpy()
        found = tuple(
            _of_pair(whole.filter(pa.array(number == n)), micro=result.micro) for n in range(len(result.pairs))
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise SamekindError(f"{table} cannot be read: {str(error).splitlines()[0]}. Evaluate again.") from error
    for pair, queries in zip(result.pairs, found, strict=True):
        if len(queries.files) != pair.queries or not _same_figures(pair, queries):
            raise SamekindError(
                f"{table.name} does not belong to {result.file}: its figures for {pair.title} are others. Evaluate "
                f"again, or remove {table.name} to compare without significance."
            )
    return found


def _of_pair(table: Any, *, micro: bool) -> PairQueries:
    relevant, first = (np.asarray(table.column(name).to_numpy(), np.int64) for name in ("relevant", "first"))
    ones = np.ones(len(table))
    return PairQueries(
        tuple(table.column("file").to_pylist()),
        tuple(table.column("label").to_pylist()),
        {metric: np.asarray(table.column(name).to_numpy(), np.float64) for metric, name in COLUMNS.items()},
        {
            metric: np.minimum(int(metric[2:]), relevant) * ones if micro and metric.startswith("P@") else ones
            for metric in COLUMNS
        },
        relevant,
        first,
        table.column("hits"),
        table.column("right"),
    )


def _same_figures(pair: ResultPair, queries: PairQueries) -> bool:
    """Whether the means of the table are the figures of the result."""
    for metric, values in queries.values.items():
        weights = queries.weights[metric]
        mean = float(values @ weights / max(weights.sum(), 1))
        if metric in pair.metrics and not abs(mean - pair.metrics[metric]) <= TOLERANCE:
            return False
    return True
