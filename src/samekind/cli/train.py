"""`samekind train`: a retriever that is adapted to pictures that nobody labelled."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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


def _add(method: str, help: str) -> None:
    """A command for a method; all of them have the same options."""

    @train.command(method, help=help)
    @verb
    def run(
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
        _train_with(
            method,
            data,
            out,
            as_json,
            domains=None if domains is None else [name.strip() for name in domains.split(",") if name.strip()],
            classes_count=count_of(classes_count),
            backbone=backbone,
            seed=seed,
            config=config,
            settings=settings or [],
        )


_ALL = """

Pictures anywhere below a domain's folder are used, labels never. The same command goes on where a stopped one was."""

_add(
    "tpsnet",
    "Learn prompts for what each domain shows, and to read pictures with them and with their Fourier phase." + _ALL,
)
_add("protoot", "Learn one projection that brings the groups of all domains together, by optimal transport." + _ALL)
_add("centred", "Take away what all pictures of a domain have in common; nothing else, so it is the control." + _ALL)


def _train_with(method: str, data: str, out: Path, as_json: bool, **options: Any) -> None:
    """Train, and tell what came of it."""
    from samekind.nn.processes import joined, place
    from samekind.training.run import train as run

    with joined(), display() as show:
        retriever = run(method, data, out=out, progress=show, **options)
        if place()[0] > 0:
            return
    if fault := retriever.card.training.get("not_kept"):
        message(f"Encoded pictures were not kept for another run: {fault}.")
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
    classes = f"{facts['classes']} classes ({facts['classes_count']}); " if "classes" in facts else ""
    return (
        f"{out} holds the retriever: {pictures}; {classes}"
        f"{duration(sum(facts['seconds'].values()))}.\n"
        f"Use it: samekind index PICTURES --gallery GALLERY --retriever {out}\n"
    )
