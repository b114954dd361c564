"""Whatever happens to the files, and wherever a run dies, indexing again gives what a fresh gallery would have."""

import hashlib
import itertools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from palette import PaletteRetriever, paint, places

from samekind.gallery import ingest
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

NAMES = ["a.png", "b.png", "sub/a.png", "sub/b.png", "other/c.png"]
NAME = st.sampled_from(NAMES)
CONTENT = st.integers(0, 6)  # few, so that duplicates are common
OPERATION = st.one_of(
    st.tuples(st.just("write"), NAME, CONTENT),
    st.tuples(st.just("copy"), NAME, NAME),
    st.tuples(st.just("move"), NAME, NAME),
    st.tuples(st.just("swap"), NAME, NAME),
    st.tuples(st.just("touch"), NAME, st.none()),
    st.tuples(st.just("break"), NAME, st.none()),
    st.tuples(st.just("delete"), NAME, st.none()),
)


class Died(BaseException):
    """As final as a kill: nothing that runs after it may be needed."""


class World:
    """A folder of pictures whose clock is ours: equal times of two writes would hide the second from any indexer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = itertools.count(10**18, 10**9)
        self.apply("write", "keep.png", 9)  # so that the folder never is empty

    def apply(self, what: str, name: str, argument: object) -> None:
        file = self.root / name
        if what == "write":
            paint(file, int(str(argument)))
        elif what in ("copy", "move", "swap"):
            self._between(what, file, self.root / str(argument))
            return
        elif not file.exists():
            return
        elif what == "break":
            file.write_bytes(b"no picture")
        elif what == "delete":
            file.unlink()
            return
        self._stamp(file)

    def _between(self, what: str, file: Path, other: Path) -> None:
        if file == other or not file.exists():
            return
        other.parent.mkdir(exist_ok=True)
        if what == "copy":
            shutil.copy(file, other)
            self._stamp(other)
        elif what == "move":
            file.rename(other)  # keeps its time, as mv does
        elif other.exists():
            third = file.with_suffix(".third")
            file.rename(third)
            other.rename(file)
            third.rename(other)

    def _stamp(self, file: Path) -> None:
        os.utime(file, ns=(0, next(self.clock)))

    def expected(self) -> dict[str, set[tuple[str, str | None]]]:
        """By id, the places: read off the files."""
        found: dict[str, set[tuple[str, str | None]]] = {}
        for file in self.root.rglob("*.png"):
            data = file.read_bytes()
            if data != b"no picture":
                parts = file.relative_to(self.root).parts
                place = (str(file), parts[0] if len(parts) > 1 else None)
                found.setdefault(hashlib.sha256(data).hexdigest()[:24], set()).add(place)
        return found


def check(gallery: Gallery, world: World, retriever: PaletteRetriever) -> None:
    gallery.refresh()
    assert places(gallery) == world.expected()
    for row, vector in zip(gallery.snapshot().rows.to_pylist(), gallery.snapshot().vectors, strict=True):
        np.testing.assert_array_equal(vector, retriever.encode_images([row["uri"]])[0])
        assert row["uri"] < min((copy["uri"] for copy in row["copies"]), default="~")


def dying(patch: pytest.MonkeyPatch, after: int, *, killed: bool) -> None:
    """End the run right before (even) or right after (odd) its write number `after // 2`.

    A killed process writes nothing afterwards, whatever handlers it has; one that is interrupted may.
    """
    count = itertools.count()
    for name in ("append", "update", "delete"):

        def write(self: PictureTable, rows: object, real: object = getattr(PictureTable, name)) -> None:
            number = next(count)
            if (number == after // 2 and after % 2 == 0) or (number > after // 2 and killed):
                raise Died if killed else KeyboardInterrupt
            real(self, rows)  # type: ignore[operator]
            if number == after // 2 and after % 2 == 1:
                raise Died if killed else KeyboardInterrupt

        patch.setattr(PictureTable, name, write)


BEGINNING = st.tuples(*([CONTENT] * len(NAMES)))
ROUND = st.tuples(st.lists(OPERATION, min_size=1, max_size=6), st.none() | st.tuples(st.integers(0, 5), st.booleans()))


@settings(max_examples=25, deadline=None)
@given(beginning=BEGINNING, rounds=st.lists(ROUND, min_size=1, max_size=3), group=st.sampled_from([1, 2, 4096]))
def test_indexing_again_gives_what_a_fresh_gallery_has(
    beginning: tuple[int, ...], rounds: list[tuple[list[tuple[str, str, object]], tuple[int, bool] | None]], group: int
) -> None:
    folder = Path(tempfile.mkdtemp())
    retriever = PaletteRetriever()
    try:
        world = World(folder / "pictures")
        gallery = Gallery.open(folder / "gallery", retriever, create=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ingest, "COMMIT_ROWS", group)
            patch.setattr(ingest, "BATCH", min(group, 2))
            for name, content in zip(NAMES, beginning, strict=True):
                world.apply("write", name, content)
            gallery.add(world.root, domain_from_folder=True)
            for operations, dies in rounds:
                for operation in operations:
                    world.apply(*operation)
                if dies is not None:
                    with pytest.MonkeyPatch.context() as deadly:
                        dying(deadly, dies[0], killed=dies[1])
                        with suppress(Died, KeyboardInterrupt):
                            gallery.add(world.root, domain_from_folder=True)
                    continue
                gallery.add(world.root, domain_from_folder=True)
                check(gallery, world, retriever)
        gallery.add(world.root, domain_from_folder=True)
        check(gallery, world, retriever)
        fresh = Gallery.open(folder / "fresh", retriever, create=True)
        fresh.add(world.root, domain_from_folder=True)
        assert places(fresh) == places(gallery)
        assert gallery.add(world.root, domain_from_folder=True).encoded == 0
    finally:
        shutil.rmtree(folder)
