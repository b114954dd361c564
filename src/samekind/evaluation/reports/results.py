"""docs/results.md: every committed result, grouped by data, protocol and profile, with how each was made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samekind.evaluation.reports.compare import Comparison, labels, refuse_unequal
from samekind.evaluation.reports.files import Result, read_result, readings
from samekind.evaluation.reports.published import left_out
from samekind.evaluation.reports.studies import below, trained, with_differences
from samekind.evaluation.reports.table import READING, about, cell, metric_markdown, sources_told, tables, title

HEAD = """# Results

Written by `make docs` from the files in `results/`; nothing here is typed by hand. `samekind run FILE.toml` makes such
a file, and [evaluation.md](evaluation.md) says how each figure is computed.
"""
SEEDS = """Where a row has seeds, each figure is the mean over retrievers that were trained with them, and ± is the
standard deviation (n - 1) over seeds. A row "a minus b" is the difference to the same backbone without training.
"""
NONE = "There are no results yet: `results/` holds no result file."


def render(folder: str | Path) -> str:
    """The page for all `*.json` below a folder, which may be empty or missing. Raises as `read_result` does.

    Results stand in one table when they are about the same data (by hash), protocol, profile, split and pairs.
    """
    read = [read_result(file, queries=False) for file in sorted(Path(folder).glob("*.json"))]
    found = [each for result in read for each in (result, *readings(result))]
    parts = [HEAD]
    if not found:
        return f"{HEAD}\n{NONE}\n"
    groups = grouped(found)
    parts += [
        "\n".join(_contents(groups)) + "\n",
        READING + "\n",
        *([SEEDS] if any(each.seeds for each in found) else []),
    ]
    parts += [_group(each) for each in groups]
    return "\n".join(parts)


def grouped(results: Sequence[Result]) -> list[Comparison]:
    """Results that may stand in one table, the groups sorted by data, protocol and profile, rows by their names."""
    groups: list[list[Result]] = []
    for result in results:
        home = next((group for group in groups if _together(group[0], result)), None)
        if home is None:
            groups.append([result])
        else:
            home.append(result)
    whole = [
        tuple(sorted(group, key=lambda each: (each.facts["retriever"]["name"], each.file.name))) for group in groups
    ]
    found = [Comparison(group, labels(group)) for group in whole]
    return sorted(found, key=lambda each: (title(each), -len(each.first.pairs), each.first.file.name))


def _together(first: Result, other: Result) -> bool:
    from samekind.errors import UsageError

    try:
        refuse_unequal(first, other)
    except UsageError:
        return False
    return [pair.key for pair in first.pairs] == [pair.key for pair in other.pairs]


def _contents(groups: Sequence[Comparison]) -> list[str]:
    """A line for each group with the means, so that a reader sees the whole at once."""
    lines = ["| data | protocol | profile | pairs | method | mean |", "| --- | --- | --- | ---: | --- | --- |"]
    for group in groups:
        facts, gallery = group.first.facts, group.first.groups[0]
        for label, result in zip(group.labels, group.results, strict=True):
            mean = "; ".join(f"{name} {_mean(result, gallery, name)}" for name in group.first.headline)
            cells = (facts["data"]["name"], facts["protocol"], facts["profile"])
            pairs = str(len(group.first.members(gallery)))
            lines.append(f"| {' | '.join((*(cell(each) for each in cells), pairs, cell(label), mean))} |")
    return lines


def _mean(result: Result, gallery: str, metric: str) -> str:
    sd = result.mean_sd(metric)
    return f"{result.mean[gallery][metric]:.3f}" + ("" if sd is None else f" ± {sd:.3f}")


def _group(group: Comparison) -> str:
    """One heading with its tables, notes, and how each row was made."""
    parts = [f"## {cell(title(group))}", "", f"{cell(about(group))} {_counts(group.first.facts['data'])}".rstrip(), ""]
    for each in tables(group):
        parts += [f"{cell(each.title)}:", "", metric_markdown(with_differences(group, each)), ""]
    if lines := below(group):
        parts += [*(f"- {cell(line)}" for line in lines), ""]
    if told := sources_told(group):
        parts += ["Published figures in italics. " + told[0], "", *(f"- {cell(line)}" for line in told[1:]), ""]
    notes = [note for note in group.first.facts.get("notes") or [] if isinstance(note, str)]
    notes += [text] if (text := left_out(group.first)) else []
    parts += [*(f"- {cell(note)}" for note in notes), ""] if notes else []
    for label, result in zip(group.labels, group.results, strict=True):
        parts += [_made(label, result), ""]
    return "\n".join(parts)


def _counts(data: Mapping[str, Any]) -> str:
    """Pictures by domain, and classes."""
    domains = data.get("domains")
    if not isinstance(domains, Mapping):
        return ""
    told = ", ".join(f"{cell(str(name))} {count:,}" for name, count in domains.items())
    return f"{data.get('pictures', sum(domains.values())):,} pictures of {data.get('classes', '?')} classes: {told}."


def _made(label: str, result: Result) -> str:
    """Date, hardware, command, versions and hashes of one result, as a list."""
    facts, retriever = result.facts, result.facts["retriever"]
    backbone = (retriever.get("backbone") or {}).get("name")
    made = trained(result) if result.seeds else {}
    told = {
        "retrievers" if made else "retriever": (
            f"{retriever['name']}, {retriever.get('method', '?')}, sha256 {retriever['sha256'][:16]}"
        ),
        **made,
        "backbone": backbone,
        "precision": retriever.get("precision"),
        "mean, 95 % interval": "" if made else _intervals(result),
        "date": facts.get("date"),
        "hardware": hardware(facts.get("machine") or {}),
        "versions": ", ".join(f"{name} {number}" for name, number in (facts.get("versions") or {}).items()),
        "seconds": ", ".join(f"{name} {value:.1f}" for name, value in (facts.get("seconds") or {}).items()),
        "split": _split(facts.get("split")),
        "not usable": f"{facts['skipped']:,} pictures" if facts.get("skipped") else "",
    }
    lines = [f"**{cell(label)}**, from [{cell(result.file.name)}](../results/{result.file.name})", ""]
    lines += [f"- {name}: {cell(str(value))}" for name, value in told.items() if value]
    if facts.get("command"):
        typed = "".join(c if c.isprintable() and c != "`" else " " for c in str(facts["command"]))
        lines.append(f"- command: `{typed}`")
    return "\n".join(lines)


def _intervals(result: Result) -> str:
    ends = result.facts.get("mean_intervals") or {}
    mean = result.mean[result.groups[0]]
    return ", ".join(
        f"{name} {mean[name]:.4f} ({ends[name][0]:.4f} to {ends[name][1]:.4f})"
        for name in result.headline
        if name in ends
    )


def _split(split: Any) -> str:
    if not isinstance(split, Mapping) or "sha256" not in split:
        return ""
    return f"{1 - float(split.get('share', 0)):.0%} held out, sha256 {split['sha256'][:16]}"


def hardware(machine: Mapping[str, Any]) -> str:
    """Processor, cores, memory and GPU in a few words."""
    told = [str(machine["processor"])] if machine.get("processor") else []
    told += [f"{machine['cores']} cores"] if machine.get("cores") else []
    told += [f"{machine['memory_gib']:g} GiB"] if machine.get("memory_gib") else []
    told += [str(machine["gpu"])] if machine.get("gpu") else []
    return ", ".join(told)
