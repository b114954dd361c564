"""The vector index of a gallery that is large enough, built by several workers of a Ray cluster: by lance-ray."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from samekind.errors import SamekindError
from samekind.gallery.ann.build import here
from samekind.gallery.table import BYTE, INDEX, PictureTable
from samekind.reading.cluster.crew import first_line
from samekind.reading.cluster.reader import connected

PARTS = 4  # at most: a search asks each part by itself


@dataclass(frozen=True, slots=True)
class ClusterBuilder:
    """Builds an index on the cluster at this address, whose nodes see the gallery where it is here.

    Cells are found here, of a sample; then each worker sorts the rows of some of the table's files into them. What one
    worker can do alone, is better done here: then, and where the cluster fails, this process builds the index.
    """

    address: str

    def __call__(self, table: PictureTable, partitions: int, width: int) -> str:
        """Build it, instead of one that is there; who did it, for people, empty for this process alone as ever."""
        files = table.fragments
        if files < 2 or width % BYTE:
            return here(table, partitions, width)
        try:
            if find_spec("lance_ray") is None:
                raise SamekindError("lance-ray is not installed")
            with connected(self.address):
                workers = _spread(table, files, partitions)
        except Exception as error:  # of Ray, of lance-ray, of a node
            reason = first_line(error).partition(", /")[0]
            return here(table, partitions, width) or f"here, as the Ray cluster did not: {reason}"
        return f"by {workers} workers of a Ray cluster"


def _spread(table: PictureTable, files: int, partitions: int) -> int:
    """Have the index built; by how many workers."""
    import ray

    free = int(ray.available_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    workers = min(files, PARTS, free)
    if workers < 2:
        raise SamekindError(f"it has {free} processors to spare")
    with _quiet():
        import lance_ray

        lance_ray.create_index(
            table.uri,
            "vector",
            "IVF_RQ",
            INDEX,
            metric="dot",
            num_workers=workers,
            num_partitions=partitions,
            num_bits=1,  # as `PictureTable.build_index` has it
            storage_options=table.options,
        )
    table.refresh()
    return workers


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Ray and lance-ray tell of each step and each failure: the caller tells what came of it."""
    loggers = [logging.getLogger(name) for name in ("lance_ray", "ray.util.multiprocessing")]
    before = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
