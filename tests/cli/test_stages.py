"""What a training that runs says on standard error."""

import io
import re

import pytest

from samekind.cli import stages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds since the start, to be moved by the test."""
    now = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_now_and_then_and_one_at_the_end_of_each_stage(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with stages.display() as show:
        for step in range(1, 101):
            clock[0] += 1.0
            show("words", {"step": float(step), "steps": 100.0, "loss": 2.0})
        show("head", {"step": 1.0, "steps": 1.0})
    assert capsys.readouterr().err.splitlines() == [
        "words 20 of 100, 1 min 20 s left, loss 2.000",
        "words 40 of 100, 1 min 0 s left, loss 2.000",
        "words 60 of 100, 40 s left, loss 2.000",
        "words 80 of 100, 20 s left, loss 2.000",
        "words 100 of 100, loss 2.000",
        "head 1 of 1",
    ]


def test_the_time_left_counts_from_the_first_step_of_this_call(clock: list[float]) -> None:
    pace = stages.Pace(500.0)
    clock[0] = 10.0
    assert pace.left(500.0, 1000.0) is None
    assert pace.left(600.0, 1000.0) == pytest.approx(40.0)


def test_a_terminal_has_a_bar_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with stages.display() as show:
        show("words", {"step": 1.0, "steps": 2.0, "loss": 2.0})
        show("words", {"step": 2.0, "steps": 2.0, "loss": 1.0})
        show("head", {"step": 1.0, "steps": 2.0})
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert re.search(r"words +\S+ 2/2 loss 1.000", plain)
    assert re.search(r"head +\S+ 1/2", plain)
