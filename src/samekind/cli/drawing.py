"""What tables look like on a terminal: drawn by rich, names in them taken literally, plain text in a pipe."""

import shutil
import sys
from io import StringIO

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from samekind.cli.console import printable

NARROWEST = 60


def literal(value: str, style: str = "") -> Text:
    """Text that is shown as it is: no markup is read in it, and control characters are escaped."""
    return Text(printable(value), style)


def table(title: str = "", *, footer: bool = False) -> Table:
    """An empty table with a rule below its header; `title` stands above it, to the left."""
    told = literal(title) if title else None
    return Table(title=told, title_justify="left", box=box.SIMPLE_HEAD, show_footer=footer, padding=(0, 1, 0, 0))


def drawn(*parts: RenderableType) -> str:
    """All parts below each other, as wide as the terminal; bold and coloured on a terminal alone.

    The result holds the terminal's own control sequences and is printed as it is: what came from elsewhere must have
    been made `literal` before. Sentences are wrapped on a terminal, and keep their line in a pipe.
    """
    file = StringIO()
    console = _console(file)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def fits(part: RenderableType) -> bool:
    """Whether a part can be drawn without being cut or wrapped."""
    console = _console(StringIO())
    return console.measure(part, options=console.options.update(width=10_000)).maximum <= console.width


def _console(file: StringIO) -> Console:
    width = max(shutil.get_terminal_size((120, 24)).columns, NARROWEST)
    return Console(file=file, width=width, force_terminal=sys.stdout.isatty(), highlight=False)
