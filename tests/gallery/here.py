"""Shards of this process, which are asked in turn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samekind.gallery.parts import Part
from samekind.gallery.shards.shard import Edition, Shard, Told


class Here:
    """Shards of this process; `before` is called before each of them is asked."""

    def __init__(self, folder: Path, count: int) -> None:
        self.shards = [Shard(folder, Part(number, count)) for number in range(count)]
        self.before: Callable[[int, Edition | None, str], None] = lambda *_: None
        self.asked = 0

    def ask(self, wanted: Edition | None, what: str, *details: Any) -> list[Told]:
        self.asked += 1
        told = []
        for number in range(len(self.shards)):
            self.before(number, wanted, what)
            told.append(self.shards[number].ask(wanted, what, *details))
        return told

    def alive(self) -> list[int]:
        return [1] * len(self.shards)
