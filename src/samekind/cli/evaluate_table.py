"""A result file as tables for a terminal: a line for each pair, with intervals, and what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from samekind.cli.drawing import drawn, fits, literal, table


def text(report: Mapping[str, Any]) -> str:
    """The whole result for people: the figures, then everything that limits what they say.

    Names in it may be hostile and are shown as they are, control characters escaped.
    """
    groups = list(dict.fromkeys(pair.get("name", "") for pair in report["pairs"]))
    tables = [_table(report, name) for name in groups]
    wide = all(fits(each) for each in tables)
    shown = tables if wide else [_table(report, name, intervals=False) for name in groups]
    return drawn(*shown, literal("\n".join(lines(report, intervals=wide))))


def _table(report: Mapping[str, Any], name: str, *, intervals: bool = True) -> Table:
    """The pairs with one gallery name, their plain mean at the foot."""
    pairs = [pair for pair in report["pairs"] if pair.get("name", "") == name]
    retriever, data = report["retriever"]["name"], report["data"]["name"]
    gallery = f", {name} gallery" if name else ""
    title = f"{retriever} on {data}: {report['protocol']}, profile {report['profile']}{gallery}"
    found = table(title, footer=True)
    found.add_column("query", "mean")
    found.add_column("gallery")
    for header in ("queries", "pictures"):
        found.add_column(header, justify="right")
    micro = (report["protocol"], report["profile"]) == ("ucdir", "paper")  # whose P@k has another chance than this
    if not micro:
        found.add_column("chance", _short(_mean([pair["chance"] for pair in pairs])), justify="right")
    means = report.get("means", {}).get(name, report["mean"])
    ends = report.get("means_intervals", {}).get(name, report.get("mean_intervals", {})) if intervals else {}
    for metric in report["headline"]:
        found.add_column(literal(metric), _figure(means[metric], ends.get(metric)), justify="right", no_wrap=True)
    for pair in pairs:
        sizes = [f"{pair['queries']:,}", f"{pair['gallery_size']:,}", *(() if micro else [_short(pair["chance"])])]
        mine = pair["intervals"] if intervals else {}
        figures = [_figure(pair["metrics"][metric], mine.get(metric)) for metric in report["headline"]]
        found.add_row(literal(pair["query"]), literal(pair["gallery"]), *(literal(each) for each in (*sizes, *figures)))
    return found


def lines(report: Mapping[str, Any], *, intervals: bool = True) -> list[str]:
    """What stands below the table, which has `intervals` or not."""
    told = []
    if names := report.get("by_name"):
        each = "  ".join(f"{domain} {_short(found['accuracy'])}" for domain, found in names["domains"].items())
        told.append(
            f'By class name ("{names["prompt"]}", nearest of {names["classes"]}): {each}  '
            f"mean {_short(names['mean'])}, by chance {_short(names['chance'])}"
        )
    told += _limits(report)
    told += report.get("notes", [])
    told.append(
        "[low, high]: 95 % bootstrap over queries." if intervals else "The terminal is too narrow for intervals."
    )
    told[-1] += f" {_cost(report)}"
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
        size = "1 picture" if smallest == 1 else f"{smallest:,} pictures"
        told.append(f"The smallest gallery has {size}; the denominator of P@k is k all the same.")
    if lost := report["skipped"]:
        told.append(f"{lost:,} file{' was' if lost == 1 else 's were'} skipped, and in no figure.")
    return told


def _cost(report: Mapping[str, Any]) -> str:
    seconds = report["seconds"]
    encoded = f"{report['encoded']:,} pictures encoded in {seconds['encode']:.1f} s"
    cached = f" ({report['cached']:,} were known)" if report["cached"] else ""
    return f"{encoded}{cached}, scored in {seconds['score']:.1f} s."


def _largest(report: Mapping[str, Any]) -> int:
    ks = [metric.removeprefix("P@") for metric in report["headline"] if metric.startswith("P@")]
    return max((int(k) for k in ks), default=0)


def _figure(value: float, ends: Sequence[float] | None) -> str:
    return f"{value:.3f}" if not ends else f"{value:.3f} [{_short(ends[0])} {_short(ends[1])}]"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
