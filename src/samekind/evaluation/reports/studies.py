"""What docs/results.md says of studies beyond their rows: differences to zero-shot, and how they were trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.files import Result
from samekind.evaluation.reports.table import MetricTable, Row
from samekind.evaluation.study import MADE_FOR


def with_differences(group: Comparison, table: MetricTable) -> MetricTable:
    """The table with a row below each study: its figures minus those of the same backbone without training."""
    rows: list[Row] = []
    for row in table.rows:
        rows.append(row)
        found = next((pair for pair in _beside(group) if pair[0] == row.label and not row.published), None)
        if found is not None:
            label, study, plain, zero = found
            values = _differences(study, zero, table.metric, table.group)
            over = study.mean[table.group][table.metric] - zero.mean[table.group][table.metric]
            rows.append(Row(f"{label} minus {plain}", tuple(f"{value:+.4f}" for value in (*values, over))))
    return replace(table, rows=tuple(rows))


def below(group: Comparison) -> list[str]:
    """A line for each study: how many pairs are below zero-shot in the mean over seeds, and which."""
    told = []
    for label, study, plain, zero in _beside(group):
        parts = []
        for metric in group.first.headline:
            members = study.members(group.first.groups[0])
            values = _differences(study, zero, metric, group.first.groups[0])
            worse = [(study.pairs[n].title, value) for n, value in zip(members, values, strict=True) if value < 0]
            which = f" ({', '.join(f'{title} {value:+.4f}' for title, value in worse)})" if worse else ""
            parts.append(f"{metric} {len(worse)} of {len(members)}{which}")
        told.append(f"{label}, pairs below {plain} (zero-shot): {'; '.join(parts)}.")
    return told


def _beside(group: Comparison) -> list[tuple[str, Result, str, Result]]:
    """Each study with its label, and the zero-shot result of the same backbone with its own, where there is one."""
    found = []
    both = list(zip(group.labels, group.results, strict=True))
    for label, study in both:
        zero = next((each for each in both if study.seeds and _zero_shot(each[1], study)), None)
        if zero is not None:
            found.append((label, study, *zero))
    return found


def _zero_shot(result: Result, study: Result) -> bool:
    mine, its = result.facts["retriever"], study.facts["retriever"]
    return mine.get("method") == "zero_shot" and _backbone(mine) == _backbone(its) is not None


def _backbone(retriever: Mapping[str, Any]) -> str | None:
    found: str | None = (retriever.get("backbone") or {}).get("sha256")
    return found


def _differences(study: Result, zero: Result, metric: str, group: str) -> list[float]:
    return [study.pairs[n].metrics[metric] - zero.pairs[n].metrics[metric] for n in study.members(group)]


def trained(study: Result) -> dict[str, str]:
    """How a study's retrievers were made, by what it is about."""
    training, recipe = study.facts["training"], study.facts.get("recipe") or {}
    retrievers: Sequence[Any] = training.get("retrievers") or ()
    return {
        "trained": f"{training.get('method')}, one retriever for {MADE_FOR[training['per']]}, {len(retrievers)} in all",
        "seeds": ", ".join(map(str, study.seeds)),
        "classes": _told(training),
        "recipe": f"{recipe.get('name', '?')}, sha256 {str(recipe.get('sha256'))[:16]}",
        "reading": _changes(study),
        "mean by seed": _by_seed(study),
    }


def _told(training: Mapping[str, Any]) -> str:
    """What training was told of the classes: how many there are, or their names."""
    names, count = training.get("classes"), training.get("classes_count")
    if names is None:
        return f"{count}"
    return f"{count} names, {names if isinstance(names, str) else ', '.join(names)}"


def _changes(study: Result) -> str:
    """What a reading changes in the configuration that was trained."""
    if not study.facts.get("reading"):
        return ""
    return ", ".join(f"{name} = {value}" for name, value in study.facts["config"].items())


def _by_seed(study: Result) -> str:
    values = study.facts["mean_by_seed"]
    return "; ".join(
        f"{name} {', '.join(f'{value:.4f}' for value in values[name])}" for name in study.headline if name in values
    )
