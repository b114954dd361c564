"""Result files written by hand, from rankings: what evaluate would write for them, figure by figure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from samekind.evaluation.reports.files import Result, read_result

KS = (1, 5, 15, 50, 100, 200)
Ranks = Sequence[Sequence[int]]  # for each query, 1 where the picture at a rank is relevant


@dataclass
class Made:
    """What a result file says; `pairs` is [(query, gallery, ranks of each query)], or four parts with a gallery's name.

    Query n of a pair is `QUERY/CLASS/n.png` with the classes in turn; the picture at rank r is of the query's class if
    that is relevant, else of the next one.
    """

    pairs: list[tuple[Any, ...]]
    name: str = "mini"
    protocol: str = "ucdir"
    profile: str = "clean"
    data: str = "made"
    sha256: str = "d" * 64
    split: dict[str, Any] | None = field(default_factory=lambda: {"sha256": "5" * 64, "share": 0.8})
    headline: list[str] = field(default_factory=lambda: ["P@1", "mAP@all"])
    classes: tuple[str, ...] = ("cat", "dog")
    facts: dict[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] | None = None  # given instead of computed, for every pair alike

    def write(self, folder: Path, stem: str | None = None, *, queries: bool = True) -> Path:
        """Write FILE.json and its table of queries; returns the path of the former."""
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, Any]] = []
        pairs = [self._pair(n, pair, rows) for n, pair in enumerate(self.pairs)]
        facts = {
            "schema": 1,
            "samekind": "0.1.0",
            "protocol": self.protocol,
            "profile": self.profile,
            "seed": 0,
            "retriever": {"name": self.name, "method": "zero_shot", "sha256": (self.name * 64)[:64], "space": "cosine"},
            "data": {"name": self.data, "sha256": self.sha256},
            "pairs": pairs,
            "mean": {name: float(np.mean([pair["metrics"][name] for pair in pairs])) for name in pairs[0]["metrics"]},
            "seconds": {"encode": 1.0, "score": 0.5},
            "headline": self.headline,
            "split": self.split,
            **self.facts,
        }
        file = folder / f"{stem or self.name}.json"
        file.write_text(json.dumps(facts), encoding="utf-8")
        if queries:
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file.with_suffix(".queries.parquet"))
        return file

    def result(self, folder: Path, stem: str | None = None) -> Result:
        """The same, read back."""
        return read_result(self.write(folder, stem))

    def _pair(self, n: int, pair: tuple[Any, ...], rows: list[dict[str, Any]]) -> dict[str, Any]:
        query, gallery, ranks, *name = pair
        mine = [self._row(n, number, query, gallery, each) for number, each in enumerate(ranks)]
        rows += mine
        micro = (self.protocol, self.profile) == ("ucdir", "paper")
        curve = {
            "k": [1, 2, 5, 10],
            "P": [float(np.mean([sum(each[:k]) / k for each in ranks])) for k in (1, 2, 5, 10)],
        }
        metrics = {f"P@{k}": float(np.mean([row[f"P@{k}"] for row in mine])) for k in KS}
        if micro:
            for k in KS:
                within = [min(k, sum(each)) for each in ranks]
                found = sum(sum(each[:t]) for each, t in zip(ranks, within, strict=True))
                metrics[f"P@{k}"] = found / max(sum(within), 1)
        metrics["mAP@200"] = metrics["mAP@all"] = float(np.mean([row["AP"] for row in mine]))
        metrics |= self.figures or {}
        return {
            "query": query,
            "gallery": gallery,
            **({"name": name[0]} if name else {}),
            "queries": len(mine),
            "gallery_size": len(ranks[0]),
            "without_relevant": sum(not row["first"] for row in mine),
            "chance": 0.25,
            "metrics": metrics,
            "intervals": {each: [max(0.0, value - 0.1), min(1.0, value + 0.1)] for each, value in metrics.items()},
            "curve": curve,
        }

    def _precision(self, ranks: Sequence[int], k: int) -> float:
        """A query's part of P@k, by the profile's rule."""
        within = min(k, sum(ranks)) if (self.protocol, self.profile) == ("ucdir", "paper") else k
        return sum(ranks[:within]) / max(within, 1)

    def _row(self, n: int, number: int, query: str, gallery: str, ranks: Sequence[int]) -> dict[str, Any]:
        label = self.classes[number % len(self.classes)]
        other = self.classes[(number + 1) % len(self.classes)]
        at = [rank for rank, right in enumerate(ranks, 1) if right]
        precision = sum(found / rank for found, rank in enumerate(at, 1)) / len(at) if at else 0.0
        hits = [f"{gallery}/{label if right else other}/{rank}.png" for rank, right in enumerate(ranks[:10], 1)]
        return {
            "pair": n,
            "file": f"{query}/{label}/{number}.png",
            "label": label,
            **{f"P@{k}": self._precision(ranks, k) for k in KS},
            "AP@200": precision,
            "AP": precision,
            "relevant": sum(ranks),
            "first": at[0] if at else 0,
            "hits": hits,
            "right": [bool(right) for right in ranks[:10]],
        }


SCHEMA = pa.schema(
    [
        ("pair", pa.int32()),
        ("file", pa.string()),
        ("label", pa.string()),
        *((f"P@{k}", pa.float32()) for k in KS),
        ("AP@200", pa.float32()),
        ("AP", pa.float32()),
        ("relevant", pa.int32()),
        ("first", pa.int32()),
        ("hits", pa.list_(pa.string())),
        ("right", pa.list_(pa.bool_())),
    ]
)

GOOD, BAD, NONE = (1, 1, 0, 0), (0, 0, 1, 1), (0, 0, 0, 0)


def two_pairs(*ranks: Ranks, **more: Any) -> Made:
    """photo → sketch and sketch → photo with the same rankings, or with one each."""
    first, second = ranks if len(ranks) == 2 else (ranks[0], ranks[0])
    return Made([("photo", "sketch", first), ("sketch", "photo", second)], **more)


def study(
    folder: Path, stem: str, *figures: Mapping[str, float], name: str = "tpsnet", fused: Any = None, **more: Any
) -> Path:
    """A study beside results of `two_pairs`: for each seed the figures of photo → sketch, the other way .1 higher."""
    made = two_pairs([GOOD, BAD], name=name, **more)
    file = made.write(folder, stem, queries=False)
    facts = json.loads(file.read_text(encoding="utf-8"))
    facts |= {"kind": "study", "seeds": list(range(len(figures))), "recipe": {"name": stem, "sha256": "7" * 64}}
    facts["retriever"] |= {"method": "tpsnet"}
    facts["training"] = {"method": "tpsnet", "per": "pair", "classes_count": 2, "retrievers": [{}] * len(figures)}
    parts = [_over_seeds(figures, shift) for shift in (0.0, 0.1)]
    whole = _over_seeds(figures, 0.05)
    for pair, part in zip(facts["pairs"], parts, strict=True):
        pair |= part
        del pair["intervals"], pair["curve"]
    mean = {"mean": whole["metrics"], "mean_sd": whole["sd"], "mean_by_seed": whole["by_seed"]}
    facts |= mean
    reading = {"config": {"output": "fused"}, "sha256": "f" * 64, **mean}
    pairs = [
        {"query": pair["query"], "gallery": pair["gallery"], **part}
        for pair, part in zip(facts["pairs"], parts, strict=True)
    ]
    facts["readings"] = {"fused": {**reading, "pairs": pairs}} if fused else {}
    file.write_text(json.dumps(facts), encoding="utf-8")
    return file


def _over_seeds(figures: Sequence[Mapping[str, float]], shift: float) -> dict[str, Any]:
    """Means, spreads and values of each metric, all of them higher by `shift`."""
    by_seed = {name: [each[name] + shift for each in figures] for name in figures[0]}
    spreads = {name: float(np.std(values, ddof=1)) for name, values in by_seed.items() if len(values) > 1}
    means = {name: float(np.mean(values)) for name, values in by_seed.items()}
    return {"metrics": means, "sd": spreads or None, "by_seed": by_seed}
