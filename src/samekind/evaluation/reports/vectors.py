"""Vectors that an evaluation left in its cache, with domain and class of each: what a map of the pictures needs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from samekind.datasets import read_data
from samekind.datasets.table import Table
from samekind.errors import SamekindError
from samekind.evaluation.features_store import VectorStore
from samekind.evaluation.protocols import Request, load_protocol
from samekind.evaluation.reports.files import Result


@dataclass(frozen=True)
class Vectors:
    """Vectors of some pictures, with the domain and the class of each as a place in the names."""

    vectors: Float32[np.ndarray, "n d"]
    domain: Int[np.ndarray, " n"]
    domains: tuple[str, ...]
    label: Int[np.ndarray, " n"]
    classes: tuple[str, ...]


def same_table(data: str | Path, result: Result) -> Table:
    """The pictures that a result is about, by its own options; raises SamekindError when these data are others."""
    table, dataset = read_data(data)
    asked = result.facts.get("options") or {}
    pairs = [(str(query), str(gallery)) for query, gallery in asked.get("pairs") or []] or None
    beside = result.file.with_suffix(".mixed.txt")  # evaluate writes the list that it took
    mixed = beside if asked.get("mixed") and beside.exists() else None
    request = Request(result.facts["profile"], pairs, asked.get("classes"), asked.get("seen"), mixed)
    found = load_protocol(result.facts["protocol"]).plan(table, dataset, request).table
    here = found.sha256()
    if here != result.facts["data"]["sha256"]:
        raise SamekindError(
            f"{data} is not what {result.file} was made with: its hash is {here[:12]}, not "
            f"{result.facts['data']['sha256'][:12]}."
        )
    return found


def cached_vectors(result: Result, table: Table, cache: Path) -> Vectors:
    """The vectors of the pictures that were evaluated; raises SamekindError when the cache does not have them."""
    held: np.ndarray | None = None
    done = np.zeros(len(table.files), bool)
    for note in _entries(result, cache):
        dim = _dim(cache, note)
        if dim is None:
            continue
        known = VectorStore(cache, note, len(table.files), dim).read()
        fresh = known.done & known.vectors.any(axis=1) & ~done & _treated(note, result, table)
        held = np.zeros_like(known.vectors) if held is None else held
        held[fresh] = known.vectors[fresh]
        done |= fresh
    if held is None or not done.any():
        raise SamekindError(
            f"{cache} has no vectors of {result.facts['retriever']['name']} for these pictures: evaluate again with "
            "the same --cache."
        )
    vectors = held[done] if result.facts["retriever"].get("space") != "poincare" else _tangent(held[done])
    return Vectors(vectors, table.domain[done], table.domains, table.label[done], table.classes)


def _entries(result: Result, cache: Path) -> list[dict[str, Any]]:
    """Keys of the cache's entries that a result can have used."""
    facts, asked = result.facts, result.facts.get("options") or {}
    wanted = {"retriever": facts["retriever"]["sha256"], "data": facts["data"]["sha256"]}
    wanted |= {"domains": bool(asked.get("with_domains")), "raw": bool(asked.get("raw"))}
    if not wanted["raw"] and facts["retriever"].get("precision"):
        wanted["precision"] = facts["retriever"]["precision"]
    found = []
    for file in sorted(cache.glob("features/*/entry.json")):
        try:
            note = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(note, dict) and note.pop("schema", None) == 1 and wanted.items() <= note.items():
            found.append(note)
    return found


def _treated(note: Mapping[str, Any], result: Result, table: Table) -> np.ndarray:
    """Which rows an entry is for: colour-inverted domains are in another one than the rest."""
    inverted = set((result.facts.get("options") or {}).get("inverted") or ())
    rows = np.isin(table.domain, [n for n, name in enumerate(table.domains) if name in inverted])
    return np.asarray(rows == bool(note.get("inverted")))


def _dim(cache: Path, note: Mapping[str, Any]) -> int | None:
    """How long an entry's vectors are; None for an empty or damaged one."""
    for part in sorted(VectorStore(cache, note, 0, 0).folder.glob("*.npz")):
        try:
            with np.load(part, allow_pickle=False) as held:
                return int(held["vectors"].shape[1])
        except (OSError, ValueError, KeyError, IndexError, EOFError):
            continue
    return None


def _tangent(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Points of the unit ball as tangent vectors at its centre, where distances are flat."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12, 1 - 1e-6)
    return np.asarray(vectors * (np.arctanh(norms) / norms), np.float32)
