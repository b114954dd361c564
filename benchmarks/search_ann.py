"""Measures approximate searches: a gallery's index beside faiss and usearch, on the same vectors, in the same run.

    python benchmarks/search_ann.py [--data ../shared/data/pacs] [--rows 200000] [--without faiss-hnsw usearch ...]

Vectors: those of the pictures below --data by `mini`, and points between them (`features.py`); without --data random
ones. Queries: rows that were held out, and words. Every side climbs its own ladder of efforts until it finds 0.99 of
the ten best of the pictures, then of the words; seconds are medians, taken in turn with exact searches of the gallery,
as a ratio to these. The processors' seconds (`cpu`) tell more where other programs compute beside it. Writes
benchmarks/results/search-ann.json (see --out).
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from features import encoded, grown, random
from machine import facts, write
from materials import make_gallery

import samekind
from samekind.gallery.ann.build import Keeper
from samekind.gallery.schema import Meta
from samekind.gallery.store import Gallery

AIM, TEN, QUERIES = 0.99, 10, 100
EXACT = 10  # queries that are searched exactly in turn with a side's
Search = Callable[[np.ndarray], np.ndarray]
WORDS = "anchor arrow balloon barn bell bomb brain broom bucket bulldozer cactus calculator cannon canoe carrot ceiling"
WORDS += " cello chandelier clarinet compass cookie couch diamond dumbbell ear envelope feather fireplace flamingo foot"
WORDS += (
    " garden goatee golf grapes grass hedgehog hospital hourglass hurricane jacket jail kangaroo lantern laptop lighter"
)
WORDS += (
    " map megaphone mermaid microphone monkey mosquito mug nail necklace nose ocean octopus onion oven paintbrush panda"
)


class Sides:
    """Each makes its index of the vectors, and gives searches of growing effort; ids of the ten best."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.cells = round(len(vectors) ** 0.5)

    def faiss_flat(self) -> tuple[float, Iterator[tuple[str, Search]]]:
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(self.vectors)
        return self.vectors.nbytes / 1e6, iter([("all rows", lambda q: index.search(q[None], TEN)[1][0])])

    def faiss_hnsw(self) -> tuple[float, Iterator[tuple[str, Search]]]:
        index = faiss.IndexHNSWFlat(self.vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        index.add(self.vectors)

        def searches() -> Iterator[tuple[str, Search]]:
            for effort in (32, 64, 128, 256, 512, 1024, 2048, 4096):
                index.hnsw.efSearch = effort
                yield f"efSearch {effort}", lambda q: index.search(q[None], TEN)[1][0]

        return size(index), searches()

    def faiss_ivfpq(self) -> tuple[float, Iterator[tuple[str, Search]]]:
        """Codes of 64 bytes; the candidates are scored again with the vectors, as those of our own index are."""
        index = faiss.index_factory(self.vectors.shape[1], f"IVF{self.cells},PQ128x4fs", faiss.METRIC_INNER_PRODUCT)
        index.train(self.vectors[: self.cells * 64])
        index.add(self.vectors)

        def searches() -> Iterator[tuple[str, Search]]:
            for part, candidates in (
                (50, 100),
                (20, 200),
                (8, 300),
                (4, 500),
                (2, 500),
                (1, 500),
                (1, 1000),
                (1, 3000),
            ):
                index.nprobe = max(8, self.cells // part)

                def search(query: np.ndarray, candidates: int = candidates) -> np.ndarray:
                    rows = index.search(query[None], candidates)[1][0]
                    rows = rows[rows >= 0]
                    return rows[np.argsort(-(self.vectors[rows] @ query))[:TEN]]

                yield f"nprobe {index.nprobe}, {candidates} scored again", search

        return size(index), searches()

    def usearch(self) -> tuple[float, Iterator[tuple[str, Search]]]:
        from usearch.index import Index

        index = Index(ndim=self.vectors.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=100)
        index.add(np.arange(len(self.vectors)), self.vectors, threads=2)

        def searches() -> Iterator[tuple[str, Search]]:
            for effort in (32, 64, 128, 256, 512, 1024, 2048, 4096):
                index.expansion_search = effort
                yield f"expansion {effort}", lambda q: index.search(q, TEN).keys

        return index.serialized_length / 1e6, searches()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="a folder of pictures; without it, random vectors")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512, help="of random vectors")
    parser.add_argument("--without", nargs="*", default=[], help="faiss-flat, faiss-hnsw, faiss-ivfpq, usearch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "search-ann.json")
    options = parser.parse_args()
    base = encoded(options.data) if options.data else None
    more = options.rows + QUERIES
    vectors = random(more, options.dim) if base is None else grown(base, more)
    queries = {"pictures": vectors[options.rows :]}
    if base is not None:
        queries["words"] = samekind.load("mini").encode_texts([f"a drawing of a {word}" for word in WORDS.split()])
    with tempfile.TemporaryDirectory() as folder:
        report = {**facts(), "rows": options.rows, "features": "encoded" if options.data else "random"}
        for name, side in measure(Path(folder), vectors[: options.rows], queries, options.without):
            report[name] = side
            print(name, json.dumps(side), flush=True)
            write(report, options.out)


def measure(
    folder: Path, vectors: np.ndarray, queries: dict[str, np.ndarray], without: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ours first; each side is gone from memory before the next one is made."""
    mini = samekind.load("mini")
    meta = Meta.of(mini) if vectors.shape[1] == mini.dim else None
    known = {"name": "random", "sha256": "0" * 64, "space": "cosine", "ref": None, "uuid": "0", "created": ""}
    make_gallery(folder, len(vectors), meta or Meta(dim=vectors.shape[1], **known), vectors)
    gallery = Gallery.open(folder)
    truth = {kind: [numbers(hits) for hits in gallery.nearest(asked, TEN)] for kind, asked in queries.items()}
    keeper = Keeper(folder, gallery.meta, lambda: (gallery.refresh(), gallery.snapshot())[1], lambda: mini)
    with watched() as cost:
        ann = keeper.keep(True)
    gallery.refresh()
    exact = {"search": lambda q: gallery.nearest(q[None], TEN), "queries": queries, "truth": truth}
    if ann is not None:
        ours = {"build": {**cost, **ann.seconds, "disk_mb": ann.megabytes}, "facts": ann.to_dict()}

        def approximate(query: np.ndarray) -> np.ndarray:
            return numbers(gallery.nearest(query[None], TEN, exact=False)[0])

        yield "samekind", {**ours, **climbed(iter([("its own", approximate)]), **exact)}
    plain = np.asarray(gallery.snapshot().vectors)
    for name in ("faiss-flat", "faiss-ivfpq", "faiss-hnsw", "usearch"):
        if name not in without:
            with watched() as cost:
                megabytes, searches = getattr(Sides(plain), name.replace("-", "_"))()
            yield name, {"build": {**cost, "index_mb": megabytes}, **climbed(searches, **exact)}
            del searches


def climbed(
    searches: Iterator[tuple[str, Search]],
    search: Callable[[np.ndarray], Any],
    queries: dict[str, np.ndarray],
    truth: dict[str, list[np.ndarray]],
) -> dict[str, Any]:
    """Per kind of query the first effort that finds 0.99 of the ten best, or the last one, with its time."""
    told: dict[str, Any] = {}
    for effort, side in searches:
        for kind, asked in queries.items():
            if told.get(kind, {}).get("recall", 0.0) >= AIM:
                continue
            for query in asked:  # what a side reads when it is first asked is in memory then
                side(query)
            ours, theirs, same = [], [], 0
            for number, (query, best) in enumerate(zip(asked, truth[kind], strict=True)):
                if number < EXACT:
                    theirs.append(timed(search, query)[0])
                took, found = timed(side, query)
                ours.append(took)
                same += len(set(found.tolist()) & set(best.tolist()))
            told[kind] = {"effort": effort, "recall": same / TEN / len(asked), **compared(ours, theirs)}
        if all(told[kind]["recall"] >= AIM for kind in queries):
            break
    return told


def numbers(hits: Any) -> np.ndarray:
    """Row numbers, from the ids that `make_gallery` gives."""
    return np.array([int(hit.id, 16) for hit in hits])


def timed(search: Callable[[np.ndarray], Any], query: np.ndarray) -> tuple[tuple[float, float], Any]:
    """Seconds by the clock and of the processors, and what came back."""
    began, worked = time.perf_counter(), time.process_time()
    result = search(query)
    return (time.perf_counter() - began, time.process_time() - worked), result


def compared(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> dict[str, float]:
    """Medians of both kinds of seconds, of a side's searches and of exact ones, with their ratios."""
    told = {}
    for name, mine, other in zip(("", "cpu_"), zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        seconds, exact = statistics.median(mine), statistics.median(other)
        told |= {f"{name}seconds": seconds, f"exact_{name}seconds": exact, f"{name}ratio": seconds / exact}
    return told


def size(index: Any) -> float:
    """Megabytes of a faiss index as it would be saved."""
    return float(faiss.serialize_index(index).nbytes) / 1e6


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Seconds, and megabytes that no file backs, at most, above what they were."""
    told: dict[str, float] = {}
    done = threading.Event()
    before, began = anonymous(), time.perf_counter()
    most = [before]

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield told
    finally:
        done.set()
        watcher.join()
        told |= {"seconds": time.perf_counter() - began, "peak_memory_mb": most[0] - before}


def anonymous() -> float:
    """Megabytes of this process that no file backs."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(lines["RssAnon"].split()[0]) / 1e3


if __name__ == "__main__":
    main()
