"""Indexing under measurement, in a process of its own: the sides of a comparison in turns, pass by pass.

    python benchmarks/index_jobs.py JOB.json

The job names model, files, sides and repeats. It says `ready` when the model is loaded, begins at the next line of its
standard input, and ends with one line of JSON: for each side its passes. A side is who opens pictures, how many of
them, and torch's threads. The model `open` encodes nothing: pictures are opened and dropped.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samekind.gallery.lock import write_lock
from samekind.gallery.plan import source_of
from samekind.gallery.store import Gallery
from samekind.images.refs import ImageRef
from samekind.reading.opening import Reader, Threads
from samekind.reading.processes import Processes
from samekind.retriever.store import load

READERS = {"threads": Threads, "processes": Processes}


class Noting:
    """A reader that notes when its first picture came."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.first = 0.0

    def __call__(self, *given: Any) -> Iterator[Any]:
        """A `Reader`."""
        began = time.perf_counter()
        with closing(self.reader(*given)) as outcomes:
            for outcome in outcomes:
                self.first = self.first or time.perf_counter() - began
                yield outcome


def cpu() -> float:
    """Seconds of processors that this process and its ended children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def once(retriever: Any, side: dict[str, Any], listing: Path, *, encode: bool) -> dict[str, float]:
    """One pass over the files into a new gallery."""
    torch.set_num_threads(side["torch"])
    reader = Noting(READERS[side["reader"]](side["workers"]))
    paths = listing.read_text().splitlines()
    with tempfile.TemporaryDirectory(prefix="samekind-index-") as folder:
        gallery = Gallery.open(Path(folder) / "gallery", retriever, create=True)
        used, began = cpu(), time.perf_counter()
        if encode:
            with write_lock(gallery.path):
                report = gallery._ingest(
                    [source_of(listing, None, False, False)], reader, None, lambda: None, inherit_domain=True
                )
            assert report.new + report.duplicates == len(paths), report
        else:
            opened = sum(1 for each in reader(retriever, map(ImageRef, paths), set()) if each.pixels is not None)
            assert opened == len(paths), opened
        return {"seconds": time.perf_counter() - began, "first": reader.first, "cpu": cpu() - used}


def main() -> None:
    """Measure one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    encode = job["model"] != "open"
    retriever = load(job["model"] if encode else "mini")
    side = retriever.preprocess.size
    retriever.encode_pixels(np.zeros((32, side, side, 3), np.uint8))
    print("ready", flush=True)
    sys.stdin.readline()
    passes: list[list[dict[str, float]]] = [[] for _ in job["sides"]]
    for _ in range(job["repeats"]):
        for done, side in zip(passes, job["sides"], strict=True):
            done.append(once(retriever, side, Path(job["listing"]), encode=encode))
    print(json.dumps(passes))


if __name__ == "__main__":
    main()
