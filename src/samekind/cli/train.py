"""`samekind train`: a retriever that is adapted to pictures that nobody labelled."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import duration, json_result, message, printable, result, verb
from samekind.cli.galleries import short
from samekind.cli.stages import display
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.retriever.card import Card

train = typer.Typer(name="train", help="Adapt a retriever to domains, without labels.", no_args_is_help=True)


@train.callback()
def _train() -> None:
    """Adapt a retriever to domains, without labels."""


@train.command()
@verb
def tpsnet(
    data: Annotated[str, typer.Option("--data", metavar="DIR|NAME:DIR", help="A folder for each domain in it.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The retriever's folder to make.")],
    domains: Annotated[
        str | None, typer.Option(metavar="a,b,...", help="Which of the folders; by default all of them.")
    ] = None,
    classes_count: Annotated[
        str, typer.Option("--classes-count", metavar="C|auto", help="How many kinds of things there are.")
    ] = "auto",
    backbone: Annotated[str, typer.Option(metavar="mini|DIR|HUB_ID", help="What is adapted.")] = "mini",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the card to standard output.")] = False,
) -> None:
    """Learn prompts for what each domain shows, and to read pictures with them and with their Fourier phase.

    Pictures anywhere below a domain's folder are used, labels never. The same command goes on where a stopped one was.
    """
    from samekind.nn.processes import joined, place
    from samekind.training.run import train as run

    with joined(), display() as show:
        retriever = run(
            "tpsnet",
            data,
            domains=None if domains is None else [name.strip() for name in domains.split(",") if name.strip()],
            out=out,
            classes_count=count_of(classes_count),
            backbone=backbone,
            seed=seed,
            config=config,
            settings=settings or [],
            progress=show,
        )
        if place()[0] > 0:
            return
    if retriever.card.training["skipped"]:
        message(f"{retriever.card.training['skipped']:,} pictures were skipped; {short(str(out / 'skipped.jsonl'))}.")
    if as_json:
        json_result(retriever.card.to_dict())
    else:
        result(printable(summary(retriever.card, short(str(out)))))


def count_of(text: str) -> int | str:
    """`auto`, or a whole number above 0; raises UsageError."""
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--classes-count {text}: give a whole number above 0, or auto.")
    return int(text)


def summary(card: "Card", out: str) -> str:
    """What was made, in two lines."""
    facts = card.training
    pictures = ", ".join(f"{count:,} of {name}" for name, count in facts["domains"].items())
    how = facts["classes_count"]
    return (
        f"{out} holds the retriever: {pictures}; {card.config['classes']} classes ({how}); "
        f"{duration(sum(facts['seconds'].values()))}.\n"
        f"Use it: samekind index PICTURES --gallery GALLERY --retriever {out}\n"
    )
