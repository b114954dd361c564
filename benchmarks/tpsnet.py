"""Measures the cost of `samekind train tpsnet` with growing numbers of pictures, each from files to a saved retriever.

    python benchmarks/tpsnet.py --data ../shared/data/pacs [--domains photo,sketch] [--classes 7] [--times 1 2 4]

Each size is trained in a process of its own, so that its peak memory is its own. The cache folder is empty at first;
later sizes find little or nothing in it, as chunks are cut anew where the number of pictures doubles. The second and
further copies of a picture are mirrored, or cut by a few pixels, and written anew: their content is another, as that of
other pictures would be. The first size is trained twice, the second time with another seed and everything encoded.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import facts, headline, write
from PIL import Image, ImageOps

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--domains", default="photo,sketch")
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "tpsnet-cost.json")
    options = parser.parse_args()
    report: dict[str, Any] = {**facts(), "domains": options.domains.split(","), "classes": options.classes, "runs": []}
    with tempfile.TemporaryDirectory(prefix="samekind-cost-") as folder:
        world = Path(folder, "world")
        made = 0
        for times in sorted(options.times):
            for copy in range(made, times):
                copied(options.data.expanduser(), options.domains.split(","), world, copy)
            report["runs"].append({"times": times, **trained(world, Path(folder, f"r{times}"), options)})
            print(json.dumps(report["runs"][-1]), flush=True)
            if not made:
                report["again"] = trained(world, Path(folder, "again"), options, seed=1)
            made = times
    print(headline(report))
    print(json.dumps({name: report[name] for name in ("runs", "again")}, indent=2))
    write(report, options.out)


def copied(data: Path, domains: list[str], world: Path, copy: int) -> None:
    """Every picture once more: as it is, or changed in a way that follows from the copy's number."""
    for domain in domains:
        for file in sorted((data / domain).rglob("*")):
            if file.suffix.lower() not in PICTURES:
                continue
            target = world / domain / file.relative_to(data / domain)
            target = target.with_name(f"{target.stem}.{copy}{target.suffix}")
            target.parent.mkdir(parents=True, exist_ok=True)
            if copy == 0:
                target.symlink_to(file.resolve())
                continue
            with Image.open(file) as picture:
                changed = ImageOps.mirror(picture) if copy % 2 else picture.copy()
                if copy > 1:
                    changed = ImageOps.crop(changed, border=copy)
                changed.save(target, quality=90)


def trained(world: Path, out: Path, options: argparse.Namespace, seed: int = 0) -> dict[str, Any]:
    """Seconds in all and by part, and peak memory, of one training in a process of its own."""
    command = [sys.executable, "-m", "samekind", "train", "tpsnet", "--data", str(world), "--out", str(out)]
    command += ["--classes-count", str(options.classes), "--seed", str(seed), "--json"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(world.parent / "cache"), "SAMEKIND_CACHE_GIB": "16"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        card = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"training ended with status {process.returncode}")
    facts = card["training"]
    return {
        "pictures": sum(facts["domains"].values()),
        "seconds": round(time.perf_counter() - began, 1),
        "parts": facts["seconds"],
        "peak_mebibytes": round(usage.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
