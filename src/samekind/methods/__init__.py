"""One file for each way to turn backbone features into vectors that are compared."""

from importlib import import_module
from typing import TYPE_CHECKING

from samekind.errors import UsageError

if TYPE_CHECKING:
    from samekind.methods.base import Method

METHODS: dict[str, str] = {
    "centred": "samekind.methods.centred:Centred",
    "promptstyler": "samekind.methods.promptstyler:PromptStyler",
    "protoot": "samekind.methods.protoot:ProtoOT",
    "tki": "samekind.methods.tki:TKI",
    "tpsnet": "samekind.methods.tpsnet:TPSNet",
    "zero_shot": "samekind.methods.zero_shot:ZeroShot",
}


def method_class(name: str) -> "type[Method]":
    """The class registered under a name, imported on use; raises UsageError that lists the known names."""
    if name not in METHODS:
        raise UsageError(f"There is no method {name!r}. Known methods: {', '.join(sorted(METHODS))}.")
    module, _, attribute = METHODS[name].partition(":")
    found: type[Method] = getattr(import_module(module), attribute)
    return found
