"""What `mini` costs beside CLIP ViT-B/32: files to vectors, memory, and the first answer after typing a search.

    python benchmarks/mini.py [--large 100] [--small 1000] [--repeats 3]

Both models encode the same JPEGs with the same calls in one run, taking turns pass by pass; B/32 has random weights,
which cost what real ones cost. Each rate is the best of `--repeats` passes after a warm-up, files in the page cache.
The cold search is `samekind search SKETCH --gallery G` as a whole process, over a gallery of the small files: the
median with everything in the page cache, and, where this process may drop that cache (as root), with Python, torch and
the weights read from disk again. Prints a table and writes benchmarks/results/mini-cost.json.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from encode import measure
from machine import facts, headline, write
from materials import LARGE, SMALL, make_checkpoint, make_pictures

HERE = Path(__file__).resolve().parent
CACHES = Path("/proc/sys/vm/drop_caches")


def encoding(folder: Path, files: dict[str, list[str]], repeats: int) -> list[dict[str, Any]]:
    """One row per model and kind of files; a fresh process for each pass, the models in turn."""
    models = {"mini": "mini", "b32": str(make_checkpoint(folder / "b32", 32))}
    rows = []
    for kind, paths in files.items():
        seconds: dict[str, list[float]] = {name: [] for name in models}
        peaks: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(repeats):
            for name, checkpoint in models.items():
                done = measure(folder, engine="ours", checkpoint=checkpoint, paths=paths, warm_up=min(64, len(paths)))
                seconds[name] += done["seconds"]
                peaks[name] += [max(done["load_mb"], done["peak_mb"])]
        for name in models:
            rate = len(paths) / min(seconds[name])
            rows.append(
                {"model": name, "files": kind, "pictures": len(paths), "rate": rate, "peak_mb": max(peaks[name])}
            )
    return rows


def cold_search(folder: Path, paths: list[str], repeats: int) -> dict[str, float | None]:
    """Seconds from typing a search to its answer."""
    gallery = folder / "gallery"
    run = [sys.executable, "-m", "samekind"]
    source = str(Path(paths[0]).parent)
    subprocess.run([*run, "index", source, "--gallery", str(gallery), "--json"], check=True, stdout=subprocess.DEVNULL)
    search = [*run, "search", paths[0], "--gallery", str(gallery), "--json"]

    def once(drop: bool) -> float:
        if drop:
            subprocess.run(["sync"], check=True)
            CACHES.write_text("3")
        began = time.perf_counter()
        subprocess.run(search, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    once(False)
    warm = statistics.median(once(False) for _ in range(repeats))
    try:
        from_disk = statistics.median(once(True) for _ in range(repeats))
    except OSError:
        from_disk = None
    return {"cached": warm, "from_disk": from_disk}


def table(report: dict[str, Any]) -> str:
    """The report for people, as Markdown."""
    lines = [headline(report), "", "| files | model | pictures/s | peak MB |", "|---|---|---|---|"]
    for row in report["rows"]:
        lines.append(f"| {row['files']} | {row['model']} | {row['rate']:.1f} | {row['peak_mb']:.0f} |")
    cold = report["cold_search_seconds"]
    told = f"{cold['cached']:.2f} s" + ("" if cold["from_disk"] is None else f", {cold['from_disk']:.2f} s from disk")
    ratios = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in report["mini_over_b32"].items())
    return "\n".join([*lines, "", f"mini / b32: {ratios}. A search after typing it: {told}."])


def main() -> None:
    """Make the materials, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=100, help="JPEGs of 12 megapixels")
    parser.add_argument("--small", type=int, default=1000, help="JPEGs of 224 x 224")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "mini-cost.json")
    args = parser.parse_args()
    report: dict[str, Any] = facts()
    with tempfile.TemporaryDirectory(prefix="samekind-mini-") as temporary:
        folder = Path(temporary)
        files = {"large": make_pictures(folder / "large", args.large, LARGE)}
        files["small"] = make_pictures(folder / "small", args.small, SMALL)
        report["rows"] = encoding(folder, files, args.repeats)
        report["cold_search_seconds"] = cold_search(folder, files["small"], args.repeats)
    rates = {(row["files"], row["model"]): row["rate"] for row in report["rows"]}
    report["mini_over_b32"] = {kind: rates[kind, "mini"] / rates[kind, "b32"] for kind in ("large", "small")}
    write(report, args.out)
    print(table(report))


if __name__ == "__main__":
    main()
