"""What a lower precision does to rankings: top-k overlap with float32 over a folder of pictures.

    python benchmarks/precision.py --data ../shared/data/pacs --retriever mini --out precision.json

`--data` is root/domain/.../picture. Every picture is decoded once and encoded in every precision. Each picture then
searches every other domain (all ordered pairs), and the whole collection without itself. Overlap is the mean share of
float32's k nearest that are also among the k nearest in the other precision; 1.0 means the same hits.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from machine import facts, write

from samekind.images.decode import open_image
from samekind.images.source import ImageRef, list_images
from samekind.retriever.encode import batches, default_workers, ordered_map
from samekind.retriever.store import Retriever, load

Vectors = Float32[np.ndarray, "n d"]
BLOCK = 1024  # queries compared at a time


def references(root: Path, per_domain: int | None) -> list[ImageRef]:
    """Pictures with their domain, evenly spaced through each domain when limited."""
    found: dict[str, list[ImageRef]] = {}
    for item in list_images(root, domain_from_folder=True):
        if isinstance(item, ImageRef) and item.domain is not None:
            found.setdefault(item.domain, []).append(item)
    if per_domain is not None:
        found = {name: refs[:: max(1, len(refs) // per_domain)][:per_domain] for name, refs in found.items()}
    return [ref for name in sorted(found) for ref in found[name]]


def encode(retrievers: dict[str, Retriever], refs: list[ImageRef]) -> tuple[dict[str, Vectors], dict[str, float]]:
    """Vectors by precision, and the seconds that encoding alone took."""
    first = next(iter(retrievers.values()))
    vectors = {name: np.empty((len(refs), first.dim), np.float32) for name in retrievers}
    seconds = dict.fromkeys(retrievers, 0.0)
    threads = default_workers()
    prepared = ordered_map(
        lambda ref: first.prepare(open_image(ref.uri, target=first.preprocess.target).image),
        refs,
        workers=threads,
        look_ahead=2 * threads,
    )
    done = 0
    for batch in batches(prepared, 32):
        pixels = np.stack(batch)
        for name, retriever in retrievers.items():
            began = time.perf_counter()
            vectors[name][done : done + len(batch)] = retriever.encode_pixels(pixels)
            seconds[name] += time.perf_counter() - began
        done += len(batch)
    return vectors, seconds


def nearest(queries: Vectors, gallery: Vectors, k: int, itself: bool) -> Int64[np.ndarray, "n k"]:
    """Rows of the k nearest; `itself` leaves out the row of the same number."""
    rows = []
    for start in range(0, len(queries), BLOCK):
        scores = torch.from_numpy(queries[start : start + BLOCK] @ gallery.T)
        if itself:
            scores[torch.arange(len(scores)), start + torch.arange(len(scores))] = -torch.inf
        rows.append(scores.topk(k, dim=1).indices.numpy())
    return np.concatenate(rows)


def overlap(one: Int64[np.ndarray, "n k"], other: Int64[np.ndarray, "n k"]) -> float:
    """Mean share of the rows of `one` that are in `other`."""
    return float((one[:, :, None] == other[:, None, :]).any(2).mean())


def compare(exact: Vectors, reduced: Vectors, domains: np.ndarray, k: int) -> dict[str, Any]:
    """Overlaps of one precision with float32."""
    pairs = []
    for query, gallery in permutations(np.unique(domains), 2):
        q, g = domains == query, domains == gallery
        shared = overlap(nearest(exact[q], exact[g], k, False), nearest(reduced[q], reduced[g], k, False))
        pairs.append({"query": str(query), "gallery": str(gallery), "overlap": shared})
    whole = overlap(nearest(exact, exact, k, True), nearest(reduced, reduced, k, True))
    return {
        "mean": float(np.mean([pair["overlap"] for pair in pairs])) if pairs else whole,
        "least": min((pair["overlap"] for pair in pairs), default=whole),
        "whole": whole,
        "cosine": float((exact * reduced).sum(1).mean()),
        "pairs": pairs,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--retriever", default="mini")
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float16"])
    parser.add_argument("--per-domain", type=int, help="pictures of each domain; all by default")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    names = ["float32", *(name for name in args.precisions if name != "float32")]
    retrievers = {name: load(args.retriever, device=args.device, precision=name) for name in names}
    refs = references(args.data, args.per_domain)
    vectors, seconds = encode(retrievers, refs)
    domains = np.array([ref.domain for ref in refs])
    first = retrievers["float32"]
    report: dict[str, Any] = {
        **facts(),
        "retriever": {"name": first.name, "sha256": first.sha256},
        "data": {"path": args.data.name, "pictures": len(refs)},
        "k": args.k,
        "device": str(first.device),
        "pictures_per_second": {name: len(refs) / seconds[name] for name in names},
        "overlap": {name: compare(vectors["float32"], vectors[name], domains, args.k) for name in names[1:]},
    }
    print(f"{first.name}, {len(refs)} pictures, top-{args.k} overlap with float32")
    print(f"{'precision':<10} {'pictures/s':>10} {'mean':>8} {'least':>8} {'whole':>8} {'cosine':>9}")
    print(f"{'float32':<10} {report['pictures_per_second']['float32']:>10.1f}")
    for name, found in report["overlap"].items():
        rate = report["pictures_per_second"][name]
        numbers = f"{found['mean']:>8.4f} {found['least']:>8.4f} {found['whole']:>8.4f} {found['cosine']:>9.6f}"
        print(f"{name:<10} {rate:>10.1f} {numbers}")
    if args.out:
        write(report, args.out)


if __name__ == "__main__":
    main()
