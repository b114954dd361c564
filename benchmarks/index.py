"""How fast pictures become a gallery: opened by threads or by processes, one or several of them, and encoded.

    python benchmarks/index.py [--pictures FOLDER] [--small 400] [--large 48] [--repeats 5]
                               [--models open mini b32]

Takes real pictures (PACS, 227 x 227) as they are, and mosaics of them as JPEGs of 12 megapixels; models are none
(`open`: pictures are opened and dropped), `mini`, and a ViT-B/32 of random weights, which costs what a real one does.
All sides of a comparison take turns in one process, so that what else the machine does meets each of them: look at the
ratios, and at the seconds of processors, which neighbours hardly change. Rates are of the median pass, files in the
page cache, starting of processes included. Memory is the largest sum over a process and its children, in a process of
its own for each side, with the large pictures. `split` is what encoding in two processes would give: two runs at
once, of one torch thread and one opening thread each, over half of the pictures, beside one run over all. Writes
benchmarks/results/index.json after every model and kind of pictures, so that what was measured is kept.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import facts, headline, write
from materials import LARGE, QUALITY, make_checkpoint
from PIL import Image

HERE = Path(__file__).resolve().parent
PACS = HERE.parents[1] / "shared" / "data" / "pacs"
MODELS = ("open", "mini", "b32")
TILE = 250
SAMPLE = 0.1  # seconds between two looks at the memory


def side(reader: str, workers: int, threads: int) -> dict[str, Any]:
    """Who opens pictures, and how many threads torch has."""
    return {"reader": reader, "workers": workers, "torch": threads}


OPENING = [side("threads", 2, 2), side("threads", 1, 2)] + [side("processes", n, 2) for n in (1, 2, 3, 4)]
ENCODING = [side("threads", 2, 2), side("threads", 2, 1), side("threads", 1, 1)]
ENCODING += [side("processes", n, 2) for n in (1, 2, 4)] + [side("processes", 2, 1)]
BASE = side("threads", 2, 2)  # what is there without any option on two cores: the first of both lists


def name(each: dict[str, Any]) -> str:
    """A side in a word."""
    return f"{each['reader']} {each['workers']}, torch {each['torch']}"


def mosaics(folder: Path, files: Sequence[Path], count: int) -> list[Path]:
    """JPEGs of 12 megapixels of many real pictures each: detail as photographs have it, everywhere."""
    folder.mkdir()
    generator, made = np.random.default_rng(0), []
    for number in range(count):
        whole = Image.new("RGB", LARGE)
        for place in range(LARGE[0] // TILE * (LARGE[1] // TILE)):
            chosen = files[int(generator.integers(len(files)))]
            tile = Image.open(chosen).convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
            whole.paste(tile, (place % (LARGE[0] // TILE) * TILE, place // (LARGE[0] // TILE) * TILE))
        made.append(folder / f"{number:03}.jpg")
        whole.save(made[-1], quality=QUALITY)
    return made


def measure(folder: Path, jobs: Sequence[dict[str, Any]]) -> tuple[list[Any], float, dict[str, float]]:
    """Run jobs at the same time, begun together; their results, seconds in all, and the peak of memory in MB."""
    running = []
    for number, job in enumerate(jobs):
        file = folder / f"job{number}.json"
        file.write_text(json.dumps(job))
        command = [sys.executable, str(HERE / "index_jobs.py"), str(file)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in running:
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    peak = {"rss_mb": 0.0, "pss_mb": 0.0}
    while any(process.poll() is None for process in running):
        now = memory([process.pid for process in running])
        peak = {key: max(peak[key], now[key]) for key in peak}
        time.sleep(SAMPLE)
    seconds = time.perf_counter() - began
    return [json.loads(process.communicate()[0]) for process in running], seconds, peak


def memory(parents: Sequence[int]) -> dict[str, float]:
    """Resident memory of processes and their children, what is shared counted each time (rss) and once (pss)."""
    total = {"rss_mb": 0.0, "pss_mb": 0.0}
    for parent in parents:
        try:
            family = [psutil.Process(parent), *psutil.Process(parent).children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in family:
            try:
                found = process.memory_full_info()
            except psutil.Error:
                continue
            total = {"rss_mb": total["rss_mb"] + found.rss / 1e6, "pss_mb": total["pss_mb"] + found.pss / 1e6}
    return total


def rates(folder: Path, job: dict[str, Any], count: int, label: dict[str, str]) -> list[dict[str, Any]]:
    """A row for each side: medians over the passes, and the ratio to the first side, pass by pass."""
    (passes,), _, _ = measure(folder, [job])
    rows = []
    for each, done in zip(job["sides"], passes, strict=True):
        medians = {key: statistics.median(one[key] for one in done) for key in ("seconds", "first", "cpu")}
        ratio = [base["seconds"] / one["seconds"] for base, one in zip(passes[0], done, strict=True)]
        row = {**label, **each, "pictures": count, "rate": count / medians["seconds"]}
        later = statistics.median(one["seconds"] - one["first"] for one in done)
        row |= {"rate_after_first": (count - 1) / later, "first_seconds": medians["first"]}
        row |= {"cpu_ms": 1000 * medians["cpu"] / count, "over_threads": statistics.median(ratio)}
        rows.append(row)
        told = f"{row['rate']:7.1f}/s {row['over_threads']:5.2f}x {row['cpu_ms']:6.1f} ms CPU"
        print(f"{' '.join(label.values()):10} {name(each):22} {told}  first {row['first_seconds']:.2f} s", flush=True)
    return rows


def memories(folder: Path, job: dict[str, Any]) -> list[dict[str, float]]:
    """The peak of each side, alone in a process."""
    return [measure(folder, [{**job, "sides": [each], "repeats": 1}])[2] for each in job["sides"]]


def split(folder: Path, job: dict[str, Any], paths: Sequence[Path], repeats: int) -> dict[str, Any]:
    """Two processes that encode over one, and what they take of memory."""
    halves = [listing(folder / f"half{part}.txt", paths[part::2]) for part in (0, 1)]
    both = [{**job, "sides": [side("threads", 1, 1)], "listing": half, "repeats": 1} for half in halves]
    alone, ratios, peaks = {**job, "sides": [BASE], "repeats": 1}, [], []
    for _ in range(repeats):
        (_, one, _), (_, two, peak) = measure(folder, [alone]), measure(folder, both)
        ratios.append(one / two)
        peaks.append(peak)
    found = {"over_threads": statistics.median(ratios), **max(peaks, key=lambda peak: peak["pss_mb"])}
    print(f"split: {found['over_threads']:.2f}x, {found['pss_mb']:.0f} MB", flush=True)
    return found


def listing(file: Path, paths: Sequence[Path]) -> str:
    """The files as a source."""
    file.write_text("".join(f"{path}\n" for path in paths))
    return str(file)


def table(report: dict[str, Any]) -> str:
    """The report for people, as Markdown."""
    lines = [headline(report), "", "| model | files | opened by | torch | pictures/s | / threads 2 | CPU ms | first s "]
    lines[-1] += "| RSS MB | PSS MB |"
    lines.append("|---" * 10 + "|")
    for row in report["rows"]:
        cells = [row["model"], row["files"], f"{row['reader']} {row['workers']}", row["torch"], f"{row['rate']:.1f}"]
        cells += [f"{row['over_threads']:.2f}", f"{row['cpu_ms']:.1f}", f"{row['first_seconds']:.2f}"]
        cells += [f"{row[key]:.0f}" if key in row else "" for key in ("rss_mb", "pss_mb")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "| model | files | two that encode / threads 2, torch 2 | PSS MB |", "|---" * 4 + "|"]
    lines += [
        f"| {row['model']} | {row['files']} | {row['over_threads']:.2f} | {row['pss_mb']:.0f} |"
        for row in report["split"]
    ]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=PACS, help="a folder of real pictures")
    parser.add_argument("--small", type=int, default=400, help="of them as they are")
    parser.add_argument("--large", type=int, default=48, help="JPEGs of 12 megapixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "index.json")
    return parser.parse_args()


def main() -> None:
    """Make the materials, measure, report."""
    args = arguments()
    report: dict[str, Any] = {**facts(), "note": "other work ran on the machine: compare ratios", "rows": []}
    real = sorted(each for each in args.pictures.rglob("*") if each.suffix in (".jpg", ".png", ".webp"))
    with tempfile.TemporaryDirectory(prefix="samekind-index-") as temporary:
        folder = Path(temporary)
        files = {"small": [real[place] for place in np.linspace(0, len(real) - 1, args.small, dtype=int)]}
        files["large"] = mosaics(folder / "large", real, args.large)
        report["split"] = []
        for model in args.models:
            checkpoint = str(make_checkpoint(folder / "b32", 32)) if model == "b32" else model
            for kind, paths in files.items():
                job = {"model": checkpoint, "listing": listing(folder / f"{kind}.txt", paths)}
                job |= {"sides": OPENING if model == "open" else ENCODING, "repeats": args.repeats}
                label = {"model": model, "files": kind}
                rows = rates(folder, job, len(paths), label)
                peaks = memories(folder, job) if kind == "large" else [{}] * len(rows)
                report["rows"] += [row | peak for row, peak in zip(rows, peaks, strict=True)]
                if model != "open":
                    report["split"].append(label | split(folder, job, paths, max(1, args.repeats // 2)))
                write(report, args.out)
    print(table(report))


if __name__ == "__main__":
    main()
