"""Tables, messages and progress: for people, in a terminal that file names cannot drive."""

import pytest

from samekind.cli.console import duration, printable, table
from samekind.cli.progress import LOG_SECONDS, display, line
from samekind.gallery.report import Progress


def test_columns_are_aligned_and_the_last_is_never_cut() -> None:
    rows = [("1", "0.5", "photo", "a/" + "x" * 300), ("10", "-0.25", "", "b")]
    lines = table(("rank", "score", "domain", "uri"), rows).splitlines()
    assert lines[0] == "rank  score  domain  uri"
    assert lines[1] == "   1    0.5  photo   a/" + "x" * 300
    assert lines[2] == "  10  -0.25          b"


def test_control_characters_of_file_names_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mred\x07\r") == "a\\x1b[31mred\\x07\\r"
    assert printable("bild-\u00e4\u4e2d.png") == "bild-\u00e4\u4e2d.png"
    assert table(("uri",), [("two\nlines",)]) == "uri\ntwo\\nlines\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.0, "59 s"), (60.0, "1 min 0 s"), (3599.6, "1 h 0 min"), (12_000.0, "3 h 20 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_line_tells_rate_and_time_left() -> None:
    assert line(Progress(None, 0, 0, 0, 0.0, None)) == "listing pictures"
    told = line(Progress(total=5000, done=1000, skipped=2, unchanged=1000, rate=73.25, eta=41.0))
    assert told == "2,002 of 5,000 pictures, 73.2/s, 41 s left, 2 skipped"


def test_a_log_gets_a_line_every_few_seconds_and_not_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("samekind.cli.progress.time.monotonic", lambda: now)
    with display() as show:
        for step in range(41):
            now = 100.0 + step * LOG_SECONDS / 10
            show(Progress(total=100, done=step, skipped=0, unchanged=0, rate=1.0, eta=None))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [text.split()[0] for text in captured.err.splitlines()] == ["10", "20", "30", "40"]
