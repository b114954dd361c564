"""How far the figures of `mini` depend on chance: three seeds of the last training stage, mean and spread.

    python benchmarks/mini_seeds.py mini SEED1_DIR SEED2_DIR --data ../shared/data/pacs ../shared/data/qc24 \
        [--card src/samekind/clip/mini/pretrain.json]

The folders come from mini's own command with `--set head.seed=1` and 2, beside a copy of its `work`. Each is measured
by benchmarks/zero_shot.py's rules on each folder of root/domain/class/picture. Written to
benchmarks/results/mini-seeds.json: the figures of each seed, their mean and standard deviation (n - 1). `--card` puts
the means and deviations into the card of the first one.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from machine import facts, write
from zero_shot import measure

HERE = Path(__file__).resolve().parent


def figures(result: dict[str, Any]) -> dict[str, float]:
    """One flat table of what was measured: pairs, their mean, naming."""
    found = {f"{pair['query']}>{pair['gallery']} {m}": pair[m] for pair in result["pairs"] for m in ("P@1", "mAP@all")}
    found |= {f"mean {m}": result["mean"][m] for m in ("P@1", "mAP@all")}
    return found | {f"by name {domain}": share for domain, share in result["zero_shot"].items()}


def spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation."""
    return {"mean": round(statistics.mean(values), 4), "deviation": round(statistics.stdev(values), 4)}


def main() -> None:
    """Measure all on all, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("retrievers", nargs="+", help="mini or folders, the shipped one first")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--card", type=Path, help="the first one's card, to be completed")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "mini-seeds.json")
    args = parser.parse_args()
    report: dict[str, Any] = {**facts(), "data": {}}
    for data in args.data:
        each = [figures(measure(data, ref)) for ref in args.retrievers]
        report["data"][data.name] = {
            "seeds": each,
            "figures": {name: spread([one[name] for one in each]) for name in each[0]},
        }
        print(data.name)
        for name, told in report["data"][data.name]["figures"].items():
            print(f"  {name:32} {told['mean']:.3f} +- {told['deviation']:.3f}   shipped {each[0][name]:.3f}")
    write(report, args.out)
    if args.card is not None:
        card = json.loads(args.card.read_text())
        card["last_stage_seeds"] = len(args.retrievers)
        card["benchmarks"] = {name: part["figures"] for name, part in report["data"].items()}
        args.card.write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
