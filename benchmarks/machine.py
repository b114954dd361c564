"""Where and when a measurement was made: command, date, processor, cores, memory, versions."""

import json
import os
import platform
import shlex
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("samekind", "torch", "numpy", "pillow", "lancedb", "faiss-cpu", "usearch")
PACKAGES += ("ray", "onnxruntime", "transformers", "sentence-transformers")
FAST = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def facts() -> dict[str, Any]:
    """For the head of a results file; paths in the command stand as they were typed."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    known = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "command": shlex.join(["python", *sys.argv]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "hardware": {
            "processor": known.get("model name", platform.machine()),
            "instructions": [name for name in FAST if name in known.get("flags", "").split()],
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory, 1),
        },
        "versions": versions,
    }


def write(report: dict[str, Any], file: Path) -> None:
    """The results file, its folder made where there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n")


def headline(report: dict[str, Any]) -> str:
    """The facts in one line, for a table's head."""
    hardware = report["hardware"]
    told = f"{hardware['processor']} ({', '.join(hardware['instructions'])}), {hardware['cores']} cores"
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return f"{told}, {hardware['memory_gib']} GiB; {report['date']}; {versions}"
