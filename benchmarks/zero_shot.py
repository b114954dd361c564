"""How good a retriever is as it comes, on labelled pictures: all pairs of domains, class names, domain words.

    python benchmarks/zero_shot.py --data ../shared/data/pacs --retriever mini --out benchmarks/results/mini-pacs.json

`--data` is root/domain/class/picture. Printed and written: P@1, P@5 and mAP@all for every ordered pair of domains,
whole folders, cosine; zero-shot accuracy, i.e. the nearest of "a {class}" for each picture; how often the nearest
domain word is the picture's own, both without their means; and the cosine between what a change of domain does to
texts and to pictures.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, write

from samekind.datasets.folder import read_folder
from samekind.evaluation.pairs import mean, score_pairs
from samekind.images.refs import ImageRef
from samekind.images.source import list_images
from samekind.retriever.store import load

WORDS = {"photo": "photo", "sketch": "sketch", "cartoon": "cartoon", "art_painting": "painting"}


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of norm one."""
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def named(name: str) -> str:
    """A class or domain as a prompt says it."""
    return WORDS.get(name, name.replace("_", " ").lower())


def domain_words(vectors: np.ndarray, of: np.ndarray, labels: np.ndarray, texts: Any, classes: list[str]) -> Any:
    """Do texts and pictures move alike from one domain to another? Means over the classes that both have."""
    domains = [name for name in sorted(set(of.tolist())) if name in WORDS]
    pictures = {
        d: np.stack([vectors[(of == d) & (labels == c)].mean(0) for c in range(len(classes))]).mean(0) for d in domains
    }
    prompts = {d: texts([f"a {named(d)} of a {named(c)}" for c in classes]).mean(0) for d in domains}
    shifts = {
        f"{a}>{b}": float(unit(pictures[b] - pictures[a]) @ unit(prompts[b] - prompts[a]))
        for a, b in permutations(domains, 2)
        if a < b
    }
    words = texts([f"a {named(d)}" for d in domains])
    centred = unit(vectors - vectors.mean(0)) @ unit(words - words.mean(0)).T
    accuracy = {d: float((centred[of == d].argmax(1) == n).mean()) for n, d in enumerate(domains)}
    return {"shift_cosine": shifts, "nearest_domain_word_accuracy": accuracy}


def measure(data: Path, ref: str) -> dict[str, Any]:
    """Encode everything once and score it."""
    folder, retriever = read_folder(data), load(ref)
    places = [
        (item.uri, place)
        for item in list_images(data)
        if isinstance(item, ImageRef) and (place := folder.place(item.uri)) is not None
    ]
    began = time.perf_counter()
    vectors = retriever.encode_images([uri for uri, _ in places])
    seconds = time.perf_counter() - began
    classes = list(folder.every_class)
    labels = np.array([classes.index(name) for _, (_, name) in places])
    of = np.array([domain for _, (domain, _) in places])
    pairs = score_pairs(vectors, labels, of.tolist())
    right = (vectors @ retriever.encode_texts([f"a {named(name)}" for name in classes]).T).argmax(1) == labels
    zero_shot = {domain: float(right[of == domain].mean()) for domain in sorted(set(of.tolist()))}
    result = {
        "retriever": {"name": retriever.name, "sha256": retriever.sha256},
        "data": {"name": data.name, "pictures": len(places)},
        "pairs": [{"query": p.query, "gallery": p.gallery, "queries": p.queries, **p.metrics} for p in pairs],
        "mean": {metric: mean(pairs, metric) for metric in ("P@1", "P@5", "mAP@all")},
        "zero_shot": zero_shot | {"mean": float(np.mean(list(zero_shot.values())))},
        "pictures_per_second": len(places) / seconds,
    }
    if len(set(of.tolist()) & WORDS.keys()) > 1:
        result["domains"] = domain_words(vectors, of, labels, retriever.encode_texts, classes)
    return result


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--retriever", default="mini")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = {**facts(), **measure(arguments.data, arguments.retriever)}
    for pair in result["pairs"]:
        print(f"{pair['query']:>14} -> {pair['gallery']:<14} P@1 {pair['P@1']:.3f}  mAP {pair['mAP@all']:.3f}")
    print(f"{'mean':>14}    {'':<14} P@1 {result['mean']['P@1']:.3f}  mAP {result['mean']['mAP@all']:.3f}")
    print("zero-shot by class name:", "  ".join(f"{k} {v:.3f}" for k, v in result["zero_shot"].items()))
    for name, values in result.get("domains", {}).items():
        print(f"{name}:", "  ".join(f"{k} {v:.2f}" for k, v in values.items()))
    print(f"{result['pictures_per_second']:.0f} pictures per second, files to vectors")
    if arguments.out:
        write(result, arguments.out)


if __name__ == "__main__":
    main()
