"""Measures the kinds of vector index that Lance has, on the same vectors, in the same run: which one a gallery takes.

    python benchmarks/ann_kinds.py [--data ../shared/data/pacs] [--rows 100000] [--kinds IVF_RQ IVF_FLAT ...]

Vectors and queries are those of `search_ann.py`. Each kind climbs a ladder of efforts (cells looked into, candidates
scored again, for graphs also the length of the list that is kept) until it finds 0.99 of the ten best of the pictures,
then of the words. Seconds are medians, in turn with exact searches. Writes benchmarks/results/ann-kinds.json.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from features import encoded, grown, random
from lancedb import index
from machine import facts, write
from search_ann import QUERIES, TEN, WORDS, Search, climbed, watched

import samekind
from samekind.gallery.search import top_k

PART = 50_000
LADDER = ((50, 100), (20, 200), (8, 300), (4, 500), (2, 500), (1, 500), (1, 1000), (1, 3000))
LISTS = ((100, 100), (200, 200), (400, 400), (400, 800), (800, 1600), (800, 3200))  # candidates, list of a graph


def kinds(rows: int) -> dict[str, Any]:
    """With inner products, which serve both spaces, but for one; as many cells as is usual, but for two."""
    usual = round(rows**0.5)
    cells = {"distance_type": "dot", "num_partitions": usual}
    return {
        "IVF_RQ": index.IvfRq(**cells),
        "IVF_RQ, cells of 4096": index.IvfRq(distance_type="dot", num_partitions=max(1, round(rows / 4096))),
        "IVF_RQ, 4 times the cells": index.IvfRq(distance_type="dot", num_partitions=4 * usual),
        "IVF_RQ, 4 bits": index.IvfRq(**cells, num_bits=4),
        "IVF_RQ, cosine": index.IvfRq(distance_type="cosine", num_partitions=usual),
        "IVF_SQ": index.IvfSq(**cells),
        "IVF_FLAT": index.IvfFlat(**cells),
        "IVF_HNSW_SQ": index.HnswSq(distance_type="dot", num_partitions=1, m=16, ef_construction=150),
        "IVF_PQ": index.IvfPq(**cells, num_sub_vectors=64),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="a folder of pictures; without it, random vectors")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ann-kinds.json")
    options = parser.parse_args()
    more = options.rows + QUERIES
    vectors = grown(encoded(options.data), more) if options.data else random(more, 512)
    queries = {"pictures": vectors[options.rows :]}
    if options.data:
        queries["words"] = samekind.load("mini").encode_texts([f"a drawing of a {word}" for word in WORDS.split()])
    report = {**facts(), "rows": options.rows, "features": "encoded" if options.data else "random"}
    with tempfile.TemporaryDirectory() as folder:
        for name, told in measure(folder, vectors[: options.rows], queries, options.kinds):
            report[name] = told
            print(name, json.dumps(told), flush=True)
            write(report, options.out)


def measure(
    folder: str, vectors: np.ndarray, queries: dict[str, np.ndarray], wanted: list[str] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """One kind after the other over one table."""
    table = lancedb.connect(folder).create_table(
        "rows",
        schema=pa.schema([pa.field("seq", pa.int64()), pa.field("vector", pa.list_(pa.float32(), vectors.shape[1]))]),
    )
    for start in range(0, len(vectors), PART):
        part = vectors[start : start + PART]
        values = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), part.shape[1])
        table.add(pa.table({"seq": np.arange(start, start + len(part)), "vector": values}, schema=table.schema))
    truth = {kind: [rows for rows, _ in top_k(vectors, asked, TEN)] for kind, asked in queries.items()}
    for name, config in kinds(len(vectors)).items():
        if wanted is None or name in wanted:
            with watched() as cost:
                table.create_index("vector", config=config, name="ann", replace=True)
            cost["disk_mb"] = (table.list_indices()[0].size_bytes or 0) / 1e6
            found = climbed(searches(table, config, vectors), lambda q: top_k(vectors, q[None], TEN), queries, truth)
            yield name, {"build": cost, **found}


def searches(table: Any, config: Any, vectors: np.ndarray) -> Iterator[tuple[str, Search]]:
    """Efforts from little to much; what they give is scored again with the vectors."""
    graph = isinstance(config, index.HnswSq)
    for first, second in LISTS if graph else LADDER:
        probes, count = (1, first) if graph else (max(8, config.num_partitions // first), second)

        def search(query: np.ndarray, probes: int = probes, count: int = count, kept: int = second) -> np.ndarray:
            asked = table.search(query, vector_column_name="vector").distance_type(config.distance_type)
            asked = asked.nprobes(probes).limit(count).select(["seq", "_distance"])
            rows = (asked.ef(kept) if graph else asked).to_arrow().column("seq").to_numpy()
            return rows[np.argsort(-(vectors[rows] @ query))[:TEN]]

        yield f"{probes} cells, {count} candidates" + (f", list {second}" if graph else ""), search


if __name__ == "__main__":
    main()
