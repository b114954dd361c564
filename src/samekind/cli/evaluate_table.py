"""A result file as tables for a terminal: a line for each pair, with intervals, and what was left out."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def text(report: Mapping[str, Any]) -> str:
    """The whole result for people: the figures, then everything that limits what they say."""
    file = StringIO()
    width = max(shutil.get_terminal_size((120, 24)).columns, 60)
    console = Console(file=file, width=width, force_terminal=sys.stdout.isatty(), highlight=False)
    groups = list(dict.fromkeys(pair.get("name", "") for pair in report["pairs"]))
    for name in groups:
        table = _table(report, name)
        fits = console.measure(table, options=console.options.update(width=10_000)).maximum <= width
        console.print(table if fits else _table(report, name, intervals=False))
    console.print("\n".join(lines(report)), soft_wrap=True, markup=False)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _table(report: Mapping[str, Any], name: str, *, intervals: bool = True) -> Table:
    """The pairs with one gallery name, their plain mean at the foot."""
    pairs = [pair for pair in report["pairs"] if pair.get("name", "") == name]
    retriever, data = report["retriever"]["name"], report["data"]["name"]
    gallery = f", {name} gallery" if name else ""
    title = f"{retriever} on {data}: {report['protocol']}, profile {report['profile']}{gallery}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_footer=True, padding=(0, 1, 0, 0))
    table.add_column("query", "mean")
    table.add_column("gallery")
    for header in ("queries", "pictures"):
        table.add_column(header, justify="right")
    table.add_column("chance", _short(_mean([pair["chance"] for pair in pairs])), justify="right")
    means = report.get("means", {}).get(name, report["mean"])
    ends = report.get("means_intervals", {}).get(name, report.get("mean_intervals", {})) if intervals else {}
    for metric in report["headline"]:
        table.add_column(metric, _figure(means[metric], ends.get(metric)), justify="right", no_wrap=True)
    for pair in pairs:
        sizes = (f"{pair['queries']:,}", f"{pair['gallery_size']:,}", _short(pair["chance"]))
        mine = pair["intervals"] if intervals else {}
        figures = [_figure(pair["metrics"][metric], mine.get(metric)) for metric in report["headline"]]
        table.add_row(pair["query"], pair["gallery"], *sizes, *figures)
    return table


def lines(report: Mapping[str, Any]) -> list[str]:
    """What stands below the table."""
    told = []
    if names := report.get("by_name"):
        each = "  ".join(f"{domain} {_short(found['accuracy'])}" for domain, found in names["domains"].items())
        told.append(
            f'By class name ("{names["prompt"]}", nearest of {names["classes"]}): {each}  '
            f"mean {_short(names['mean'])}, by chance {_short(names['chance'])}"
        )
    told += _limits(report)
    told += report.get("notes", [])
    told.append(_cost(report))
    return told


def _limits(report: Mapping[str, Any]) -> list[str]:
    """What the figures leave out, or include that they should not."""
    told = []
    if alone := sum(pair["without_relevant"] for pair in report["pairs"]):
        told.append(f"{alone:,} queries have nothing of their class in the gallery (all pairs together).")
    if copies := sum(pair.get("copies", 0) for pair in report["pairs"]):
        told.append(f"{copies:,} queries have an exact copy of themselves in the gallery (all pairs together).")
    smallest = min(pair["gallery_size"] for pair in report["pairs"])
    if smallest < _largest(report) and report["profile"] == "clean":
        told.append(f"The smallest gallery has {smallest:,} pictures; the denominator of P@k is k all the same.")
    if lost := report["skipped"]:
        told.append(f"{lost:,} file{' was' if lost == 1 else 's were'} skipped, and in no figure.")
    return told


def _cost(report: Mapping[str, Any]) -> str:
    seconds = report["seconds"]
    encoded = f"{report['encoded']:,} pictures encoded in {seconds['encode']:.1f} s"
    cached = f" ({report['cached']:,} were known)" if report["cached"] else ""
    return f"[low, high]: 95 % bootstrap over queries. {encoded}{cached}, scored in {seconds['score']:.1f} s."


def _largest(report: Mapping[str, Any]) -> int:
    ks = [metric.removeprefix("P@") for metric in report["headline"] if metric.startswith("P@")]
    return max((int(k) for k in ks), default=0)


def _figure(value: float, ends: Sequence[float] | None) -> str:
    return f"{value:.3f}" if not ends else f"{value:.3f} [{_short(ends[0])} {_short(ends[1])}]"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
