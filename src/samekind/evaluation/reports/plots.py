"""The plots of a comparison: curves of P@k, bars for each pair, and what is taken for what."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.confusion import ClassOf, Confusion, by_domain, confusion
from samekind.evaluation.reports.files import Result, ResultPair
from samekind.evaluation.reports.look import DARK, DASHES, HATCHES, LIGHT, MARKERS, Look, drawing, figure, png, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASSES_AT_MOST = 24  # in a matrix, or nobody can read it
COLUMNS = 3

Draw = Callable[[Look], "Figure"]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot in both looks. `name` is its file's, `alt` says what is seen, `caption` how it is read. PNG and SVG."""

    name: str
    title: str
    caption: str
    alt: str
    light: bytes
    dark: bytes
    vector: bytes


def plot(name: str, title: str, caption: str, alt: str, draw: Draw) -> Plot:
    """Draw a figure in both looks."""
    with drawing(DARK):
        dark = png(draw(DARK))
    with drawing(LIGHT):
        made = draw(LIGHT)
        light = png(made)
        made.set_layout_engine("none")  # everything has its place by now, and finding it takes most of the time
        return Plot(name, title, caption, alt, light, dark, svg(made))


def plots(comparison: Comparison, class_of: ClassOf) -> list[Plot]:
    """Every plot that the result files alone allow."""
    found = [bars(comparison, group) for group in comparison.first.groups]
    found += [curves(comparison, group) for group in comparison.first.groups if _has_curves(comparison, group)]
    found += [
        matrix(label, result, class_of, n)
        for n, (label, result) in enumerate(zip(comparison.labels, comparison.results, strict=True))
        if result.queries
    ]
    return found


def bars(comparison: Comparison, group: str) -> Plot:
    """For each pair a bar for each result, with its interval, in up to two metrics of the headline."""
    metrics = comparison.first.headline[:2]
    members = comparison.first.members(group)

    def draw(look: Look) -> "Figure":
        rows = len(members) * len(comparison.results)
        made = figure(4.4 * len(metrics) + 1.2, 1.3 + 0.24 * rows + 0.12 * len(members))
        axes = made.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for at, metric in zip(axes, metrics, strict=True):
            _bar_panel(at, comparison, members, metric, look)
        axes[0].set_yticks(range(len(members)), [_short(comparison.first.pairs[n].title, group) for n in members])
        axes[0].set_ylim(len(members) - 0.45, -0.55)
        handles, names = axes[0].get_legend_handles_labels()
        made.legend(handles, names, loc="outside upper left", ncols=min(4, len(names)), frameon=False)
        return made

    where = f", {group} gallery" if group else ""
    caption = (
        f"Each bar is one retriever on one pair (queries → gallery){where}. Thin lines are 95 % intervals: how far the "
        "figure would move with other queries. Higher is better."
    )
    if any(metric.startswith("P@") for metric in metrics) and not comparison.first.micro:
        caption += " The short upright stroke in a P@k panel is chance, a gallery in random order."
    if any(result.seeds for result in comparison.results):
        caption += " Of studies they are one standard deviation over seeds to each side."
    alt = f"Bars of {' and '.join(metrics)} for {len(members)} pairs and {_listed(comparison.labels)}."
    return plot(_file("bars", group), f"{' and '.join(metrics)} by pair{where}", caption, alt, draw)


def _bar_panel(at: "Axes", comparison: Comparison, members: Sequence[int], metric: str, look: Look) -> None:
    height = 0.8 / len(comparison.results)
    for m, (label, result) in enumerate(zip(comparison.labels, comparison.results, strict=True)):
        pairs = [result.pairs[n] for n in members]
        values = np.array([pair.metrics.get(metric, math.nan) for pair in pairs])
        places = np.arange(len(pairs)) - 0.4 + height * (m + 0.5)
        style: dict[str, Any] = {"color": look.colour(m), "hatch": HATCHES[m % len(HATCHES)], "edgecolor": look.ground}
        at.barh(places, values, height * 0.92, label=label, linewidth=0.5, **style)
        ends = np.array([_ends(pair, metric, float(value)) for pair, value in zip(pairs, values, strict=True)])
        spread = np.maximum(np.abs(ends.T - values), 0)
        at.errorbar(values, places, xerr=spread, fmt="none", ecolor=look.ink, elinewidth=1.1, capsize=2)
        for place, value, (_, high) in zip(places, values, ends, strict=True):
            if not math.isnan(value):
                at.text(max(high, value) + 0.012, place, f"{value:.2f}".removeprefix("0"), va="center", fontsize=8)
    if metric.startswith("P@") and not comparison.first.micro:
        for n, member in enumerate(members):
            chance = comparison.first.pairs[member].chance
            if chance is not None:
                at.plot([chance, chance], [n - 0.42, n + 0.42], color=look.ink, linewidth=1.4, zorder=5)
    at.set_xlim(0, 1.08)
    at.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    at.set_xlabel(metric)
    at.grid(visible=True, axis="x")
    at.set_axisbelow(True)


def _ends(pair: ResultPair, metric: str, value: float) -> tuple[float, float]:
    """The interval of a figure; of a study one standard deviation over seeds to each side."""
    sd = pair.sd.get(metric, 0.0)
    return pair.intervals.get(metric, (value - sd, value + sd))


def curves(comparison: Comparison, group: str) -> Plot:
    """P@k over k, a panel for each pair."""
    members = comparison.first.members(group)

    def draw(look: Look) -> "Figure":
        columns = min(COLUMNS, len(members))
        rows = -(-len(members) // columns)
        made = figure(3.1 * columns + 0.4, 2.3 * rows + 0.5)
        panels = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for at, n in zip(panels.flat, members, strict=False):
            _curve_panel(at, comparison, n, look)
            at.set_title(_short(comparison.first.pairs[n].title, group))
        for at in panels.flat[len(members) :]:
            at.set_visible(False)
        made.supxlabel("k, the number of hits looked at", fontsize=10)
        made.supylabel("P@k", fontsize=10)
        handles, names = panels.flat[0].get_legend_handles_labels()
        made.legend(handles, names, loc="outside upper left", ncols=min(4, len(names)), frameon=False)
        return made

    where = f", {group} gallery" if group else ""
    caption = (
        f"The share of relevant pictures among the first k hits, for each pair{where}. A line that stays high finds "
        "the class again and again, not once. k is drawn on a logarithmic scale. Where k exceeds the number of "
        "relevant pictures no retriever can stay at 1."
    )
    alt = f"Curves of P@k for {len(members)} pairs and {_listed(comparison.labels)}."
    return plot(_file("curves", group), f"P@k{where}", caption, alt, draw)


def _curve_panel(at: "Axes", comparison: Comparison, n: int, look: Look) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for m, (label, result) in enumerate(zip(comparison.labels, comparison.results, strict=True)):
        ks, values = result.pairs[n].curve
        every = max(1, len(ks) // 6)
        marks: dict[str, Any] = {
            "marker": MARKERS[m % len(MARKERS)],
            "markersize": 4.5,
            "markevery": (m % every, every),
        }
        at.plot(ks, values, DASHES[m % len(DASHES)], color=look.colour(m), label=label, linewidth=1.6, **marks)
    chance = comparison.first.pairs[n].chance
    if chance is not None:
        at.axhline(chance, color=look.ink, linewidth=1, linestyle=(0, (1, 3)), label="by chance")
    at.set_xscale("log")
    at.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    at.xaxis.set_minor_formatter(NullFormatter())
    at.set_ylim(0, 1.02)
    at.grid(visible=True)


def matrix(label: str, result: Result, class_of: ClassOf, number: int = 0) -> Plot:
    """The class of the first hit by the query's class, over all pairs, and P@1 by the two domains."""
    group = result.groups[0]
    members = result.members(group)
    found = confusion([result.queries[n] for n in members], class_of)
    part = found.part(CLASSES_AT_MOST)

    def draw(look: Look) -> "Figure":
        size = max(3.0, 0.32 * len(part.classes) + 1.6)
        made = figure(size + 4.6, max(size, 3.2))
        left, right = made.subplots(1, 2, width_ratios=(size, 3.4))
        _class_panel(left, part, look)
        _domain_panel(right, result, group, look)
        return made

    shown = (
        ""
        if part is found
        else f" Shown are the {len(part.classes)} of {len(found.classes)} classes with most mistakes."
    )
    unknown = f" Of {found.unknown:,} first hits the class is not known." if found.unknown else ""
    caption = (
        "Left: rows are the class asked for, columns the class of the first hit; each row adds up to 1, the diagonal "
        f"is right. All pairs together.{shown}{unknown} Right: P@1 by the domain of query and gallery."
    )
    alt = f"Matrices of {label}: class of the first hit by class of the query, and P@1 by domain."
    name = f"confusion-{number + 1}"
    return plot(name, f"What {label} takes for what", caption, alt, draw)


def _class_panel(at: "Axes", part: Confusion, look: Look) -> None:
    totals = np.maximum(part.counts.sum(axis=1, keepdims=True), 1)
    share = part.counts / totals
    at.imshow(share, cmap=look.ramp, vmin=0, vmax=1)
    names = [name.replace("_", " ") for name in part.classes]
    small = 9 if len(names) <= 12 else 8
    at.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    at.set_yticks(range(len(names)), names, fontsize=small)
    at.set_xlabel("class of the first hit")
    at.set_ylabel("class of the query")
    for i, j in zip(*np.nonzero(share >= 0.05), strict=True):
        _value(at, int(j), int(i), float(share[i, j]), look, size=8.0 if len(names) <= 12 else 6.5)


def _domain_panel(at: "Axes", result: Result, group: str, look: Look) -> None:
    asks, answers, values = by_domain(result, group)
    shown = np.array([[math.nan if value is None else value for value in row] for row in values])
    at.imshow(shown, cmap=look.ramp, vmin=0, vmax=1)
    at.set_xticks(range(len(answers)), answers, rotation=90, fontsize=8.5)
    at.set_yticks(range(len(asks)), asks, fontsize=8.5)
    at.set_xlabel("gallery")
    at.set_ylabel("query")
    at.set_title("P@1")
    for i, j in zip(*np.nonzero(~np.isnan(shown)), strict=True):
        _value(at, int(j), int(i), float(shown[i, j]), look, size=9.0)


def _value(at: "Axes", x: int, y: int, value: float, look: Look, *, size: float) -> None:
    """A number in black or white, whichever stands out more against its cell."""
    from matplotlib import colormaps

    red, green, blue, _ = colormaps[look.ramp](value)
    bright = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    at.text(x, y, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=size,
            color="#000000" if bright > 0.179 else "#ffffff")  # fmt: skip


def _has_curves(comparison: Comparison, group: str) -> bool:
    return all(len(each.pairs[n].curve[0]) > 1 for each in comparison.results for n in each.members(group))


def _short(title: str, group: str) -> str:
    return title.removesuffix(f" ({group})")


def _file(name: str, group: str) -> str:
    safe = "".join(c if c.isalnum() else "-" for c in group)
    return f"{name}-{safe}" if safe else name


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
