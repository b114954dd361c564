"""`samekind train`: a retriever that is adapted to pictures that nobody labelled, or to names alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samekind.cli.console import duration, json_result, message, printable, result, verb
from samekind.cli.galleries import short
from samekind.cli.stages import display
from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.retriever.card import Card

LONG = 60  # characters of a name that are told

train = typer.Typer(name="train", help="Adapt a retriever to domains, without labels.", no_args_is_help=True)


@train.callback()
def _train() -> None:
    """Adapt a retriever to domains, without labels."""


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The retriever's folder to make.")]
Backbone = Annotated[str, typer.Option(metavar="mini|DIR|HUB_ID", help="What is adapted.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the card to standard output.")]


def _add(method: str, help: str) -> None:
    """A command for a method that learns from pictures; all of them have the same options."""

    @train.command(method, help=help)
    @verb
    def run(
        data: Annotated[str, typer.Option("--data", metavar="DIR|NAME:DIR", help="A folder for each domain in it.")],
        out: Out,
        domains: Annotated[
            str | None, typer.Option(metavar="a,b,...", help="Which of the folders; by default all of them.")
        ] = None,
        classes_count: Annotated[
            str, typer.Option("--classes-count", metavar="C|auto", help="How many kinds of things there are.")
        ] = "auto",
        backbone: Backbone = "mini",
        seed: Seed = 0,
        config: Config = None,
        settings: Settings = None,
        as_json: AsJson = False,
    ) -> None:
        _train_with(
            method,
            out,
            as_json,
            data=data,
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


def _add_from_names(method: str, help: str) -> None:
    """A command for a method that learns from names alone."""

    @train.command(method, help=help)
    @verb
    def run(
        classes: Annotated[
            str, typer.Option("--classes", metavar="FILE|generic", help="A name a line, or common nouns.")
        ],
        out: Out,
        backbone: Backbone = "mini",
        seed: Seed = 0,
        config: Config = None,
        settings: Settings = None,
        as_json: AsJson = False,
    ) -> None:
        _train_with(
            method,
            out,
            as_json,
            classes=classes,
            backbone=backbone,
            seed=seed,
            config=config,
            settings=settings or [],
        )


_NAMES = """

No picture is opened: give the names of the things that are to be found, a name a line, or generic for two thousand
common nouns. The same command goes on where a stopped one was."""

_add_from_names("tki", "Learn from names alone: domain words, and a projection into hyperbolic space." + _NAMES)
_add_from_names("promptstyler", "Learn from names alone: domain words, and a linear classifier; a baseline." + _NAMES)


def _train_with(method: str, out: Path, as_json: bool, **options: Any) -> None:
    """Train, and tell what came of it."""
    from samekind.nn.processes import joined, place
    from samekind.training.run import train as run

    with joined(), display() as show:
        retriever = run(method, out=out, progress=show, **options)
        if place()[0] > 0:
            return
    for remark in remarks(retriever.card.training, short(str(out))):
        message(remark)
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


def remarks(facts: Mapping[str, Any], out: str) -> Iterator[str]:
    """What went otherwise than asked for."""
    if fault := facts.get("not_kept"):
        yield f"Encoded pictures were not kept for another run: {fault}."
    if skipped := facts.get("skipped"):
        yield f"{skipped:,} pictures were skipped; {out}/skipped.jsonl."
    if repeated := facts.get("repeated"):
        yield f"Named more than once, and counted once: {repeated:,}."
    if cut := facts.get("truncated"):
        yield f"Longer than the text tower reads, and cut ({len(cut):,}): {some(cut)}"
    if foreign := [name for name in facts.get("names", ()) if not name.isascii()]:
        yield f"With letters that most text towers, which read English, know badly ({len(foreign):,}): {some(foreign)}"


def some(names: Sequence[str]) -> str:
    """The beginnings of the first names, and dots for the rest."""
    told = [name if len(name) <= LONG else f"{name[:LONG]}..." for name in names[:3]]
    return ", ".join(told) + (", ..." if len(names) > 3 else "")


def summary(card: "Card", out: str) -> str:
    """What was made, in two lines."""
    facts = card.training
    if "names" in facts:
        learned = f"{facts['classes']:,} names"
    else:
        pictures = ", ".join(f"{count:,} of {name}" for name, count in facts["domains"].items())
        classes = f"; {facts['classes']} classes ({facts['classes_count']})" if "classes" in facts else ""
        learned = pictures + classes
    return (
        f"{out} holds the retriever: {learned}; {duration(sum(facts['seconds'].values()))}.\n"
        f"Use it: samekind index PICTURES --gallery GALLERY --retriever {out}\n"
    )
