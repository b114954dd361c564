"""The command line: one file per verb."""

import sys
import warnings
from typing import Annotated

import typer

import samekind
from samekind.cli.compare import compare
from samekind.cli.data import data
from samekind.cli.demo import demo
from samekind.cli.evaluate import evaluate
from samekind.cli.index import index
from samekind.cli.info import info
from samekind.cli.pretrain import pretrain
from samekind.cli.ray_option import WithRay
from samekind.cli.run import run
from samekind.cli.search import search
from samekind.cli.serve import serve
from samekind.cli.train import train

app = typer.Typer(
    name="samekind",
    help="Find pictures of the same kind of thing, in whatever style they were made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=WithRay)(index)
app.command(cls=WithRay)(search)
app.command(cls=WithRay)(serve)
app.add_typer(train)
app.command(cls=WithRay)(evaluate)
app.command()(run)
app.command()(compare)
app.add_typer(data)
app.command()(info)
app.command()(demo)
app.command()(pretrain)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"samekind {samekind.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _samekind(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Find pictures of the same kind of thing, in whatever style they were made."""


def main() -> None:
    """The console script."""
    # Pillow remarks on damaged metadata of pictures that it reads all the same; what it cannot read is reported by us.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app()
    except KeyboardInterrupt:  # before a verb had begun
        sys.exit(130)
