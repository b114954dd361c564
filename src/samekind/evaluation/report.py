"""What an evaluation found: one retriever, one data set, one protocol; as JSON, and query by query as a table."""

import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.images.refs import Skip

if TYPE_CHECKING:
    import pyarrow.lib as pa  # the package re-exports this without saying so, which strict typing refuses

SCHEMA = 1
KS = (1, 5, 15, 50, 100, 200)
QUERIES = ".queries.parquet"
COLUMNS = {f"P@{k}": f"P@{k}" for k in KS} | {"mAP@200": "AP@200", "mAP@all": "AP"}  # by metric, of that table
SKIPPED = ".skipped.jsonl"
BESIDE = (SKIPPED, ".mixed.txt")  # of an earlier result, where this one has none

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class PairResult:
    """One list of queries against one gallery.

    queries, gallery_size: the pictures that were scored; skipped_queries, skipped_gallery: those that could not be
    opened and so are in no figure. without_relevant: queries whose class the gallery does not have. copies: queries
    whose very content lies in the gallery too, by the hash of the file. chance: P@k of a
    shuffled gallery. intervals: of `metrics`, low and high. curve: mean P@k over k. `table` has a row for each query.
    """

    query: str
    gallery: str
    name: str
    queries: int
    gallery_size: int
    skipped_queries: int
    skipped_gallery: int
    without_relevant: int
    copies: int
    chance: float
    metrics: Metrics
    intervals: Mapping[str, tuple[float, float]]
    per_class: Mapping[str, Mapping[str, Any]]
    curve: Mapping[str, Sequence[float] | Sequence[int]]
    table: "pa.Table | None" = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The pair's part of the result file."""
        named = {"name": self.name} if self.name else {}
        return {
            "query": self.query,
            "gallery": self.gallery,
            **named,
            "queries": self.queries,
            "gallery_size": self.gallery_size,
            "skipped_queries": self.skipped_queries,
            "skipped_gallery": self.skipped_gallery,
            "without_relevant": self.without_relevant,
            "copies": self.copies,
            "chance": self.chance,
            "metrics": dict(self.metrics),
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "per_class": {name: dict(values) for name, values in self.per_class.items()},
            "curve": {name: list(values) for name, values in self.curve.items()},
        }


@dataclass(frozen=True)
class Report:
    """The whole result; `facts` are the entries of the file that are the same for every pair.

    mean: over the pairs, each counting the same; of a protocol with several galleries that of the first, the others are
    in facts["means"]. skipped: every picture that was wanted and could not be used. lists: pictures chosen by a rule.
    """

    protocol: str
    profile: str
    seed: int
    retriever: Mapping[str, Any]
    data: Mapping[str, Any]
    pairs: Sequence[PairResult]
    mean: Metrics
    seconds: Mapping[str, float]
    facts: Mapping[str, Any]
    skipped: Sequence[Skip] = ()
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fault: str | None = None  # why vectors could not be kept for the next time

    def to_json(self) -> dict[str, Any]:
        """The content of the result file, in the order that docs/evaluation.md describes."""
        return {
            "schema": SCHEMA,
            "samekind": samekind.__version__,
            "protocol": self.protocol,
            "profile": self.profile,
            "seed": self.seed,
            "retriever": dict(self.retriever),
            "data": dict(self.data),
            "pairs": [pair.to_json() for pair in self.pairs],
            "mean": dict(self.mean),
            "seconds": dict(self.seconds),
            "skipped": len(self.skipped),
            **self.facts,
        }

    def write(self, file: str | Path) -> list[Path]:
        """Write FILE.json, and beside it the queries, the skipped pictures and the chosen lists where there are any.

        Each file appears whole or not at all, the JSON last; files of an earlier result that this one does not have
        are removed. Returns what was written. Raises UsageError for another ending than .json, SamekindError when it
        cannot be written.
        """
        target = result_file(file)
        beside = {
            target.with_suffix(f".{name}.txt"): "".join(f"{each}\n" for each in names).encode()
            for name, names in self.lists.items()
        }
        if self.skipped:
            beside[target.with_suffix(SKIPPED)] = skipped_lines(self.skipped)
        text = readable(self.to_json())
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for suffix in BESIDE:
                target.with_suffix(suffix).unlink(missing_ok=True)
            for path, data in beside.items():
                put(path, data)
            put(target.with_suffix(QUERIES), _parquet(self.pairs))
            put(target, text.encode())
        except OSError as error:
            raise SamekindError(f"The result cannot be written to {target}: {error.strerror or error}.") from error
        return [target, target.with_suffix(QUERIES), *beside]


def skipped_lines(skipped: Sequence[Skip]) -> bytes:
    """The content of FILE.skipped.jsonl."""
    lines = ({"uri": skip.uri, "reason": skip.reason, "detail": skip.detail} for skip in skipped)
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed below 0, which no generator takes."""
    if seed < 0:
        raise UsageError(f"The seed is a whole number from 0 on, not {seed}.")


def readable(values: Any) -> str:
    """JSON with an entry on each line, but lists of numbers in one."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[\s+([^\[\]{}\"]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def result_file(file: str | Path) -> Path:
    """The path of a result file; raises UsageError when it does not end in .json or is a folder."""
    target = Path(file).expanduser()
    if target.suffix != ".json" or target.is_dir():
        raise UsageError(f"--out {file}: give a file that ends in .json, such as results/pacs.json.")
    return target


def put(path: Path, data: bytes) -> None:
    """Replace the content of a file: readers see the old or the new."""
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def _parquet(pairs: Sequence[PairResult]) -> bytes:
    """One row for each query of each pair, with the pair's position in the result file."""
    import pyarrow.lib as pa
    import pyarrow.parquet as pq

    parts = []
    for n, pair in enumerate(pairs):
        if pair.table is not None:
            parts.append(pair.table.add_column(0, "pair", pa.array([n] * len(pair.table), pa.int32())))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(parts), sink, compression="zstd")  # type: ignore[no-untyped-call]
    return bytes(sink.getvalue())
