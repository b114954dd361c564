"""samekind finds pictures of the same kind of thing, in whatever style they were made."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samekind.evaluation.run import evaluate as evaluate
    from samekind.gallery.store import Gallery as Gallery
    from samekind.retriever.store import load as load
    from samekind.training.run import train as train

__version__ = "0.1.0"

__all__ = ["Gallery", "__version__", "evaluate", "load", "train"]

# Loaded on use: what they need takes seconds to import, and `import samekind` must not.
_LAZY = {
    "Gallery": "samekind.gallery.store",
    "evaluate": "samekind.evaluation.run",
    "load": "samekind.retriever.store",
    "train": "samekind.training.run",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
