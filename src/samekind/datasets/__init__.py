"""Labelled sets of pictures, each a short declaration."""

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.datasets.declaration import Dataset
    from samekind.datasets.table import Table

DATASETS: dict[str, str] = {
    "folder": "samekind.datasets.folder_facts:FOLDER",
    "pacs": "samekind.datasets.pacs:PACS",
    "office_home": "samekind.datasets.office_home:OFFICE_HOME",
    "domainnet": "samekind.datasets.domainnet:DOMAINNET",
    "sketchy": "samekind.datasets.sketchy:SKETCHY",
    "tu_berlin": "samekind.datasets.tu_berlin:TU_BERLIN",
    "toyworld": "samekind.datasets.toyworld.facts:TOYWORLD",
}

ROOT = "SAMEKIND_DATA"  # the folder that holds data sets by their names


def dataset(name: str) -> "Dataset":
    """The declaration registered under a name, imported on use; raises UsageError that lists the known names."""
    if name not in DATASETS:
        raise UsageError(f"There is no data set {name!r}. Known data sets: {', '.join(DATASETS)}.")
    module, _, attribute = DATASETS[name].partition(":")
    found: Dataset = getattr(import_module(module), attribute)
    return found


def read_data(data: "str | Path") -> "tuple[Table, Dataset | None]":
    """The pictures that `data` means, and the declaration of their data set; None for a folder of the user's own.

    `data` is a folder root/domain/class/picture, a declared data set with its place as NAME:PATH, or NAME alone, which
    is looked for in the folder that the environment variable SAMEKIND_DATA names. A plain folder that has all domains
    and classes of a declaration, and nothing else, is read as that data set; folder:PATH never is.
    Raises UsageError where nothing of the kind is found.
    """
    name, path = located(data)
    if name == "folder":
        return dataset(name).read(path), None
    if name is None:
        name = recognised(path)
    if name is None:
        return dataset("folder").read(path), None
    declared = dataset(name)
    return declared.read(path), declared


def located(data: "str | Path") -> tuple[str | None, Path]:
    """The data set's name, None where only a folder is given, and its folder; raises UsageError where there is none."""
    text = str(data)
    if Path(text).expanduser().is_dir():
        return None, Path(text)
    name, colon, path = text.partition(":")
    if name in DATASETS and path:
        return name, Path(path)
    if text in DATASETS and not colon:
        base = os.environ.get(ROOT)
        if base and Path(base, text).expanduser().is_dir():
            return text, Path(base, text)
        where = f"{base} has no folder {text}" if base else f"{ROOT} is not set"
        raise UsageError(
            f"Where are the pictures of {text}? Give {text}:PATH, or set {ROOT} to the folder that has a folder {text} "
            f"({where}). `samekind data show {text}` says where to get them."
        )
    raise UsageError(
        f"There is no folder {text}, and no data set of that name. Known data sets: {', '.join(DATASETS)}."
    )


def recognised(root: Path) -> str | None:
    """The declared data set whose domains and classes a folder has, all of them or those of one split; else None."""
    from samekind.datasets.layout import absolute

    path = absolute(root)
    return next((name for name in DATASETS if dataset(name).fits(path)), None)
