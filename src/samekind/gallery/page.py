"""Hits as one HTML file that needs nothing else: queries to the left, hits to the right, thumbnails inside."""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path, PurePosixPath

from PIL import Image

from samekind.gallery.hits import Hit
from samekind.gallery.query import Term
from samekind.images.decode import decode, read
from samekind.images.errors import ImageError
from samekind.images.refs import is_url

THUMBNAIL = 176  # pixels of the longer side: sharp on screens with two pixels per dot at the size shown
MISSING = {"vanished": "no longer there", "url_refused": "not fetched", "unreadable": "not readable"}


@dataclass(frozen=True, slots=True)
class Row:
    """One query with its hits, best first. `label` names the query's class; `right` ticks the hits that share it."""

    query: Sequence[Term]
    hits: Sequence[Hit]
    label: str | None = None
    right: Sequence[bool] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first cell of a row is its name."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(slots=True)
class _Thumbnails:
    """Small pictures as data URIs, each made once."""

    allow_urls: bool
    known: dict[str, tuple[str, str]] = field(default_factory=dict)

    def html(self, uri: str, alt: str) -> str:
        """The picture as a link to the original, or a placeholder that says what is wrong with the file."""
        if uri not in self.known:
            try:
                self.known[uri] = thumbnail(decode(read(uri, allow_urls=self.allow_urls), target=THUMBNAIL).image), ""
            except ImageError as error:
                self.known[uri] = "", MISSING.get(error.reason, "cannot be shown")
        source, problem = self.known[uri]
        if problem:
            gone = f'<div class="gone" role="img" aria-label="{_text(f"{alt}: {problem}")}">{problem}</div>'
            return _linked(uri, gone) if is_url(uri) else gone
        return _linked(uri, f'<img src="{source}" alt="{_text(alt)}" loading="lazy" decoding="async">')


def thumbnail(image: Image.Image) -> str:
    """The picture (upright, RGB) as a data URI of a JPEG, at most THUMBNAIL pixels wide and high."""
    small, file = image.copy(), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.convert("RGB").save(file, "JPEG", quality=82, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def render_page(
    title: str, sections: Sequence[Section], *, lead: str = "", tables: Sequence[Table] = (), allow_urls: bool = False
) -> str:
    """The whole page: a title, a sentence, tables, and sections of queries with their hits.

    All texts and uris may be hostile: they are escaped, and only paths and http(s) addresses become links. Files are
    only read; one that is gone leaves a placeholder. URLs are fetched for their thumbnails only with `allow_urls`.
    """
    pictures = _Thumbnails(allow_urls)
    parts = [
        f"<header><h1>{_text(title)}</h1>",
        f"<p>{_text(lead)}</p>" if lead else "",
        "</header>\n<main>",
        *(_table(table) for table in tables),
        *(_section(section, pictures) for section in sections),
        "</main>",
    ]
    return (
        HEAD.format(title=_text(title), style=STYLE) + "\n".join(part for part in parts if part) + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    """Row names to the left, all other cells are numbers or short words."""
    header = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
    rows = [
        f'<tr><th scope="row">{_text(name)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in table.rows
    ]
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{_text(table.caption)}"><table>'
        f"<caption>{_text(table.caption)}</caption>\n<thead><tr>{header}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _section(section: Section, pictures: _Thumbnails) -> str:
    heading = f"<h2>{_text(section.heading)}</h2>" if section.heading else ""
    note = f"<p>{_text(section.note)}</p>" if section.note else ""
    return f"<section>{heading}{note}\n" + "\n".join(_row(row, pictures) for row in section.rows) + "\n</section>"


def _row(row: Row, pictures: _Thumbnails) -> str:
    """The query in one column, the list of hits in the other."""
    label = f'<p class="label">{_text(row.label)}</p>' if row.label else ""
    right: Sequence[bool | None] = row.right if row.right is not None else [None] * len(row.hits)
    hits = "\n".join(_hit(hit, same, pictures) for hit, same in zip(row.hits, right, strict=True))
    found = f'<ol class="hits">\n{hits}\n</ol>' if row.hits else '<p class="none">no hits</p>'
    terms = "".join(_term(term, pictures) for term in row.query)
    return f'<article>\n<div class="query">{terms}{label}</div>\n{found}\n</article>'


def _term(term: Term, pictures: _Thumbnails) -> str:
    """A summand of the query, with its weight where that is not one."""
    weight = "" if term.weight == 1 else f'<span class="weight">{term.weight:g} &times;</span> '
    if term.kind == "text":
        return f"<p>{weight}<q>{_text(str(term.value))}</q></p>"
    if isinstance(term.value, Image.Image):
        image = f'<img src="{thumbnail(term.value)}" alt="query: a picture without a name">'
        return f"<figure>{image}<figcaption>{weight}</figcaption></figure>"
    uri = str(term.value) if is_url(str(term.value)) else str(Path(term.value).absolute())
    image = pictures.html(uri, f"query: {tail(uri)}")
    return f"<figure>{image}<figcaption>{weight}{_name(uri)}</figcaption></figure>"


def _hit(hit: Hit, same: bool | None, pictures: _Thumbnails) -> str:
    image = pictures.html(hit.uri, f"hit {hit.rank}: {tail(hit.uri)}")
    mark = {None: "", True: '<b class="yes">&#10003; same</b> ', False: '<b class="no">&#10007; other</b> '}[same]
    kind = {None: "", True: ' class="right"', False: ' class="wrong"'}[same]
    domain = f"{_text(hit.domain)}<br>" if hit.domain else ""
    facts = f'{mark}<data value="{hit.score:.6g}">{hit.score:.3f}</data><br>{domain}'
    return f"<li{kind}><figure>{image}<figcaption>{facts}{_name(hit.uri)}</figcaption></figure></li>"


def tail(uri: str, parts: int = 2) -> str:
    """The last parts of a path: enough to tell which picture it is."""
    return "/".join(PurePosixPath(uri).parts[-parts:])


def _name(uri: str) -> str:
    return f'<span class="uri" title="{_text(uri)}">{_text(tail(uri))}</span>'


def _linked(uri: str, inner: str) -> str:
    """`inner` as a link to the original; no link where the uri is neither an absolute path nor an http(s) address."""
    if uri.startswith("/"):
        address = Path(uri).as_uri()
    elif re.match(r"https?://", uri, re.IGNORECASE):
        address = uri
    else:
        return inner
    return f'<a href="{_text(address)}" rel="noopener noreferrer">{inner}</a>'


def _text(value: str) -> str:
    """Escaped for text and attributes; what cannot be seen (control characters, reading direction) is spelled out."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in value)
    return escape(seen)


HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
{style}</style></head>
<body>
"""

STYLE = """:root { color-scheme: light dark; --page: #faf9f6; --card: #ffffff; --ink: #1c1c20; --soft: #56565e;
  --line: #d9d6cf; --link: #0b4f9e; --yes: #17652f; --no: #a02020; }
@media (prefers-color-scheme: dark) { :root { --page: #151619; --card: #1f2125; --ink: #ebe9e4; --soft: #b0aea8;
  --line: #3a3c42; --link: #8fc1ff; --yes: #7fdb95; --no: #ffa49b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0; max-width: 60rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem; }
th, td { padding: .25rem .75rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; font-weight: 600; }
article { display: grid; grid-template-columns: 9.5rem 1fr; gap: 1rem; padding: 1rem 0;
  border-bottom: 1px solid var(--line); }
figure { margin: 0; }
img, .gone { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .3rem;
  background: var(--card); outline: 1px solid var(--line); }
.gone { display: grid; place-items: center; text-align: center; padding: .5rem; color: var(--soft);
  border: 1px dashed var(--soft); font-size: .85rem; }
figcaption { font-size: .8rem; line-height: 1.35; color: var(--soft); padding: .25rem 0; overflow-wrap: anywhere; }
a { color: var(--link); display: block; border-radius: .3rem; }
a:focus-visible, .wide:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
q { font-size: 1.15rem; overflow-wrap: anywhere; }
.label { font-weight: 600; }
.hits { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); align-content: start; }
.hits li { border-top: 4px solid var(--line); padding-top: .35rem; }
.hits .right { border-color: var(--yes); }
.hits .wrong { border-color: var(--no); border-top-style: dotted; }
.yes { color: var(--yes); }
.no { color: var(--no); }
@media (max-width: 40rem) {
  article { grid-template-columns: 1fr; }
  .query figure { max-width: 9.5rem; }
  .hits { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); gap: .5rem; }
}
@media print { article { break-inside: avoid; } }
"""
