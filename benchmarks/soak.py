"""A long soak of one gallery: pictures go in and out beside a searching process, and memory and files must stay flat.

    python benchmarks/soak.py [--rows 200000] [--minutes 20] [--turn 10000] [--folder DIR]

240 pictures of the toy world are drawn, and every picture of the soak is one of them, 32 pixels wide, in a tint and
with noise of its own: a BMP file, whose vector is its pixels (192 numbers), so that drawing and encoding cost little
and the gallery gets most of the work. The gallery is filled; then rounds follow each other until the time is up. A
round draws new folders of pictures, deletes the oldest ones, repaints, renames and copies some pictures, and indexes:
one `Gallery.add` in one process that lives all along, which also keeps an index for approximate searches. Another
process sees every new version, searches it exactly and approximately, and compares vectors with the files. At last all
but a tenth goes out. Every second both processes' memory and files and the gallery's folder are looked at.

Flat: of every round the peak is taken, and the mean of these over the last third of the rounds is at most a tenth above
that over the middle third (with a little room for what is small); the first third is left to caches and allocators. Not
the values themselves, which rise and fall within each round. Right: places and ids are those of the files, and vectors
those of a thousand pictures. Writes benchmarks/results/soak.json, also when something is not flat, and exits with 1
then.
"""

import argparse
import hashlib
import json
import multiprocessing as mp
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import facts, headline, write
from soak_world import PIXELS, REPAINTED, Palette, World, files

from samekind.datasets.toyworld import generate
from samekind.gallery.store import Gallery
from samekind.images.errors import ImageError

ITSELF = 0.99999  # what a picture scores at least that is asked for itself
CHECKED = 1000  # vectors that are compared with files at the end
RISE = 1.1  # times the middle third that the last third may reach,
ROOM = 16.0  # or so many files or mebibytes more


def work(where: Path, options: argparse.Namespace, told: Connection) -> None:
    """What the indexing process does: tells what each round took."""
    world = World(where / "world", where / "bases")
    gallery = Gallery.open(where / "gallery", Palette(), create=True)

    def round_(phase: str, ann: bool | None = None) -> None:
        report = gallery.add(world.folder, domain_from_folder=True, ann=ann).to_json()
        told.send({"phase": phase, "at": time.monotonic(), **report})

    while gallery.rows < options.rows:
        world.grow(min(options.rows, 4 * options.turn))
        round_("in")
    round_("index", ann=True)
    ends = time.monotonic() + 60 * options.minutes
    while time.monotonic() < ends:
        world.grow(options.turn)
        world.shrink(options.turn)
        world.stir(options.turn // 50)
        round_("turn")
    world.shrink(options.rows * 9 // 10)
    round_("out")
    told.send(None)


def read(where: Path, begin: Event, end: Event, told: Connection) -> None:
    """What the searching process does, with every version that it meets."""
    begin.wait()
    retriever, rng = Palette(), np.random.default_rng(1)
    gallery = Gallery.open(where / "gallery", retriever)
    counts = dict.fromkeys(("versions", "searches", "approximate", "approximate_found", "compared"), 0)
    before = None
    while not end.is_set():
        gallery.refresh()
        snapshot = gallery.snapshot()
        counts["versions"] += snapshot.version != before
        before = snapshot.version
        for _ in range(4):
            snapshot = gallery.snapshot()  # a filter sees a newer one where the indexer has tidied this one away
            row = int(rng.integers(len(snapshot)))
            vector, (uri, domain) = snapshot.vectors_of([row]), snapshot.places(row)[0]
            counts["compared"] += same(uri, vector, retriever)
            assert gallery.nearest(vector, 10)[0][0].score > ITSELF, uri
            (found,), exact = gallery.answers(vector, 10, exact=False)
            counts["approximate"] += not exact
            counts["approximate_found"] += not exact and found[0].score > ITSELF
            filtered = gallery.nearest(vector, 5, where=f"width = {PIXELS} AND domain = '{domain}'")[0]
            assert filtered, (uri, domain)
            counts["searches"] += 3
        end.wait(0.5)
    told.send(counts)


def same(uri: str, vector: np.ndarray, retriever: Palette) -> bool:
    """Whether the file's vector is this one; False where it is gone, or may have been painted over."""
    if Path(uri).name < f"{REPAINTED * 2:04}.bmp":
        return False
    try:
        encoded = retriever.encode_images([uri])
    except ImageError:
        if Path(uri).exists():
            raise
        return False
    assert np.array_equal(encoded, vector), uri
    return True


@dataclass
class Samples:
    """What was seen every second, and when."""

    at: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, where: Path, processes: dict[str, psutil.Process]) -> None:
        """Look once."""
        seen: dict[str, float] = {}
        for name, process in processes.items():
            memory, maps = process.memory_info(), Path(f"/proc/{process.pid}/maps").read_text()
            seen[f"{name} rss mib"] = memory.rss / 2**20
            seen[f"{name} private mib"] = (memory.rss - memory.shared) / 2**20
            seen[f"{name} open files"] = process.num_fds()
            seen[f"{name} mapped deleted files"] = sum("(deleted)" in line for line in maps.splitlines())
        parts: dict[str, int] = defaultdict(int)
        size = 0
        for part, file in _gallery_files(where / "gallery"):
            parts[part] += 1
            size += file
        seen |= {"gallery files": sum(parts.values()), "gallery disk mib": size / 2**20}
        seen |= {f"{part} files": parts[part] for part in ("data", "_versions", "_deletions", "_indices", "cache")}
        self.at.append(time.monotonic())
        for name, value in seen.items():
            self.values[name].append(value)

    def peaks(self, ends: list[float]) -> dict[str, dict[str, Any]]:
        """Of each value the peaks between these times, and whether they are flat."""
        rounds = np.searchsorted(self.at, ends)
        found = {}
        for name, values in self.values.items():
            peaks = [round(max(values[a:b]), 1) for a, b in pairwise(rounds)]
            third = len(peaks) // 3
            middle, last = (float(np.mean(part)) for part in (peaks[third:-third], peaks[-third:]))
            flat = last <= max(RISE * middle, middle + ROOM)
            found[name] = {"flat": flat, "middle": round(middle, 1), "last": round(last, 1), "peaks": peaks}
        return found


def _gallery_files(folder: Path) -> Iterator[tuple[str, int]]:
    for file in folder.rglob("*"):
        try:
            if file.is_file():
                parts = file.relative_to(folder).parts
                yield parts[1] if parts[0].endswith(".lance") else parts[0], file.stat().st_blocks * 512
        except OSError:  # just tidied away
            continue


def check(where: Path) -> dict[str, int]:
    """Compare the gallery with the files; raises AssertionError where it is another."""
    retriever = Palette()
    gallery = Gallery.open(where / "gallery", retriever)
    snapshot = gallery.snapshot()
    true = {(hashlib.sha256(one.read_bytes()).hexdigest()[:24], str(one)) for one in files(where / "world")}
    ids = snapshot.rows.column("id").to_pylist()
    found = [(name, uri) for row, name in enumerate(ids) for uri, _ in snapshot.places(row)]
    assert len(found) == len(true), (len(found), len(true))
    assert set(found) == true
    assert len(set(ids)) == len(ids)
    rows = np.random.default_rng(2).choice(len(ids), min(CHECKED, len(ids)), replace=False).tolist()
    np.testing.assert_array_equal(
        snapshot.vectors_of(rows), retriever.encode_images([snapshot.places(row)[0][0] for row in rows])
    )
    return {"places": len(found), "rows": len(ids), "vectors_compared": len(rows)}


def rates(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows in and out, and what `Gallery.add` took for them."""
    told = {}
    for phase in ("in", "index", "turn", "out"):
        some = [one for one in rounds if one["phase"] == phase]
        came, left = (sum(one[what] for one in some) for what in ("encoded", "removed"))
        seconds = sum(one["seconds"] for one in some)
        rate = round((came + left) / seconds, 1)
        told[phase] = {
            "rounds": len(some),
            "came": came,
            "left": left,
            "seconds": round(seconds, 1),
            "per_second": rate,
        }
        told[phase]["slowest"] = round(max(one["seconds"] for one in some), 1)
        told[phase]["rows"] = some[-1]["rows"]
    return told


def soak(where: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run both processes and look at them until the last round is over."""
    context = mp.get_context("spawn")
    begin, end = context.Event(), context.Event()
    (hears, tells), (hears_counts, tells_counts) = context.Pipe(False), context.Pipe(False)
    indexer = context.Process(target=work, args=(where, options, tells), daemon=True)
    reader = context.Process(target=read, args=(where, begin, end, tells_counts), daemon=True)
    for process in (indexer, reader):
        process.start()
    looked = {name: psutil.Process(one.pid) for name, one in (("indexer", indexer), ("reader", reader))}
    samples, rounds = Samples(), list[dict[str, Any]]()
    while True:
        if hears.poll(1.0):
            told = hears.recv()
            if told is None:
                break
            rounds.append(told)
            begin.set()
            print(f"{told['phase']:5}  {told['rows']:8,} rows, {told['seconds']:.1f} s", flush=True)
        samples.take(where, looked)
        assert reader.is_alive(), "the reader has failed"
    at = time.monotonic()
    samples.take(where, looked)
    left = {name: round(values[-1], 1) for name, values in samples.values.items() if not name.startswith("reader")}
    end.set()
    counts = hears_counts.recv()
    turns = [one["at"] for one in rounds if one["phase"] in ("index", "turn")]
    measured = samples.peaks(turns)
    peaks = {name: round(max(values), 1) for name, values in samples.values.items()}
    return {
        "flat": all(one["flat"] for one in measured.values()),
        "rounds": rates(rounds),
        "reader": counts,
        "measured": measured,
        "peaks": peaks,
        "at_the_end": left,
        "seconds": round(at - samples.at[0], 1),
        "ann": rounds[-1]["ann"] and {key: rounds[-1]["ann"][key] for key in ("state", "kind", "rows", "recall")},
    }


def main() -> None:
    """Soak, check, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--turn", type=int, default=10_000, help="rows that come and rows that leave in a round")
    parser.add_argument("--folder", type=Path, help="where pictures and gallery are made (1.5 GB)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "soak.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samekind-soak-", dir=options.folder) as folder:
        generate(Path(folder) / "bases", per_class=3)
        report = {**facts(), "rows": options.rows, "minutes": options.minutes, "turn": options.turn}
        report |= soak(Path(folder), options)
        report["right"] = check(Path(folder))
    print(headline(report))
    print(
        json.dumps({name: report[name] for name in ("rounds", "reader", "measured", "peaks", "at_the_end")}, indent=2)
    )
    write(report, options.out)
    if not report["flat"]:
        sys.exit("not flat: " + ", ".join(name for name, one in report["measured"].items() if not one["flat"]))


if __name__ == "__main__":
    main()
