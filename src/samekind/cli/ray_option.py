"""`--ray [ADDRESS]`: an option whose value may be left out, which typer does not know."""

from typing import Any

from typer.core import TyperCommand


class WithRay(TyperCommand):
    """A command with `--ray`: what follows it is its value only if it looks like a cluster's address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the value out."""
        return super().parse_args(ctx, spelled(args))


def spelled(args: list[str]) -> list[str]:
    """The same arguments with `--ray=ADDRESS` in one piece; without an address, "auto" is meant."""
    from samekind.reading.cluster.address import AUTO, is_address

    found: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*found, word, *rest]
        if word == "--ray":
            word = f"--ray={rest.pop(0) if rest and is_address(rest[0]) else AUTO}"
        found.append(word)
    return found
