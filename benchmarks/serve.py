"""Measures the service on loopback: texts and pictures from 1, 8 and 32 clients, beside encode and search alone.

    python benchmarks/serve.py [--rows 50000] [--requests 240] [--clients 1 8 32] [--crowd 256] [--soak 10000]

A gallery of random unit vectors with `mini` for its retriever is served by `samekind serve` in a process of its own,
without a limit on the rate of one client. Every request is another text, or another of a hundred drawn sketches (PNG,
256 pixels); all sides take turns in rounds, so that a busy machine is busy for all of them. Then a crowd asks at once,
and at last thousands of requests show what memory does. Writes benchmarks/results/serve.json.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from machine import facts, headline, write
from materials import make_gallery

from samekind.datasets.toyworld import generate
from samekind.gallery.schema import Meta
from samekind.gallery.store import Gallery
from samekind.images.decode import decode
from samekind.retriever.store import Retriever, load
from samekind.training.names import read_names

K = 20
ROUNDS = 4
KINDS = ("text", "picture")


@dataclass
class Asked:
    """What came of requests: seconds of each that was answered, statuses, and the seconds that all took together."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    retry_after: int = 0
    wall: float = 0.0

    def told(self) -> dict[str, Any]:
        """For the report; milliseconds."""
        return {
            "requests": sum(self.statuses.values()),
            "per_second": round(self.statuses[200] / self.wall, 1),
            "p50_ms": round(1e3 * statistics.median(self.seconds), 1),
            "p99_ms": round(1e3 * statistics.quantiles(self.seconds, n=100)[98], 1),
        }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 50_000), ("requests", 240), ("crowd", 256), ("soak", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "serve.json")
    options = parser.parse_args()
    retriever = load("mini")
    with tempfile.TemporaryDirectory(prefix="samekind-serve-") as folder:
        where = Path(folder)
        (where / "gallery").mkdir()
        make_gallery(where / "gallery", options.rows, Meta.of(retriever))
        gallery = Gallery.open(where / "gallery", retriever)
        generate(where / "world", per_class=5)
        sketches = [file.read_bytes() for file in sorted((where / "world" / "sketch").rglob("*.png"))]
        with served(where / "gallery") as (process, port):
            report = {**facts(), "rows": options.rows, "k": K, **measure(options, gallery, sketches, process, port)}
    print(headline(report))
    print(json.dumps({name: report[name] for name in ("alone", "service", "against_alone", "crowd", "soak")}, indent=2))
    write(report, options.out)


@contextmanager
def served(gallery: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The service at a free port, and its process."""
    command = [sys.executable, "-m", "samekind", "serve", "--gallery", str(gallery), "--port", "0", "--rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().split()[0]).port
        assert port is not None
        try:
            yield psutil.Process(process.pid), port
        finally:
            process.terminate()


def measure(
    options: argparse.Namespace, gallery: Gallery, sketches: list[bytes], process: psutil.Process, port: int
) -> dict[str, Any]:
    """All figures."""
    words = list(read_names("generic").names)
    values: dict[str, Sequence[str | bytes]] = {"text": words, "picture": sketches}
    requests = {"text": map(text_request, cycle(words)), "picture": map(picture_request, cycle(sketches))}
    alone = {kind: Asked() for kind in KINDS}
    found = {kind: {clients: Asked() for clients in options.clients} for kind in KINDS}
    for kind in KINDS:  # everything is loaded and warm
        serially(gallery, values[kind], 20, Asked())
        asyncio.run(ask(port, list(islice(requests[kind], 40)), 8, Asked()))
    for _ in range(ROUNDS):
        for kind in KINDS:
            serially(gallery, values[kind], options.requests // ROUNDS, alone[kind])
            for clients in options.clients:
                some = list(islice(requests[kind], max(clients, options.requests // ROUNDS)))
                asyncio.run(ask(port, some, clients, found[kind][clients]))
    told = {kind: {str(clients): each.told() for clients, each in found[kind].items()} for kind in KINDS}
    single = {kind: alone[kind].told() for kind in KINDS}
    return {
        "alone": single,
        "service": told,
        "against_alone": {kind: against(single[kind], told[kind]) for kind in KINDS},
        "crowd": crowd(port, list(islice(requests["text"], 8 * options.crowd)), options.crowd),
        "soak": soak(port, process, requests, options.soak),
    }


def against(alone: dict[str, Any], told: dict[str, dict[str, Any]]) -> dict[str, float]:
    """What the service adds to a single query, and how many times as many queries a second it answers."""
    added = {f"p50_ms_added_at_{clients}": each["p50_ms"] - alone["p50_ms"] for clients, each in told.items()}
    times = {f"throughput_at_{clients}": each["per_second"] / alone["per_second"] for clients, each in told.items()}
    return {name: round(value, 2) for name, value in {**added, **times}.items()}


def serially(gallery: Gallery, values: Sequence[str | bytes], count: int, into: Asked) -> None:
    """Encode and search in this process, one query after the other; a picture is opened first.

    In a thread, as the service does: in the main one torch's threads, which wait busily for more, are in the way of
    BLAS's, and a search takes half as long again.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(one_by_one, gallery, values, count, into).result()


def one_by_one(gallery: Gallery, values: Sequence[str | bytes], count: int, into: Asked) -> None:
    """As `serially`, in whatever thread."""
    retriever = gallery.retriever
    assert isinstance(retriever, Retriever)
    started = time.perf_counter()
    for value in islice(cycle(values), count):
        began = time.perf_counter()
        if isinstance(value, str):
            vectors = retriever.encode_texts([value])
        else:
            picture = decode(value, target=retriever.preprocess.target).image
            vectors = retriever.encode_pixels(retriever.prepare(picture)[None])
        gallery.nearest(vectors, K)
        into.seconds.append(time.perf_counter() - began)
        into.statuses[200] += 1
    into.wall += time.perf_counter() - started


def text_request(text: str) -> bytes:
    """A search for words, as bytes on the wire."""
    return _request("GET", f"search?text={quote(text)}&k={K}")


def picture_request(data: bytes) -> bytes:
    """A search for a picture, as bytes on the wire."""
    return _request("POST", f"search/picture?k={K}", data)


def _request(verb: str, path: str, body: bytes = b"") -> bytes:
    head = f"{verb} /api/v1/galleries/gallery/{path} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Type: image/png\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def ask(port: int, requests: list[bytes], clients: int, into: Asked) -> None:
    """Send requests from as many connections, each waiting for its answer before the next.

    Without a library for HTTP, which would take more of the two cores than the service does.
    """
    waiting = iter(requests)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            await reader.readexactly(length)
            status = int(head.split()[1])
            into.statuses[status] += 1
            into.retry_after += "\r\nretry-after:" in head
            if status == 200:
                into.seconds.append(time.perf_counter() - began)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    into.wall += time.perf_counter() - started


def crowd(port: int, requests: list[bytes], clients: int) -> dict[str, Any]:
    """Far more at once than may wait: who is sent away, how long others wait, and how it is right afterwards."""
    pressed, after = Asked(), Asked()
    asyncio.run(ask(port, requests, clients, pressed))
    asyncio.run(ask(port, requests[:50], 1, after))
    statuses = {str(status): count for status, count in sorted(pressed.statuses.items())}
    told = {"clients": clients, "statuses": statuses, "with_retry_after": pressed.retry_after}
    return {**told, "p99_ms": pressed.told()["p99_ms"], "afterwards": after.told()}


def soak(port: int, process: psutil.Process, requests: dict[str, Any], count: int) -> dict[str, Any]:
    """Memory of the service and of the processes that open pictures, over many requests from eight clients."""
    asked, sizes = Asked(), [mebibytes(process)]
    for _ in range(4):
        some = [each for kind in KINDS for each in islice(requests[kind], count // 8)]
        asyncio.run(ask(port, some, 8, asked))
        sizes.append(mebibytes(process))
    return {**asked.told(), "statuses": {str(k): v for k, v in asked.statuses.items()}, "mebibytes": sizes}


def mebibytes(process: psutil.Process) -> int:
    """Resident memory of a process and those below it."""
    sizes: Callable[[psutil.Process], int] = lambda each: each.memory_info().rss  # noqa: E731
    return round(sum(map(sizes, (process, *process.children(recursive=True)))) / 2**20)


if __name__ == "__main__":
    main()
