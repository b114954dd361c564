"""Rankings and relevance as text files that `trec_eval` and `ir_measures` read.

The tools rank anew by score, equal scores by the document's name, and read scores in single precision. Our order is
another: by exact score, then by place. So the score written is not the retriever's but counts down from the list's
length to 1, all different, and any tool ends up with our ranking. What a tool then says of the hits written is what we
say (`AP` needs rankings of the whole gallery; its denominator is `relevant`).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jaxtyping import Int

from samekind.errors import SamekindError

_LONGEST = 2**24  # above, single precision cannot tell whole numbers apart


def write_run(
    path: str | Path,
    ranked: Iterable[Int[np.ndarray, "_ t"]],
    queries: Sequence[str],
    gallery: Sequence[str],
    name: str = "samekind",
) -> None:
    """A run: `QUERY Q0 PICTURE RANK SCORE NAME`, a line for each hit.

    ranked: block after block, the places in the gallery of each query's hits from the first on: `[scores.top]`, or
    `block.top` of each of `ranked_blocks`, which need not be in memory together. Names are percent-encoded (`quote`),
    since the format allows no blanks. Raises ValueError for lists that do not fit together, names that are there twice
    or hits that are too many, SamekindError where the file cannot be written.
    """
    asking, found, tag = _names(queries), _names(gallery), quote(name, safe="")

    def lines() -> Iterable[str]:
        row = 0
        for block in ranked:
            if row + len(block) > len(asking) or block.shape[1] > _LONGEST:
                raise ValueError(f"There are {len(asking)} queries, and at most {_LONGEST} hits each can be written.")
            for places in block.tolist():
                hits = enumerate(places)
                yield "".join(
                    f"{asking[row]} Q0 {found[place]} {rank + 1} {len(places) - rank} {tag}\n" for rank, place in hits
                )
                row += 1
        if row < len(asking):
            raise ValueError(f"There are {len(asking)} queries, but only {row} rankings.")

    _write(Path(path), lines())


def write_qrels(
    path: str | Path,
    queries: Sequence[str],
    query_labels: Int[np.ndarray, " q"],
    gallery: Sequence[str],
    gallery_labels: Int[np.ndarray, " g"],
) -> None:
    """Relevance: `QUERY 0 PICTURE 1`, a line for each relevant picture of each query.

    A query with nothing relevant has one line with 0, so that the tools do not leave it out of their means. Raises
    ValueError for names that are there twice, SamekindError where the file cannot be written.
    """
    asking, found = _names(queries), _names(gallery)
    if not found:
        raise ValueError("The gallery is empty: nothing can be relevant or not.")
    same = {label: np.flatnonzero(gallery_labels == label).tolist() for label in np.unique(query_labels).tolist()}
    rows = zip(asking, query_labels.tolist(), strict=True)
    _write(
        Path(path),
        (
            "".join(f"{query} 0 {found[n]} 1\n" for n in same[label]) or f"{query} 0 {found[0]} 0\n"
            for query, label in rows
        ),
    )


def _names(names: Sequence[str]) -> list[str]:
    quoted = [quote(name, safe="/") for name in names]
    if len(set(quoted)) < len(quoted) or not all(quoted):
        raise ValueError("Two queries, or two pictures, of the same name cannot be told apart in a TREC file.")
    return quoted


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write beside the file first, so that a file that is there is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="ascii") as file:
            file.writelines(lines)
        part.replace(path)
    except OSError as error:
        raise SamekindError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
