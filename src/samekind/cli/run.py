"""`samekind run`: a recipe from its data to its row of a table, compared with the score to expect."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import command, json_result, message, printable, result, verb
from samekind.cli.evaluate import remark, showing
from samekind.cli.galleries import short
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.evaluation.recipes import Outcome, Recipe


@verb
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="One of recipes/, or your own.")],
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the recipe's data lie; else SAMEKIND_DATA/NAME.")
    ] = None,
    retriever: Annotated[
        str | None, typer.Option(metavar="mini|DIR|HUB_ID", help="Another retriever; its score is not compared.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where RECIPE.json is written.")] = Path("results"),
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where vectors are kept; by default your cache folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output.")] = False,
) -> None:
    """Run a recipe: train if it says so, evaluate, write the result, and say whether the score is as expected."""
    from samekind.evaluation.recipes import Recipe, run_recipe

    if out.suffix == ".json":
        raise UsageError(f"--out {out}: give a folder; the file in it is called as the recipe is.")
    known = Recipe.read(recipe)
    with showing() as show:
        outcome = run_recipe(
            known, data=data, retriever=retriever, out=out, cache=cache, command=command(), progress=show
        )
    remark(outcome.report)
    if as_json:
        json_result(outcome.report.to_json())
    else:
        from samekind.cli.evaluate_table import text

        result(f"{printable(known.title)}\n\n{text(outcome.report.to_json())}")
    message("\n".join(verdict(known, outcome)))
    if not outcome.good:
        raise typer.Exit(1)


def verdict(recipe: "Recipe", outcome: "Outcome") -> list[str]:
    """A line for each expected figure, and where the result is."""
    told = []
    for check in outcome.checks:
        expected = check.expected
        how = "within" if check.within else "NOT within"
        wanted = f"{expected.tolerance:g} of {expected.value:.4f} ({expected.source})"
        told.append(f"{check.metric} {check.found:.4f}: {how} {wanted}.")
    if not outcome.checks:
        told.append(f"No score was compared: {outcome.unchecked or f'{recipe.name} expects none'}.")
    return [*told, f"Written: {short(str(outcome.file.absolute()))}"]
