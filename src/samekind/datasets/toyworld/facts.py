"""The declaration of the drawn world, as `samekind demo` draws it."""

from samekind.datasets.declaration import Dataset
from samekind.datasets.toyworld.world import CLASSES, DOMAINS

TOYWORLD = Dataset(
    name="toyworld",
    title="the drawn world of samekind",
    citation="samekind, src/samekind/datasets/toyworld",
    licence="Apache-2.0, like samekind",
    source="drawn by `samekind demo --out DIR`, which writes it to DIR/world",
    layout="root/{photo,sketch,cartoon,painting}/{airplane,...,umbrella}/000.png",
    domains={name: (name,) for name in DOMAINS},
    classes=tuple(CLASSES),
    known={"classes": "read from the code that draws them"},
    notes=("It is drawn, not collected: good for trying things and for tests, no benchmark.",),
)
