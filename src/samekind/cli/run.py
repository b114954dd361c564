"""`samekind run`: a recipe from its data to its row of a table, compared with the score to expect."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import command, json_result, message, printable, result, verb
from samekind.cli.evaluate import remark, showing
from samekind.cli.galleries import short
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.evaluation.recipes import Recipe
    from samekind.evaluation.recipes_run import Outcome
    from samekind.evaluation.study_trainer import Trainer


@verb
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="One of recipes/, or your own.")],
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the recipe's data lie; else SAMEKIND_DATA/NAME.")
    ] = None,
    retriever: Annotated[
        str | None,
        typer.Option(metavar="mini|DIR|HUB_ID", help="Another retriever, or backbone; its score is not compared."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,...", help="Of a recipe that trains: some of its seeds alone.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where RECIPE.json is written.")] = Path("results"),
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where what was trained is kept; by default your cache folder.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where vectors are kept; by default your cache folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output.")] = False,
) -> None:
    """Run a recipe: train if it says so, evaluate, write the result, and say whether the score is as expected.

    A recipe that trains does so with each of its seeds. The same command goes on where a stopped one was, and trains
    nothing twice; `--seeds 0` is the shortest way to see one work.
    """
    from samekind.evaluation.recipes import Recipe
    from samekind.evaluation.recipes_run import run_recipe

    if out.suffix == ".json":
        raise UsageError(f"--out {out}: give a folder; the file in it is called as the recipe is.")
    known = Recipe.read(recipe)
    chosen = None if seeds is None else numbers(seeds)
    with showing() as show:
        outcome = run_recipe(
            known,
            data=data,
            retriever=retriever,
            out=out,
            cache=cache,
            command=command(),
            progress=show,
            trainer=trainer() if known.train else None,
            seeds=chosen,
            work=work,
        )
    told(known, outcome, as_json)
    if not outcome.good:
        raise typer.Exit(1)


def numbers(text: str) -> list[int]:
    """`0,1,2` as numbers; raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--seeds {text}: write whole numbers with commas between, as 0,1,2.")
    return [int(part) for part in parts]


def trainer() -> "Trainer":
    """Training as this program does it, shown on standard error."""
    from samekind.cli.stages import display
    from samekind.evaluation.study_trainer import Trainer
    from samekind.training.run import TEXT_TRAINERS, TRAINERS, train

    return Trainer(tuple(TRAINERS), train, message, display, showing, tuple(TEXT_TRAINERS))


def told(recipe: "Recipe", outcome: "Outcome", as_json: bool) -> None:
    """The result on standard output, what is to be said about it on standard error."""
    from samekind.cli import evaluate_table, study_table
    from samekind.evaluation.study import Study

    report = outcome.report
    if isinstance(report, Study):
        text = study_table.text
    else:
        text = evaluate_table.text
        remark(report)
    if as_json:
        json_result(report.to_json())
    else:
        result(f"{printable(recipe.title)}\n\n{text(report.to_json())}")
    message("\n".join(verdict(recipe, outcome)))


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
