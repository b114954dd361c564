"""Measures the scoring of queries against a gallery beside the bare matrix product with top-k, in the same run.

    python benchmarks/score.py [--queries 50000] [--gallery 50000] [--dim 512] [--classes 100] [-k 200] [--rounds 3]

Vectors are made up: a direction for each class and noise around it, norm one. Ours is `score_queries`: P@1 to P@k,
AP@k, first relevant rank and ten hits of every query, ranked exactly. Bare is what can be done with no metric at all,
the products of blocks of queries with the whole gallery and the k largest of each row, by torch or by numpy: both are
tried on a part of the queries, and the faster one runs on all, in turn with ours. faiss's flat index, where it is
installed, and a loop of scikit-learn over queries run on a part and are extrapolated, as the results say.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import facts, headline, write

from samekind.evaluation.scoring import Scores, score_queries

KS = (1, 5, 15, 50, 100, 200)
PART = 10  # one query in so many is enough to choose between bare ways
Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"queries": 50_000, "gallery": 50_000, "dim": 512, "classes": 100, "rounds": 3, "block": 512}
    for name, default in (*sizes.items(), ("loop", 50), ("whole", 4000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("-k", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "score.json")
    options = parser.parse_args()
    report = {**facts(), "threads": torch.get_num_threads(), **measure(options)}
    print(headline(report))
    print(
        json.dumps(
            {name: report[name] for name in ("ours", "bare", "scikit_learn", "whole") if name in report}, indent=2
        )
    )
    write(report, options.out)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures; seconds, mebibytes."""
    data = made(options)
    q, _, g, _ = data
    part = q[: max(1, len(q) // PART)]
    ways = {}
    for name, way in bare_ways().items():
        way(part[:1], g, options)  # libraries load, threads start
        ways[name] = timed(partial(way, part, g, options))[0] / len(part) * len(q)
    best = min((name for name in ways if name != "faiss"), key=ways.__getitem__)
    bare, ours = [], []
    for _ in range(options.rounds):
        bare.append(timed(partial(bare_ways()[best], q, g, options))[0])
        reset = forget_peak()
        seconds, scores = timed(partial(scored, data, options.k))
        ours.append(seconds)
        peak = peak_mebibytes()
    middle = statistics.median(ours)
    return {
        **{name: getattr(options, name) for name in ("queries", "gallery", "dim", "classes", "k")},
        "ours": {
            "seconds": middle,
            "rounds": ours,
            "ratio_to_bare": statistics.median(mine / other for mine, other in zip(ours, bare, strict=True)),
            "peak_mebibytes": peak,
            "peak_of": "the process while it scores, vectors and libraries included" if reset else "the whole run",
            "means": {
                name: float(scores.values[name].mean(dtype=np.float64))
                for name in ("P@1", f"P@{options.k}", f"AP@{options.k}", "first")
            },
        },
        "bare": {
            "way": f"{best}, blocks of {options.block} queries",
            "seconds": statistics.median(bare),
            "rounds": bare,
            "extrapolated_from": f"{len(part)} queries",
            "extrapolated_seconds": ways,
        },
        "scikit_learn": scikit_learn(data, scores, options, middle),
        "whole": whole(options),
    }


def made(options: argparse.Namespace) -> Data:
    """Queries and gallery, vectors and labels."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((options.classes, options.dim), dtype=np.float32)

    def side(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, options.classes, count)
        vectors = rng.standard_normal((count, options.dim), dtype=np.float32)
        for start in range(0, count, 4096):  # in pieces, because memory is measured
            block = vectors[start : start + 4096]
            block += 0.35 * centres[labels[start : start + 4096]]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return vectors, labels

    return *side(options.queries), *side(options.gallery)


def scored(data: Data, k: int) -> Scores:
    """Ours."""
    return score_queries(*data, ks=[*(each for each in KS if each < k), k], map_ks=(k,), denominator="found")


def bare_ways() -> dict[str, Callable[[np.ndarray, np.ndarray, argparse.Namespace], Any]]:
    """Ways to find the k nearest, fast and without care for ties; faiss only where it is installed."""
    ways = {"torch mm + topk": by_torch, "numpy matmul + argpartition": by_numpy}
    try:
        import faiss  # noqa: F401
    except ImportError:
        return ways
    return ways | {"faiss": by_faiss}


def by_torch(q: np.ndarray, g: np.ndarray, options: argparse.Namespace) -> None:
    """A block's scores stay where they are, so that no block has to ask for memory."""
    queries, gallery = torch.from_numpy(q), torch.from_numpy(g)
    scores = torch.empty(min(options.block, len(q)), len(g))
    for start in range(0, len(q), options.block):
        block = queries[start : start + options.block]
        out = torch.mm(block, gallery.T, out=scores[: len(block)])
        torch.topk(out, options.k, dim=1)


def by_numpy(q: np.ndarray, g: np.ndarray, options: argparse.Namespace) -> None:
    """The k largest, sorted."""
    scores = np.empty((min(options.block, len(q)), len(g)), np.float32)
    for start in range(0, len(q), options.block):
        block = q[start : start + options.block]
        out = np.matmul(block, g.T, out=scores[: len(block)])
        places = np.argpartition(out, -options.k, axis=1)[:, -options.k :]
        np.argsort(np.take_along_axis(out, places, axis=1), axis=1)


def by_faiss(q: np.ndarray, g: np.ndarray, options: argparse.Namespace) -> None:
    """The flat index by inner product."""
    import faiss

    index = faiss.IndexFlatIP(g.shape[1])
    index.add(g)
    index.search(q, options.k)


def scikit_learn(data: Data, scores: Scores, options: argparse.Namespace, ours: float) -> dict[str, Any]:
    """Query by query: scores, the first k, scikit-learn's average precision of them. Checked against ours."""
    from sklearn.metrics import average_precision_score

    q, ql, g, gl = data
    queries, k = min(options.loop, len(q)), options.k

    def loop() -> list[float]:
        found = []
        for vector, label in zip(q[:queries], ql[:queries], strict=True):
            values = g @ vector
            top = np.argsort(-values)[:k]
            relevant = gl[top] == label
            found.append(average_precision_score(relevant, values[top]) if relevant.any() else 0.0)
        return found

    loop()
    seconds, found = timed(loop)
    np.testing.assert_allclose(found, scores.values[f"AP@{k}"][:queries], atol=1e-3)  # theirs rounds before it ranks
    extrapolated = seconds / queries * len(q)
    return {"queries": queries, "extrapolated_seconds": extrapolated, "times_slower": extrapolated / ours}


def whole(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a pair of a small data set, the whole gallery ranked for mAP@all."""
    small = argparse.Namespace(**{**vars(options), "queries": options.whole, "gallery": options.whole})
    data = made(small)
    seconds = [timed(lambda: score_queries(*data, ks=KS, map_ks=(200, None)))[0] for _ in range(3)]
    return {"queries": options.whole, "gallery": options.whole, "seconds": statistics.median(seconds)}


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came back."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def forget_peak() -> bool:
    """Start the kernel's account of this process's largest memory anew, where it allows that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_mebibytes() -> float:
    """The largest resident memory since then, or since the process began."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
