"""Zero-shot classification: the share of each domain's pictures whose nearest class text is their own class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Float64, Int

from samekind.datasets.table import Table
from samekind.evaluation.spaces import Compared, Space, prepared

if TYPE_CHECKING:
    from samekind.retriever.store import Retriever

PROMPT = "a {name}"


def prompt(name: str) -> str:
    """The text that stands for a class: `Alarm_Clock` becomes "a alarm clock"."""
    return PROMPT.format(name=name.replace("_", " ").strip().lower())


def by_name(
    retriever: "Retriever",
    table: Table,
    rows: Mapping[str, Int[np.ndarray, " _"]],
    vectors: Float32[np.ndarray, "n d"],
    classes: Sequence[str],
) -> dict[str, Any] | None:
    """For each domain the accuracy over its `rows`; None for a retriever that reads no texts.

    The choice is among `classes`; of equally near texts the first in their order counts. `chance` is what guessing
    one of the classes at random brings, `mean` the plain mean over domains. Vectors are compared in the retriever's
    space.
    """
    if not callable(getattr(retriever, "encode_texts", None)):
        return None
    texts = retriever.encode_texts([prompt(name) for name in classes])
    own = np.full(len(table.classes), -1)
    for n, name in enumerate(classes):
        own[table.classes.index(name)] = n
    domains = {}
    for name, members in rows.items():
        if len(members):
            guess = nearest(vectors[members], texts, retriever.space)
            right = guess == own[table.label[members]]
            domains[name] = {"accuracy": float(right.mean()), "pictures": len(members)}
    if not domains:
        return None
    mean = float(np.mean([each["accuracy"] for each in domains.values()]))
    return {"prompt": PROMPT, "classes": len(classes), "domains": domains, "mean": mean, "chance": 1 / len(classes)}


def nearest(
    vectors: Float32[np.ndarray, "m d"], texts: Float32[np.ndarray, "c d"], space: Space
) -> Int[np.ndarray, " m"]:
    """For each vector the position of the nearest text, the first of equals."""
    return np.asarray(likeness(vectors, texts, space).argmax(axis=1))


def likeness(a: Float32[np.ndarray, "n d"], b: Float32[np.ndarray, "m d"], space: Space) -> Float64[np.ndarray, "n m"]:
    """Scores of all pairs in double precision; of one row of `a`, a higher score is nearer in the space."""
    compared = Compared(prepared(b, space, "texts"), space)
    scores = compared.widened(prepared(a, space, "pictures")) @ compared.matrix.T
    return np.asarray(scores if compared.shift is None else scores + compared.shift)
