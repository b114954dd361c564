"""The steps of the demo: world, gallery, scores, page, and what to type next."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from samekind.cli.console import message
from samekind.cli.demo_results import METRICS, Labelled, Results, labelled, page, results, sentence, uris
from samekind.cli.galleries import short
from samekind.cli.index import summary
from samekind.cli.progress import display
from samekind.datasets.folder import Folder, read_folder
from samekind.datasets.toyworld import CLASSES, DOMAINS, generate
from samekind.errors import SamekindError, UsageError
from samekind.evaluation.pairs import Pair, mean
from samekind.gallery.place import Place, place_of
from samekind.gallery.schema import META_NAME
from samekind.gallery.store import Gallery
from samekind.retriever.protocol import RetrieverLike

PER_CLASS = 12


def run(out: Path, data: Path | None, retriever: RetrieverLike) -> str:
    """The whole demo below `out`, and what to print at its end; pictures below `data` are only read.

    The same call again goes on where the last one stopped. Raises UsageError for a folder of another layout,
    SamekindError where nothing can be written or the gallery was filled by another retriever.
    """
    _make(out)
    folder = read_folder(_world(out / "world") if data is None else data)
    gallery = _indexed(folder, out / f"gallery-{folder.root.name}", retriever)
    found = labelled(gallery, folder)
    message("Scoring every pair of domains ...")
    scores = results(found, retriever)
    target = out / "index.html"
    try:
        target.write_text(page(gallery, found, scores), encoding="utf-8")
    except OSError as error:
        raise SamekindError(f"the page cannot be written to {target}: {error.strerror}.") from error
    return f"{_tables(scores)}Queries and hits side by side: {_short(target)}\n\nNow try:\n{_next(found, gallery, out)}"


def _make(out: Path) -> None:
    """Make `out`, or say why that cannot be."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give --out a folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SamekindError(f"{out} cannot be made: {error.strerror}. Give --out another folder.") from error


def _world(root: Path) -> Path:
    """The drawn world at `root`, drawn now unless it is whole already."""
    if len(list(root.glob("*/*/*.png"))) != len(CLASSES) * len(DOMAINS) * PER_CLASS:
        with _drawing() as show:
            generate(root, per_class=PER_CLASS, progress=show)
    return root


@contextmanager
def _drawing() -> Iterator[Callable[[int, int], None] | None]:
    """How many pictures are drawn: a bar on a terminal, one line in a log."""
    if not sys.stderr.isatty():
        message("Drawing a small world of labelled pictures ...")
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("drawing a small world", total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield show


def _indexed(folder: Folder, where: Path, retriever: RetrieverLike) -> Gallery:
    """The gallery of the folder, brought up to date."""
    filled = (where / META_NAME).exists()
    gallery = Gallery.open(where, retriever, create=True)
    known = (uri for places in uris(gallery) for uri in places) if filled else iter(())
    strange = next((uri for uri in known if not Path(uri).is_relative_to(folder.root)), None)
    if strange is not None:
        raise SamekindError(
            f"{_short(where)} holds pictures of another folder ({strange}), which would be mixed with those of "
            f"{folder.root}. Give --out another folder."
        )
    with display() as show:
        report = gallery.add(folder.root, domain_from_folder=True, progress=show)
    message(summary(report, _short(gallery.path)))
    if report.skipped:
        message(f"{report.skipped:,} pictures were skipped; {_short(gallery.path / 'skipped.jsonl')} says why.")
    return gallery


def _tables(scores: Results) -> str:
    """The scores for a terminal or a log."""
    file = StringIO()
    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(file=file, width=width, force_terminal=sys.stdout.isatty(), highlight=False)
    console.print(_table(scores.pairs, "Pictures that find pictures of the same class in another domain"))
    console.print(_table(scores.texts, "Class names that find pictures"))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _table(pairs: Sequence[Pair], title: str) -> Table:
    """A line for each pair, their means at the foot."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_footer=True, padding=(0, 1, 0, 0))
    table.add_column("query", "mean")
    table.add_column("gallery")
    chance = sum(pair.chance for pair in pairs) / len(pairs)
    for header, footer in (("queries", ""), ("pictures", ""), ("chance", f"{chance:.3f}")):
        table.add_column(header, footer, justify="right")
    for name in METRICS:
        style = "bold" if name == "P@1" else ""
        table.add_column(
            name.removesuffix("@all"), f"{mean(pairs, name):.3f}", justify="right", style=style, footer_style=style
        )
    for pair in pairs:
        sizes = (f"{pair.queries:,}", f"{pair.gallery_size:,}", f"{pair.chance:.3f}")
        table.add_row(pair.query, pair.gallery, *sizes, *(f"{pair.metrics[name]:.3f}" for name in METRICS))
    return table


def _next(found: Labelled, gallery: Gallery, out: Path) -> str:
    """Commands that work as they stand, the last one on the user's own pictures."""
    query, photo = found.leading
    program = "samekind" if shutil.which("samekind") else _short(Path(sys.argv[0]))
    picture = next(uri for uri, domain in zip(found.uris, found.of, strict=True) if domain == query)
    text, where = sentence(found.classes[len(found.classes) // 2]), _short(gallery.path)
    commands = (
        ("serve", "--gallery", where),
        ("search", short(picture), "--gallery", where, "--domain", photo),
        ("search", text, "--gallery", where, "--html", _short(out / "hits.html")),
        ("index", str(Path.home() / "Pictures"), "--gallery", "my-gallery"),
    )
    return "".join(f"  {shlex.join((program, *command))}\n" for command in commands)


def _short(path: Place) -> str:
    return short(str(place_of(path)))
