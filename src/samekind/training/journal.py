"""What happened in each epoch: one line of JSON each, and TensorBoard's scalars where it is installed."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

NAME = "training.jsonl"


class Journal:
    """Lines {"stage", "epoch", ...numbers} in `folder`/training.jsonl; rewritten, an epoch replaces its old line."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self._board: Any = None
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, stage: str, epoch: int, numbers: Mapping[str, float]) -> None:
        """Note one epoch."""
        line = json.dumps({"stage": stage, "epoch": epoch, **{name: round(v, 6) for name, v in numbers.items()}})
        with self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        board = self._writer()
        if board is not None:
            for name, value in numbers.items():
                board.add_scalar(f"{stage}/{name}", value, epoch)
            board.flush()

    def forget(self, stage: str, after: int) -> None:
        """Drop the lines of epochs that a resumed run will do again."""
        if not self.file.is_file():
            return
        lines = self.file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not _later(line, stage, after)]
        if len(kept) < len(lines):
            self.file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def close(self) -> None:
        """Close TensorBoard's file, if there is one."""
        if self._board:
            self._board.close()

    def _writer(self) -> Any:
        if self._board is None:
            try:
                made = import_module("torch.utils.tensorboard")
                self._board = made.SummaryWriter(str(self.file.parent / "tensorboard"))
            except ImportError:
                self._board = False
        return self._board or None


def _later(line: str, stage: str, after: int) -> bool:
    try:
        told = json.loads(line)
        return bool(told["stage"] == stage and told["epoch"] > after)
    except (ValueError, KeyError, TypeError):  # the half of a line that a kill left
        return True
