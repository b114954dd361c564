"""`samekind pretrain`: a small CLIP from captioned pictures; how `mini` was made."""

from pathlib import Path
from typing import Annotated

import typer

from samekind.cli.console import command, duration, json_result, result, verb
from samekind.cli.stages import display


@verb
def pretrain(
    captions: Annotated[Path, typer.Argument(metavar="CAPTIONS.csv", help="A table: file, caption, maybe domain.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The checkpoint folder to make.")],
    start: Annotated[
        Path,
        typer.Option(
            metavar="mini|DIR|FILE|NAME",
            help="An encoder to specialise, or a network to begin with: a safetensors file, or efficientnet_lite0.",
        ),
    ] = Path("mini"),
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names of a network's classes, one a line.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text vectors that span the space (safetensors), for a network.")
    ] = None,
    names: Annotated[Path | None, typer.Option(metavar="FILE", help="The names of these vectors (JSON list).")] = None,
    nouns: Annotated[Path, typer.Option(metavar="FILE", help="WordNet's data.noun.")] = Path(
        "/usr/share/wordnet/data.noun"
    ),
    exclude: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Pictures that training must not see, nor their like.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="A recipe.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write the card to standard output.")] = False,
) -> None:
    """Train a small dual encoder on captioned pictures; the same command goes on where a stopped one was."""
    from samekind.nn.processes import joined, place
    from samekind.pretrain.origin import Inputs
    from samekind.pretrain.recipe import Recipe
    from samekind.pretrain.run import SKIPPED
    from samekind.pretrain.run import pretrain as run

    recipe = Recipe.read(config, settings or [])
    inputs = Inputs(captions, start, labels, vectors, names, nouns, tuple(exclude or ()))
    with joined(), display() as show:
        card = run(inputs, out, recipe, seed=seed, report=show, command=command())
        if place()[0] > 0:
            return
    if as_json:
        json_result(card)
    else:
        before, after = card["scores"]["before"], card["scores"]["finished"]
        scores = ", ".join(f"{name} {value:.3f}, before {before[name]:.3f}" for name, value in after.items())
        lost = card["data"]["unreadable"]
        skipped = f" {lost:,} pictures could not be read: see {out / SKIPPED}." if lost else ""
        told = scores or "no held-out pictures"
        result(f"{out} holds the encoder ({duration(card['seconds'])}; {told}).{skipped}\n")
