"""How, where and when a result was made: definitions of its figures, versions, processor, date."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from samekind.evaluation.protocols import Rules
from samekind.evaluation.spaces import Space

PACKAGES = ("samekind", "torch", "numpy", "pillow")

_SPACES = {
    "cosine": "inner product of the vectors at norm one",
    "euclidean": "squared Euclidean distance of the vectors as they come",
    "poincare": "geodesic distance in the unit ball",
}
_DENOMINATORS = {
    "found": "the relevant pictures found within the first 200",
    "relevant": "all relevant pictures of the gallery",
    "min_k_relevant": "min(200, relevant pictures of the gallery)",
}


def metrics_note(rules: Rules, space: Space, seed: int) -> dict[str, str]:
    """How each figure was computed, in words, to stand beside the figures."""
    if rules.average == "micro":
        precision = "hits within the first t = min(k, relevant) ranks, summed over queries, over the sum of t"
        nothing = "drop out of P@k (their t is 0); count as 0 in mAP"
    else:
        precision = "mean over queries of hits within the first k ranks / k, also where the gallery is smaller than k"
        nothing = "count as 0 everywhere"
    return {
        "P@k": precision,
        "mAP@200": "mean over queries of the summed precisions at the relevant ranks up to 200, over "
        + _DENOMINATORS[rules.denominator],
        "mAP@all": "the same over the whole gallery, over all relevant pictures",
        "queries without anything relevant": nothing,
        "compared by": _SPACES[space],
        "ties": "equal scores keep the gallery's order (paths, ascending)",
        "mean": "plain mean over pairs",
        "intervals": f"percentile bootstrap over queries, 95 %, 1,000 draws, seed {seed}; the gallery is not resampled",
    }


def versions() -> dict[str, str]:
    """Of Python and of what a vector or a score depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor by its own name, cores that this process may use, memory in GiB, and the GPU if there is one."""
    facts: dict[str, Any] = {"processor": _processor(), "cores": _cores(), "memory_gib": _memory()}
    import torch

    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def today() -> str:
    """The date in UTC, ISO 8601."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
