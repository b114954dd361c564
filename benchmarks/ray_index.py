"""What a Ray cluster costs and brings: one and two nodes of a core each, beside threads of one process.

    python benchmarks/ray_index.py [--pictures FOLDER] [--count 480] [--repeats 3]

Takes real pictures (PACS, 227 x 227) and `mini`. All sides take turns in one process, so that what else the machine
does meets each of them: look at the ratios. A run indexes all pictures, and another one an eighth of them; the
difference is what a picture costs, the rest what starting costs (joining the cluster, an actor on each node with the
retriever in it). The cluster of nodes is running before. Writes benchmarks/results/ray-index.json.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import facts, headline, write

HERE = Path(__file__).resolve().parent
PACS = HERE.parents[1] / "shared" / "data" / "pacs"
SHARE = 8


def sides(addresses: dict[int, str]) -> dict[str, dict[str, Any]]:
    """By name: options of `Gallery.add`, and torch's threads in this process."""
    found: dict[str, dict[str, Any]] = {f"threads {n}": {"workers": n, "ray": None, "torch": n} for n in (1, 2)}
    return found | {f"ray {n}": {"workers": 1, "ray": address, "torch": 1} for n, address in addresses.items()}


def seconds(folder: Path, pictures: list[Path], workers: int, ray: str | None, torch: int) -> float:
    """Of indexing pictures into a new gallery."""
    import torch as numbers

    import samekind

    numbers.set_num_threads(torch)
    listing = folder / "list.txt"
    listing.write_text("\n".join(map(str, pictures)))
    gallery = samekind.Gallery.open(folder / "gallery", samekind.load("mini"), create=True)
    began = time.perf_counter()
    report = gallery.add(listing, workers=workers, ray=ray)
    took = time.perf_counter() - began
    assert report.listed == len(pictures)
    assert not report.skipped
    shutil.rmtree(folder / "gallery")
    return took


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=PACS)
    parser.add_argument("--count", type=int, default=480)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    pictures = sorted(options.pictures.rglob("*.jpg"))[::7][: options.count]
    assert len(pictures) == options.count, "too few pictures"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="rb-", dir="/tmp") as place:
        os.environ["RAY_TMPDIR"] = place
        Path(place, "ray").mkdir()
        from ray.cluster_utils import Cluster

        clusters = {}
        for nodes in (1, 2):
            clusters[nodes] = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
            for _ in range(nodes):
                clusters[nodes].add_node(num_cpus=1)
        took: dict[str, list[tuple[float, float]]] = {}
        for turn in range(options.repeats):
            for name, side in sides({n: each.address for n, each in clusters.items()}).items():
                few = seconds(Path(place), pictures[::SHARE], **side)
                took.setdefault(name, []).append((few, seconds(Path(place), pictures, **side)))
                print(turn, name, [round(each, 2) for each in took[name][-1]], flush=True)
        for cluster in clusters.values():
            cluster.shutdown()
    report = facts() | {
        "pictures": options.count,
        "sides": {name: told(runs, options.count) for name, runs in took.items()},
    }
    write(report, HERE / "results" / "ray-index.json")
    print(headline(report))


def told(runs: list[tuple[float, float]], count: int) -> dict[str, Any]:
    """Medians: milliseconds for a picture more, seconds until the first; and what was measured."""
    each = [(full - few) / (count - count // SHARE) for few, full in runs]
    start = [few - cost * (count // SHARE) for (few, _), cost in zip(runs, each, strict=True)]
    return {
        "ms_per_picture": round(1000 * statistics.median(each), 2),
        "start_seconds": round(statistics.median(start), 2),
        "seconds_few_and_all": [[round(value, 3) for value in run] for run in runs],
    }


if __name__ == "__main__":
    main()
