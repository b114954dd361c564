"""The drawn world: every class in every domain, one picture or a whole labelled folder of them."""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from samekind.datasets.toyworld import cartoon, living, painting, photo, sketch, things, vehicles
from samekind.datasets.toyworld.scene import Scene, place
from samekind.datasets.toyworld.shapes import Number, Shape
from samekind.errors import SamekindError, UsageError

DOMAINS: dict[str, Callable[[Scene, np.random.Generator], Image.Image]] = {
    "photo": photo.render,
    "sketch": sketch.render,
    "cartoon": cartoon.render,
    "painting": painting.render,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a class is drawn, how far it may turn (degrees), and whether it stands on the ground."""

    shape: Shape
    spin: Number
    stands: bool


CLASSES: dict[str, Kind] = {
    "airplane": Kind(vehicles.airplane, 70, False),
    "apple": Kind(living.apple, 20, True),
    "bicycle": Kind(vehicles.bicycle, 6, True),
    "bird": Kind(living.bird, 10, True),
    "boat": Kind(vehicles.boat, 8, True),
    "butterfly": Kind(living.butterfly, 35, False),
    "car": Kind(vehicles.car, 6, True),
    "cat": Kind(living.cat, 5, True),
    "chair": Kind(things.chair, 6, True),
    "clock": Kind(things.clock, 10, True),
    "cup": Kind(things.cup, 7, True),
    "fish": Kind(living.fish, 22, False),
    "flower": Kind(living.flower, 16, False),
    "guitar": Kind(things.guitar, 45, False),
    "house": Kind(things.house, 2, True),
    "key": Kind(things.key, 180, False),
    "mushroom": Kind(living.mushroom, 8, True),
    "star": Kind(things.star, 36, False),
    "tree": Kind(living.tree, 4, True),
    "umbrella": Kind(things.umbrella, 25, False),
}


def draw(class_name: str, domain: str, seed: int = 0, size: int = 160, *, index: int = 0) -> Image.Image:
    """One RGB picture of `size` x `size` pixels: the `index`-th of a class in a domain, always the same for a `seed`.

    Raises UsageError for a class or domain that the world does not have.
    """
    kind, render = _kind(class_name), DOMAINS.get(domain)
    if render is None:
        raise UsageError(f"The drawn world has no domain {domain!r}; it has {', '.join(DOMAINS)}.")
    if size < 16:
        raise UsageError(f"A drawn picture needs at least 16 pixels, not {size}.")
    # The names' own hash, so that neither a subset of the classes nor their order changes any picture.
    rng = np.random.default_rng([seed, zlib.crc32(f"{class_name}/{domain}".encode()), index])
    scene = place(kind.shape(rng), rng, 2 * size, kind.spin, kind.stands)
    return render(scene, rng)


def _kind(class_name: str) -> Kind:
    if class_name not in CLASSES:
        raise UsageError(f"The drawn world has no class {class_name!r}; it has {', '.join(CLASSES)}.")
    return CLASSES[class_name]


@dataclass(frozen=True, slots=True)
class Summary:
    """What `generate` wrote: `pictures` files below `folder`/domain/class."""

    folder: Path
    domains: tuple[str, ...]
    classes: tuple[str, ...]
    pictures: int


def generate(
    folder: str | Path,
    *,
    per_class: int = 12,
    size: int = 160,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write `per_class` pictures of each class in each domain to `folder`/domain/class/000.png; say what was written.

    The same arguments write the same bytes. A file that has them already is left alone, any other file of that name is
    replaced, whole or not at all. `progress` is told pictures done and pictures in all. Raises UsageError for a class
    that the world does not have, SamekindError where nothing can be written.
    """
    names, root = tuple(classes or CLASSES), Path(folder)
    for name in names:
        _kind(name)
    every = list(product(DOMAINS, names, range(per_class)))
    for done, (domain, name, index) in enumerate(every):
        if progress:
            progress(done, len(every))
        data = io.BytesIO()
        draw(name, domain, seed, size, index=index).save(data, "PNG", compress_level=3)
        _write(root / domain / name / f"{index:03d}.png", data.getvalue())
    return Summary(root, tuple(DOMAINS), names, len(every))


def _write(path: Path, data: bytes) -> None:
    """Put `data` into the file, unless it is there already."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise SamekindError(f"{path} cannot be written: {error.strerror}. Choose another folder.") from error


def contact_sheet(
    per_class: int = 1,
    *,
    size: int = 96,
    classes: Sequence[str] | None = None,
    domains: Sequence[str] | None = None,
    seed: int = 0,
) -> Image.Image:
    """All classes on one picture: a column for each class, `per_class` rows for each domain."""
    names, rows = tuple(classes or CLASSES), tuple(domains or DOMAINS)
    sheet = Image.new("RGB", (len(names) * (size + 2) + 2, len(rows) * per_class * (size + 2) + 2), (255, 255, 255))
    for column, name in enumerate(names):
        for row in range(len(rows) * per_class):
            tile = draw(name, rows[row // per_class], seed, size, index=row % per_class)
            sheet.paste(tile, (2 + column * (size + 2), 2 + row * (size + 2)))
    return sheet
