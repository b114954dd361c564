"""What `samekind data` prints for people: tables, and lists that are cut where they grow long."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from samekind.cli.console import duration, printable
from samekind.cli.drawing import drawn, literal, table

if TYPE_CHECKING:
    from samekind.datasets.check import CheckReport, Copies

MOST = 12  # findings of a kind that are printed; --json has all


def overviews(every: Sequence[Mapping[str, Any]]) -> str:
    """A line for each data set."""
    found = _table(("name", "title", "domains", "classes", "pictures", "splits"), numbers=("classes", "pictures"))
    for each in every:
        pictures = "" if each["pictures"] is None else f"{each['pictures']:,}{'' if each['pictures_certain'] else ' *'}"
        splits = ", ".join(f"{name} {size}" for name, size in each["splits"].items())
        domains = ", ".join(each["domains"]) or "any"
        classes = "any" if each["classes"] is None else str(each["classes"])
        found.add_row(*(literal(cell) for cell in (each["name"], each["title"], domains, classes, pictures, splits)))
    starred = any(each["pictures_certain"] is False for each in every)
    return drawn(found) + ("* wholly or partly from memory\n" if starred else "")


def lines(facts: Mapping[str, Any]) -> list[str]:
    """All facts of a declaration: one line each, nested ones indented; nothing is cut."""
    told: list[str] = []
    for name, value in facts.items():
        if value in (None, {}, [], (), False):
            continue
        title = name.replace("_", " ")
        if isinstance(value, Mapping):
            told.append(f"{title}:")
            told += [f"  {inner}: {_value(each)}" for inner, each in value.items()]
        elif isinstance(value, list | tuple) and name in ("archives", "notes"):
            told.append(f"{title}:")
            told += [f"  {_value(each)}" for each in value]
        else:
            told.append(f"{title}: {_value(value)}")
    return told


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        numbers = all(isinstance(each, int) for each in value)
        return (" or " if numbers else ", ").join(_value(each) for each in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def checked(report: "CheckReport") -> str:
    """The table of domains, the findings, and the verdict as the last line."""
    told = [drawn(_domains(report))]
    for title, found in (("missing", report.missing), ("surplus", report.surplus), ("broken", report.broken)):
        told.append(_findings(title, (each["detail"] for each in found)))
    told.append(_findings("duplicated", (_copies(each) for each in report.duplicated)))
    told.append(_findings("also noted", (each["detail"] for each in report.other)))
    return "".join(told) + _verdict(report)


def _domains(report: "CheckReport") -> Table:
    headers = ("domain", "pictures", "should be", "classes", "broken")
    found = _table(headers, numbers=("pictures", "should be", "classes", "broken"))
    for name, count in report.counts.items():
        expected = " or ".join(f"{size:,}" for size in count.expected)
        remembered = " (from memory)" if count.origin.startswith("from memory") else ""
        row = (name, f"{count.found:,}", f"{expected}{remembered}", f"{count.classes:,}", f"{count.broken:,}")
        found.add_row(*(literal(cell) for cell in row))
    return found


def _copies(each: "Copies") -> str:
    """Two or more paths, and a remark where they lie in different classes."""
    crossing = f" (classes {', '.join(each.classes)})" if len(each.classes) > 1 else ""
    return " = ".join(each.files) + crossing


def _findings(title: str, found: Iterable[str]) -> str:
    every = list(found)
    if not every:
        return ""
    rest = [f"  and {len(every) - MOST:,} more; --json lists all of them"] if len(every) > MOST else []
    told = [f"  {each}".replace("\n", "\\n") for each in every[:MOST]]
    return "".join(f"{printable(line)}\n" for line in (f"{title}: {len(every):,}", *told, *rest))


def _verdict(report: "CheckReport") -> str:
    faults = (
        (len(report.missing), "missing"),
        (len(report.surplus), "surplus"),
        (len(report.broken), "broken"),
        (report.copies if report.copies_allowed is not None else 0, "there twice"),
    )
    told = ", ".join(f"{number:,} {what}" for number, what in faults if number)
    copies = f", {report.copies:,} of them copies, as is known of the set" if report.copies and report.whole else ""
    verdict = f"whole: {report.pictures:,} pictures{copies}" if report.whole else f"not whole: {told}"
    return f"{report.title} is {verdict}. Data hash {report.sha256[:16]}..., checked in {duration(report.seconds)}.\n"


def _table(headers: Sequence[str], numbers: Sequence[str]) -> Table:
    found = table()
    for header in headers:
        found.add_column(header, justify="right" if header in numbers else "left")
    return found
