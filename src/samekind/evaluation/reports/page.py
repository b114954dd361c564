"""The report as one HTML file that needs nothing else: figures, plots, and queries with what was found."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath

from samekind.evaluation.reports.compare import Comparison
from samekind.evaluation.reports.confusion import ClassOf, confusion
from samekind.evaluation.reports.plots import Plot
from samekind.evaluation.reports.style import HEAD, STYLE
from samekind.evaluation.reports.table import (
    READING,
    SEED_COLUMNS,
    MetricTable,
    about,
    difference_cells,
    how_tested,
    how_tested_by_seed,
    seed_cells,
    seed_title,
    sources_told,
    tables,
    title,
)
from samekind.evaluation.reports.thumbnails import Thumbnails
from samekind.evaluation.reports.worst import Answer, Choice, ShownQuery, choices

MISTAKES = 5

TERMS = (
    (
        "Query and gallery",
        "A picture of one domain (the query) is compared with all pictures of another (the gallery).",
    ),
    ("Hits", "The pictures of the gallery, nearest first. The retriever sees pictures only, never their classes."),
    ("Relevant", "A hit is relevant when it has the query's class. ✓ marks relevant hits, ✗ others."),
    (
        "Profile",
        "How a result was made. clean: with pictures that training did not see, and plain means. paper: as the public "
        "code of the benchmark does it, for figures that can stand beside published ones.",
    ),
    ("Average precision", "1 when every relevant picture comes before every other one, near 0 when they come last."),
)


def render(comparison: Comparison, drawn: Sequence[Plot], class_of: ClassOf, pictures: Thumbnails) -> str:
    """The whole page. Every name may be hostile: it is escaped, and nothing becomes a link but the page's own parts."""
    shown = [choices(comparison, n) for n in range(len(comparison.first.pairs))]
    pictures.prepare(file for each in shown for choice in each for query in choice.queries for file in _files(query))
    parts = [
        f"<header><h1>{text(title(comparison))}</h1>\n<p>{text(about(comparison))}</p>",
        _contents(comparison, drawn, any(shown)),
        "</header>\n<main>",
        _terms(),
        _figures(comparison),
        _plots(drawn),
        _queries(comparison, shown, class_of, pictures),
        _notes(comparison),
        "</main>",
        pictures.definitions(),
    ]
    return (
        HEAD.format(title=text(title(comparison)), style=STYLE) + "\n".join(filter(None, parts)) + "\n</body></html>\n"
    )


def text(value: str) -> str:
    """Escaped for text and attributes; what cannot be seen (control characters, reading direction) is spelled out."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in value)
    return escape(seen)


def _contents(comparison: Comparison, drawn: Sequence[Plot], queries: bool) -> str:
    links = [("figures", "Figures")]
    links += [("plots", "Plots")] if drawn else []
    links += [("queries", "Queries and their hits")] if queries else []
    links += [("notes", "How this was made")]
    items = "".join(f'<li><a href="#{place}">{name}</a></li>' for place, name in links)
    return f'<nav aria-label="parts of this page"><ul>{items}</ul></nav>'


def _terms() -> str:
    items = "\n".join(f"<dt>{text(name)}</dt><dd>{text(told)}</dd>" for name, told in TERMS)
    return f'<section><h2 id="terms">What is what</h2>\n<dl>\n{items}\n</dl></section>'


def _figures(comparison: Comparison) -> str:
    parts = ['<section><h2 id="figures">Figures</h2>', f"<p>{text(READING)}</p>"]
    parts += [_table(each) for each in tables(comparison)]
    if comparison.differences:
        told = f"Differences to {comparison.labels[0]}, with intervals and p values"
        parts += [
            f"<p>{text(how_tested(comparison))}</p>",
            f"<details><summary>{text(told)}</summary>",
            *(_difference_table(comparison, metric) for metric in comparison.tested),
            "</details>",
        ]
    if comparison.by_seed:
        parts += [f"<p>{text(how_tested_by_seed(comparison))}</p>", _seed_table(comparison)]
    lines = sources_told(comparison)
    if lines:
        items = "".join(f"<li>{text(line)}</li>" for line in lines[1:])
        parts.append(f"<h3>Published figures</h3><p>{text(lines[0])}</p><ul>{items}</ul>")
    return "\n".join([*parts, "</section>"])


def _table(table: MetricTable) -> str:
    header = "".join(f'<th scope="col">{_breakable(name)}</th>' for name in ("method", *table.columns))
    rows = []
    for row in table.rows:
        kind = ' class="published"' if row.published else ' class="chance"' if row.label == "by chance" else ""
        cells = "".join(f"<td>{text(cell)}</td>" for cell in row.cells)
        rows.append(f'<tr{kind}><th scope="row">{text(row.label)}</th>{cells}</tr>')
    return _wide(table.title, header, rows, "wide figures")


def _breakable(name: str) -> str:
    """Escaped, with places where a narrow column may break it."""
    return text(name).replace("_", "_<wbr>").replace("→ ", "→<br>")


def _difference_table(comparison: Comparison, metric: str) -> str:
    found = [difference_cells(comparison, each) for each in comparison.differences if each.metric == metric]
    names = ("method", "pair", "difference", "95 % interval", "p", "p, corrected")
    return _listed(f"Differences in {metric}", names, found)


def _seed_table(comparison: Comparison) -> str:
    return _listed(seed_title(comparison), SEED_COLUMNS, [seed_cells(each) for each in comparison.by_seed])


def _listed(caption: str, names: Sequence[str], found: Sequence[Sequence[str]]) -> str:
    """A table whose rows begin with a method and what its numbers are about."""
    header = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for label, what, *numbers in found:
        cells = f'<td class="text">{text(what)}</td>' + "".join(f"<td>{text(cell)}</td>" for cell in numbers)
        rows.append(f'<tr><th scope="row">{text(label)}</th>{cells}</tr>')
    return _wide(caption, header, rows)


def _wide(caption: str, header: str, rows: Sequence[str], kind: str = "wide") -> str:
    """A table that scrolls by itself where the screen is narrow; `figures` keep their last column in sight."""
    body = "\n".join(rows)
    return (
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption>\n"
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _plots(drawn: Sequence[Plot]) -> str:
    if not drawn:
        return ""
    parts = ['<section><h2 id="plots">Plots</h2>']
    for each in drawn:
        light, dark = (f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (each.light, each.dark))
        parts.append(
            f'<figure class="plot"><h3>{text(each.title)}</h3>\n<div class="wide" tabindex="0" role="region" '
            f'aria-label="{text(each.title)}"><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            f'<img src="{light}" alt="{text(each.alt)}"></picture></div>\n'
            f'<figcaption><span class="narrow">Wider than the screen: move it sideways. </span>{text(each.caption)}'
            "</figcaption></figure>"
        )
    return "\n".join([*parts, "</section>"])


def _queries(comparison: Comparison, shown: Sequence[Sequence[Choice]], class_of: ClassOf, pictures: Thumbnails) -> str:
    if not any(shown):
        return ""
    told = "For each pair the queries with the lowest and the highest average precision, and their first hits."
    parts = [f'<section><h2 id="queries">Queries and their hits</h2>\n<p>{told} Open a pair to see it.</p>']
    for n, found in enumerate(shown):
        if found:
            parts.append(_pair(comparison, n, found, class_of, pictures, is_open=n == 0))
    return "\n".join([*parts, "</section>"])


def _pair(
    comparison: Comparison, n: int, found: Sequence[Choice], class_of: ClassOf, pictures: Thumbnails, *, is_open: bool
) -> str:
    pair = comparison.first.pairs[n]
    figures = " · ".join(
        f"{label} P@1 {result.pairs[n].metrics['P@1']:.2f}"
        for label, result in zip(comparison.labels, comparison.results, strict=True)
        if "P@1" in result.pairs[n].metrics
    )
    parts = [f"<details{' open' if is_open else ''}><summary>{text(pair.title)}: {text(figures)}</summary>"]
    parts += [f"<p>{line}</p>" for line in _mistakes(comparison, n, class_of)]
    for choice in found:
        parts += [f"<h4>{text(choice.heading)}</h4>", f'<p class="soft">{text(choice.note)}</p>']
        parts += [_query(query, class_of, pictures) for query in choice.queries]
    return "\n".join([*parts, "</details>"])


def _mistakes(comparison: Comparison, n: int, class_of: ClassOf) -> list[str]:
    lines = []
    for label, result in zip(comparison.labels, comparison.results, strict=True):
        if result.queries:
            worst = confusion([result.queries[n]], class_of).worst(MISTAKES)
            told = "; ".join(f"{_plain(a)} finds {_plain(b)} ({many} of {asked})" for a, b, many, asked in worst)
            lines.append(f"<b>{text(label)}</b>, most frequent wrong first hits: {text(told) or 'none'}.")
    return lines


def _query(query: ShownQuery, class_of: ClassOf, pictures: Thumbnails) -> str:
    facts = f'<b class="class">{text(_plain(query.label))}</b>query: {_name(query.file)}'
    picture = _picture(query.file, f"query: {_plain(query.label)}", pictures)
    answers = "\n".join(_answer(each, query, class_of, pictures) for each in query.answers)
    return f'<div class="asked"><div class="tile">{picture}<div>{facts}</div></div>\n<div>{answers}</div></div>'


def _answer(answer: Answer, query: ShownQuery, class_of: ClassOf, pictures: Thumbnails) -> str:
    first = f"first relevant hit at rank {answer.first:,}" if answer.first else "nothing relevant in the gallery"
    facts = f"<b>{text(answer.label)}</b>: average precision {answer.precision:.2f}, {first}"
    hits = "\n".join(_hit(rank, *hit, query, class_of, pictures) for rank, hit in enumerate(answer.hits, 1))
    return f'<div class="answer"><p>{facts}</p>\n<ol class="hits">\n{hits}\n</ol></div>'


def _hit(rank: int, file: str, right: bool, query: ShownQuery, class_of: ClassOf, pictures: Thumbnails) -> str:
    found = query.label if right else class_of(file)
    name = _plain(found) if found else "another class"
    picture = _picture(file, f"hit {rank}, {'relevant' if right else 'not relevant'}: {name}", pictures)
    mark = '<span class="yes">✓</span>' if right else '<span class="no">✗</span>'
    kind = "" if right else ' class="wrong"'
    return f'<li{kind}><div class="tile">{picture}<b>{mark}&nbsp;{text(name)}</b><br>{_name(file)}</div></li>'


def _picture(file: str, alt: str, pictures: Thumbnails) -> str:
    problem = pictures.get(file).problem
    if problem:
        return f'<div class="gone" role="img" aria-label="{text(f"{alt}: {problem}")}">{text(problem)}</div>'
    use = f'<use href="#{pictures.name(file)}" width="100" height="100"/>'
    return f'<svg class="picture" viewBox="0 0 100 100" role="img" aria-label="{text(alt)}">{use}</svg>'


def _name(file: str) -> str:
    return f'<span title="{text(file)}">{text(PurePosixPath(file).name)}</span>'


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _files(query: ShownQuery) -> list[str]:
    return [query.file, *(file for answer in query.answers for file, _ in answer.hits)]


def _notes(comparison: Comparison) -> str:
    items = [f"<li>{text(note)}</li>" for note in comparison.notes]
    for label, result in zip(comparison.labels, comparison.results, strict=True):
        facts, retriever = result.facts, result.facts["retriever"]
        told = [f"retriever {retriever['name']} ({retriever['sha256'][:12]})", f"file {result.file.name}"]
        told += [f"{name} {facts[name]}" for name in ("date", "command") if facts.get(name)]
        items.append(f"<li><b>{text(label)}</b>: {text('; '.join(told))}.</li>")
    return f'<section><h2 id="notes">How this was made</h2>\n<ul>\n{chr(10).join(items)}\n</ul></section>'
