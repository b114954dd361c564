"""Vectors of a table's pictures by the method's own part alone, where the backbone has seen the pictures before."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int

from samekind.datasets.hashes import UNREADABLE
from samekind.datasets.table import Table
from samekind.images.refs import Skip
from samekind.retriever.kept import cache_folder

if TYPE_CHECKING:
    from samekind.retriever.kept_features import Encoding
    from samekind.retriever.store import Retriever


@dataclass(frozen=True)
class FromKept:
    """The rows of one chunk that have a vector now, and those that never will."""

    rows: list[int]
    vectors: Float32[np.ndarray, "m d"]
    skipped: dict[int, Skip] = field(default_factory=dict)


def from_kept(
    retriever: "Retriever",
    table: Table,
    rows: Int[np.ndarray, " m"],
    missing: Int[np.ndarray, " k"],
    contents: Sequence[str],
    *,
    domains: bool,
    work: Path,
) -> Iterator[FromKept]:
    """The vectors of `missing`, chunk by chunk of all `rows`, so that the chunks are those of an earlier run.

    What the user's cache folder does not have is encoded and kept there; what only this run may have is in `work`
    until the end. Nothing is found, and all is left to be encoded, where that would be more than the cache's limit.
    """
    from samekind.retriever.kept_chunks import FOLDER

    readable = [row for row in rows.tolist() if contents[row] != UNREADABLE]
    order = np.array(sorted(readable, key=lambda row: (table.domain[row], contents[row])), np.int64)
    encoding = _encoding(retriever, table, order, contents, work / FOLDER)
    if encoding is None:
        return
    asked = np.isin(order, missing)
    wanted = [chunk for chunk in encoding.chunks if asked[chunk.rows].any()]
    try:
        for chunk in encoding.each(wanted, lambda _: None):
            good = np.array(chunk.good(), np.int64)
            name = table.domains[int(table.domain[order[chunk.rows.start]])] if domains else None
            try:
                vectors = encoding.vectors(chunk, name)
            except (OSError, ValueError):  # somebody has just deleted it: its pictures are left over
                continue
            skipped = {int(order[at]): lost.skip(table.files[order[at]]) for at, lost in chunk.lost().items()}
            mine = asked[good]
            yield FromKept(order[good[mine]].tolist(), vectors[mine], skipped)
    finally:
        shutil.rmtree(encoding.store.own, ignore_errors=True)


def _encoding(
    retriever: "Retriever", table: Table, order: Int[np.ndarray, " m"], contents: Sequence[str], own: Path
) -> "Encoding | None":
    """What is known of the pictures; None where not everything that the method looks at may be kept."""
    from samekind.retriever.kept_chunks import FOLDER, Store
    from samekind.retriever.kept_features import Encoding
    from samekind.retriever.kept_pictures import Pictures

    files, hashes = tuple(table.files[row] for row in order), tuple(contents[row] for row in order)
    pictures = Pictures(table.root, files, hashes, table.domain[order], table.domains)
    engine, store = retriever.engine, Store(cache_folder() / FOLDER, own)
    if engine.method.needs == "pooled":
        return Encoding(pictures, engine, store, limit=0, tokens=False)
    encoding = Encoding(pictures, engine, store, limit=store.limit, tokens=True)
    return encoding if {"tokens", "pixels"} <= encoding.shapes.keys() else None
