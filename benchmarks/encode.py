"""How fast files become vectors, beside what else one could use: the same random ViT-B weights for all, in one run.

    python benchmarks/encode.py [--large 500] [--small 2000] [--baseline-count 200] [--models b32 b16] [--repeats 3]

Makes JPEGs of 12 megapixels and of 224 pixels and two CLIP checkpoints in a temporary folder (deterministic, about
2 GB at full size), measures every engine in a process of its own, prints a table and writes
benchmarks/results/encode.json. The slow baselines may take a part of the pictures (`--baseline-count`): rates are
pictures per second. Each rate is the best of `--repeats` passes after a warm-up; files are in the page cache. Peak
memory is that of the passes, without what loading took.

    bare                   the forward pass alone on ready tensors, in the precision that samekind chooses
    ours                   samekind: encode_images(paths)
    sentence_transformers  SentenceTransformer(folder).encode(paths)
    onnxruntime            float32, fed by a plain Pillow loop
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, headline, write
from materials import LARGE, SMALL, make_checkpoint, make_pictures

HERE = Path(__file__).resolve().parent
MODELS = {"b32": 32, "b16": 16}
GOALS = {"bare": 0.9, "sentence_transformers": 3.0, "onnxruntime": 1.5}  # ours / other, at least; bare: small files


def measure(folder: Path, **job: Any) -> dict[str, Any]:
    """Run one job in a fresh process; its result. Raises CalledProcessError when the engine fails."""
    path = folder / "job.json"
    path.write_text(json.dumps({"repeats": 1, "warm_up": 2, **job}))
    command = [sys.executable, str(HERE / "encode_engines.py"), str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def agreement(one: Path, other: Path) -> float:
    """The smallest cosine between the same picture's vectors from two engines: proof that the weights are the same."""
    a, b = (np.load(path) for path in (one, other))
    a, b = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (a[: len(b)], b[: len(a)]))
    return float((a * b).sum(1).min())


def compare(folder: Path, model: str, kind: str, paths: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per engine over one kind of files."""
    rows = []
    for engine in ("bare", "ours", "sentence_transformers", "onnxruntime"):
        slow = engine in ("sentence_transformers", "onnxruntime")
        part = paths[: args.baseline_count] if slow else paths
        vectors = folder / f"{engine}.npy"
        job = {"engine": engine, "checkpoint": str(folder / model), "onnx": str(folder / f"{model}.onnx")}
        job |= {"paths": part, "repeats": args.repeats, "warm_up": min(64, len(part)), "vectors": str(vectors)}
        result = measure(folder, **job)
        row = {"model": model, "files": kind, "engine": engine, "pictures": len(part), **result}
        row["rate"] = len(part) / min(result["seconds"])
        if slow:
            row["least_cosine_to_ours"] = agreement(folder / "ours.npy", vectors)
        rows.append(row)
        print(f"{model} {kind:5} {engine:21} {row['rate']:8.1f} pictures/s  {row['peak_mb']:6.0f} MB", file=sys.stderr)
    mine = next(row["rate"] for row in rows if row["engine"] == "ours")
    return [row | {"ours_over_this": mine / row["rate"]} for row in rows]


def memory(folder: Path, model: str, paths: list[str]) -> list[dict[str, Any]]:
    """Peak memory of our engine against the number of pictures."""
    counts = sorted({max(1, len(paths) // part) for part in (16, 4, 1)})
    job = {"engine": "ours", "checkpoint": str(folder / model)}
    results = [measure(folder, **job, paths=paths[:count], warm_up=min(32, count)) for count in counts]
    return [{"model": model, "pictures": n, "peak_mb": r["peak_mb"]} for n, r in zip(counts, results, strict=True)]


def table(report: dict[str, Any]) -> str:
    """The report for people, as Markdown."""
    lines = [headline(report), *(f"{kind}: {told}" for kind, told in report["pictures"].items())]
    lines += [
        "",
        "| model | files | engine | pictures/s | ours / this | goal | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        goal = "" if row["engine"] == "bare" and row["files"] == "large" else GOALS.get(row["engine"], "")
        cells = [row["model"], row["files"], row["engine"], f"{row['rate']:.1f}", f"{row['ours_over_this']:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{goal}", f"{row['peak_mb']:.0f}"]) + " |")
    lines += ["", "| model | pictures | peak MB of ours |", "|---" * 3 + "|"]
    lines += [f"| {row['model']} | {row['pictures']} | {row['peak_mb']:.0f} |" for row in report["memory"]]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=500, help="JPEGs of 12 megapixels")
    parser.add_argument("--small", type=int, default=2000, help="JPEGs of 224 x 224")
    parser.add_argument("--baseline-count", type=int, default=None, help="pictures for the slow baselines (all)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "encode.json")
    return parser.parse_args()


def main() -> None:
    """Make the materials, measure, report."""
    args = arguments()
    report: dict[str, Any] = {
        **facts(),
        "settings": {"large": args.large, "small": args.small, "baseline_count": args.baseline_count}
        | {"repeats": args.repeats, "omp_num_threads": os.environ.get("OMP_NUM_THREADS")},
    }
    with tempfile.TemporaryDirectory(prefix="samekind-encode-") as temporary:
        folder = Path(temporary)
        files = {"large": make_pictures(folder / "large", args.large, LARGE)}
        files["small"] = make_pictures(folder / "small", args.small, SMALL)
        sizes = {kind: np.mean([Path(path).stat().st_size for path in paths]) for kind, paths in files.items()}
        pixels = {"large": LARGE, "small": SMALL}
        report["pictures"] = {
            kind: f"{len(files[kind])} JPEGs of {pixels[kind][0]} x {pixels[kind][1]}, {sizes[kind] / 1000:.0f} kB each"
            for kind in files
        }
        report["rows"], report["memory"] = [], []
        for model in args.models:
            checkpoint = make_checkpoint(folder / model, MODELS[model])
            export = {"engine": "export", "checkpoint": str(checkpoint), "onnx": str(folder / f"{model}.onnx")}
            measure(folder, **export, paths=[])
            for kind, paths in files.items():
                report["rows"] += compare(folder, model, kind, paths, args)
            report["memory"] += memory(folder, model, files["small"])
    write(report, args.out)
    print(table(report))


if __name__ == "__main__":
    main()
