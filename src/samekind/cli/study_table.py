"""A study as tables for a terminal: means over seeds with their spread, a table for each reading."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from samekind.cli.console import duration
from samekind.cli.drawing import drawn, literal, table
from samekind.evaluation.study import MADE_FOR


def text(report: Mapping[str, Any]) -> str:
    """The whole study for people. Names in it may be hostile and are shown as they are."""
    name = report["retriever"]["name"]
    tables = [_table(report, name, report)]
    tables += [_table(report, f"{name}, {reading}", found) for reading, found in report["readings"].items()]
    return drawn(*tables, literal("\n".join(lines(report))))


def _table(study: Mapping[str, Any], name: str, found: Mapping[str, Any]) -> Table:
    """The pairs of one reading, their mean at the foot; sizes are those of the study's own pairs."""
    about = f"{study['protocol']}, profile {study['profile']}, {counted(study['seeds'])}"
    made = table(f"{name} on {study['data']['name']}: {about}", footer=True)
    made.add_column("query", "mean")
    made.add_column("gallery")
    for header in ("queries", "pictures"):
        made.add_column(header, justify="right")
    for metric in study["headline"]:
        mean = figure(found["mean"][metric], (found["mean_sd"] or {}).get(metric))
        made.add_column(literal(metric), mean, justify="right", no_wrap=True)
    for pair, sizes in zip(found["pairs"], study["pairs"], strict=True):
        figures = [figure(pair["metrics"][name], (pair["sd"] or {}).get(name)) for name in study["headline"]]
        cells = (pair["query"], pair["gallery"], f"{sizes['queries']:,}", f"{sizes['gallery_size']:,}", *figures)
        made.add_row(*(literal(cell) for cell in cells))
    return made


def lines(study: Mapping[str, Any]) -> list[str]:
    """What stands below the tables."""
    training, seconds = study["training"], study["seconds"]
    made = len(training["retrievers"])
    told = [
        "±: standard deviation over seeds (n - 1); pictures are the same."
        if len(study["seeds"]) > 1
        else "One seed has no spread: another one may give other figures.",
        f"{made} retriever{'s' if made > 1 else ''} trained, one for {MADE_FOR[training['per']]}, in "
        f"{duration(seconds['train'])}; pictures encoded in {duration(seconds['encode'])}.",
    ]
    if lost := study["skipped"]:
        told.append(f"{lost:,} file{' was' if lost == 1 else 's were'} skipped, and in no figure.")
    return [*told, *study["notes"]]


def counted(seeds: list[int]) -> str:
    """`seed 0`, or `3 seeds`."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"


def figure(mean: float, sd: float | None) -> str:
    """`0.612 ±.004`, or without spread where there is none."""
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ±" + f"{sd:.3f}".removeprefix("0")
