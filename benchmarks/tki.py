"""Measures the cost of `samekind train tki` with growing numbers of names and of domain words, from names alone.

    python benchmarks/tki.py [--names 7 100 1000 5000] [--words 20 80 320] [--orders 20]

Each training is a process of its own, so that its peak memory is its own; names are the first of the generic ones in an
order drawn by chance, and behind these pairs of them. Beside it: how different words become that are learned together,
one after another, or not at all, by the mean |cosine| of "a S style of a" and the seconds that it takes (with
`--orders` words, at 100 names).
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from machine import facts, headline, write

from samekind.training.names import read_names

OUT = Path(__file__).parent / "results" / "tki-cost.json"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, nargs="+", default=[7, 100, 1_000, 5_000])
    parser.add_argument("--words", type=int, nargs="+", default=[20, 80, 320])
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    report: dict[str, Any] = {**facts(), "runs": [], "orders": []}
    sizes = [(names, 80) for names in options.names] + [(100, words) for words in options.words if words != 80]
    for names, words in sizes:
        report["runs"].append(trained("tki", names, f"words.count={words}"))
    for settings in (("words.order=together",), ("words.order=in_turn",), ("words.steps=0",)):
        report["orders"].append(trained("tki", 100, f"words.count={options.orders}", *settings))
    print(headline(report))
    print(json.dumps({name: report[name] for name in ("runs", "orders")}, indent=2))
    write(report, options.out)


def trained(method: str, names: int, *settings: str) -> dict[str, Any]:
    """Seconds in all and by part, peak memory, and how alike the styles of the words are."""
    every = list(read_names("generic").names)
    random.Random(0).shuffle(every)
    every += [f"{one} {other}" for one, other in product(every, every) if one != other][: max(0, names - len(every))]
    with tempfile.TemporaryDirectory(prefix="samekind-cost-") as folder:
        file, out = Path(folder, "names.txt"), Path(folder, "r")
        file.write_text("\n".join(every[:names]), encoding="utf-8")
        command = [sys.executable, "-m", "samekind", "train", method, "--classes", str(file), "--out", str(out)]
        command += [part for each in settings for part in ("--set", each)]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"training ended with status {process.returncode}")
        card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    found = {
        "names": names,
        "settings": list(settings),
        "seconds": round(seconds, 1),
        "parts": card["training"]["seconds"],
        "peak_mebibytes": round(usage.ru_maxrss / 1024),
        "alike": card["training"]["alike"],
    }
    print(json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
