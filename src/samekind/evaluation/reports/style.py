"""Head and style of the report's page: no scripts, nothing from elsewhere, light and dark, wide and narrow."""

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
h2 { font-size: 1.2rem; margin: 2rem 0 .25rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
h4 { font-size: 1rem; margin: 1rem 0 .15rem; }
p, dl, main > section > ul { margin: .25rem 0 .5rem; max-width: 60rem; }
dt { font-weight: 600; }
dd { margin: 0 0 .35rem 1rem; }
a { color: var(--link); }
nav ul { list-style: none; margin: .5rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem 1rem; }
.soft, caption, figcaption { color: var(--soft); }
.wide { overflow-x: auto; margin: .75rem 0; max-width: 100%; }
.wide:focus-visible, summary:focus-visible, a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .3rem .45rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { vertical-align: bottom; white-space: normal; min-width: 4.4rem; font-weight: 600; font-size: .85rem; }
th:first-child, td.text { text-align: left; }
th:first-child { padding-left: 0; }
tbody th { font-weight: 600; position: sticky; left: 0; background: var(--page); white-space: normal;
  min-width: 5.5rem; }
.figures tr > :last-child { position: sticky; right: 0; background: var(--page); font-weight: 600; }
.published { font-style: italic; }
.published > *, .chance > *, .figures tr.published > *, .figures tr.chance > * { font-weight: 400; }
.chance { color: var(--soft); }
.best { font-weight: 700; }
.plot { margin: 1.25rem 0 1.75rem; }
.plot .wide { border: 1px solid var(--line); border-radius: .4rem; background: var(--card); padding: .5rem;
  width: fit-content; }
.plot img { display: block; max-width: 100%; height: auto; }
figure { margin: 0; }
figcaption { font-size: .9rem; max-width: 60rem; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .25rem 0; min-height: 1.75rem; }
.asked { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .75rem 1rem; padding: .75rem 0;
  border-top: 1px dashed var(--line); }
.tile { font-size: .78rem; line-height: 1.3; color: var(--soft); overflow-wrap: anywhere; }
.store { position: absolute; }
.picture, .gone { display: block; width: 100%; aspect-ratio: 1; border-radius: .25rem;
  background: var(--card); outline: 1px solid var(--line); }
.gone { display: grid; place-items: center; text-align: center; padding: .25rem; border: 1px dashed var(--soft);
  outline: none; }
.tile b.class { display: block; color: var(--ink); font-size: .9rem; }
.answer { margin: 0 0 .5rem; }
.answer > p { font-size: .88rem; margin: 0 0 .25rem; }
.hits { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); max-width: 46rem; }
.hits li { border-top: 4px solid var(--yes); padding-top: .25rem; }
.hits .wrong { border-color: var(--no); border-top-style: dotted; }
.yes { color: var(--yes); }
.no { color: var(--no); }
.narrow { display: none; }
@media (max-width: 40rem) {
  .narrow { display: inline; }
  .plot img { max-width: 46rem; }
  .asked { grid-template-columns: 1fr; }
  .asked > .tile { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: .5rem; align-items: start; }
  .hits { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media print { details > * { display: block; } .asked { break-inside: avoid; } }
"""
