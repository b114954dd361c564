"""A comparison as a folder: table.md, compare.json, plots, and the page with queries and their hits."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from samekind.datasets.table import Table
from samekind.errors import SamekindError
from samekind.evaluation.features_store import cache_folder
from samekind.evaluation.report import put
from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.confusion import class_finder
from samekind.evaluation.reports.page import render
from samekind.evaluation.reports.plots import Plot, plots
from samekind.evaluation.reports.table import markdown
from samekind.evaluation.reports.thumbnails import Thumbnails

MapWay = Literal["auto", "pca", "tsne", "none"]


@dataclass
class Written:
    """What was written, and in `left_out` what could not be, with why and what to do."""

    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def write(
    comparison: Comparison,
    out: str | Path,
    *,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    way: MapWay = "auto",
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Written:
    """Write the folder `out`; files of the same names are replaced, others stay.

    data: where the pictures are, for thumbnails and maps. cache: where evaluate kept vectors, for maps. way: how maps
    are laid out; `auto` takes t-SNE where scikit-learn is installed. `tell` hears what takes a while. Raises
    SamekindError when something cannot be written, or when `data` are other pictures.
    """
    written = Written()
    table = _table(comparison, data, written)
    known = (
        {}
        if table is None
        else {file: table.classes[label] for file, label in zip(table.files, table.label.tolist(), strict=True)}
    )
    class_of = class_finder(comparison.results, known)
    drawn: list[Plot] = []
    if find_spec("matplotlib") is None:
        written.left_out.append(
            "There are no plots: matplotlib is not installed. `pip install 'samekind[plots]'` brings it."
        )
    else:
        _told(tell, "Drawing the plots ...")
        drawn = [*plots(comparison, class_of), *_maps(comparison, table, cache_folder(cache), way, seed, written)]
    _told(tell, "Writing the page ...")
    page = render(comparison, drawn, class_of, Thumbnails(None if table is None else table.root))
    contents = {
        "table.md": markdown(comparison).encode("utf-8", "replace"),
        "compare.json": (json.dumps(comparison.to_json(), indent=2) + "\n").encode(),
        **{f"plots/{each.name}.png": each.light for each in drawn},
        **{f"plots/{each.name}.svg": each.vector for each in drawn},
        "index.html": page.encode("utf-8", "replace"),
    }
    written.files = _put(Path(out).expanduser(), contents)
    return written


def _put(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files below a folder, in the order given."""
    found = []
    try:
        for name, content in contents.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            put(target, content)
            found.append(target)
    except OSError as error:
        raise SamekindError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from error
    return found


def _told(tell: Callable[[str], None] | None, what: str) -> None:
    if tell is not None:
        tell(what)


def _table(comparison: Comparison, data: str | Path | None, written: Written) -> Table | None:
    """The pictures, known to be those of the results; None without `data`."""
    lacking = [label for label, each in zip(comparison.labels, comparison.results, strict=True) if each.lacking]
    if lacking:
        written.left_out.append(f"The page shows no queries of {', '.join(lacking)}: their table is not there.")
    if data is None:
        written.left_out.append("The page has no pictures, only their files' names: give --data DIR to see them.")
        return None
    from samekind.evaluation.reports.vectors import same_table

    return same_table(data, comparison.first)


def _maps(
    comparison: Comparison, table: Table | None, cache: Path, way: MapWay, seed: int, written: Written
) -> list[Plot]:
    """A map for each retriever whose vectors the cache has."""
    if way == "none":
        return []
    if table is None:
        written.left_out.append("There are no maps of the pictures: they need --data DIR and the cache of evaluate.")
        return []
    from samekind.evaluation.reports.maps import can_tsne, map_plot
    from samekind.evaluation.reports.vectors import cached_vectors

    if way == "tsne" and not can_tsne():
        raise SamekindError("--map tsne needs scikit-learn: `pip install scikit-learn`, or take --map pca.")
    chosen: Literal["pca", "tsne"] = "pca" if way == "pca" or not can_tsne() else "tsne"
    found = []
    for n, (label, result) in enumerate(zip(comparison.labels, comparison.results, strict=True)):
        try:
            found.append(map_plot(label, cached_vectors(result, table, cache), chosen, seed=seed, number=n))
        except SamekindError as error:
            written.left_out.append(f"There is no map for {label}: {error}")
    return found
