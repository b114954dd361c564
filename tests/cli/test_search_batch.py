"""`samekind search --queries`: what it writes and where, what it refuses, and that it goes on after an interrupt."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samekind.cli import app

COLOURS = ("blue", "green", "red")


def test_a_line_answers_each_picture_as_a_search_for_it_alone(runner: CliRunner, gallery: Path, pictures: Path) -> None:
    words = ["--gallery", str(gallery), "-k", "4", "--domain", "sketch", "--where", "width > 1", "--exact"]
    done = runner.invoke(app, ["search", "--queries", str(pictures / "photo"), *words, "--workers", "1"])
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    broken = lines.pop(1)
    assert [each["query"] for each in lines] == [str(pictures / "photo" / f"{name}.png") for name in COLOURS]
    assert broken["query"] == str(pictures / "photo" / "broken.jpg")
    assert broken["error"]["reason"] == "unsupported"
    assert f"1 picture has an error for an answer, such as {broken['error']['detail']}" in done.stderr
    assert "4 answers from 6 pictures." in done.stderr
    for each in lines:
        alone = json.loads(runner.invoke(app, ["search", each["query"], *words, "--json"]).stdout)["hits"]
        assert [hit["uri"] for hit in each["hits"]] == [hit["uri"] for hit in alone]
        assert [hit["score"] for hit in each["hits"]] == pytest.approx([hit["score"] for hit in alone], abs=1e-5)
        assert set(each["hits"][0]) == {"rank", "score", "uri", "domain", "id"}


def test_a_file_gets_the_lines_and_is_not_made_twice(
    runner: CliRunner, gallery: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search", "--queries", str(pictures), "--gallery", str(gallery)]
    done = runner.invoke(app, [*words, "--out", "hits.jsonl", "--processes", "1"])
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert "7 answers from 6 pictures; hits.jsonl has them." in done.stderr
    assert Path("hits.jsonl").read_text() == runner.invoke(app, words).stdout
    again = runner.invoke(app, [*words, "--out", "hits.jsonl"])
    assert "7 answers from 6 pictures, 7 of them by an earlier run; hits.jsonl has them." in again.stderr
    other = runner.invoke(app, [*words, "--out", "hits.jsonl", "-k", "3"])
    assert other.exit_code == 1
    assert "-k was 20, and is 3 now" in other.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"hits.jsonl", "hits.jsonl.about.json"}


@pytest.mark.parametrize(
    "wrong",
    [
        "--queries . dog",
        "--queries . --json",
        "--queries . --paths",
        "--queries . --html a.html",
        "--queries no/such/folder",
        "--queries . --workers 1 --processes 1",
        "--queries . --ray photos:99999",
        "dog --out a.jsonl",
        "dog --workers 1",
        "dog --processes 1",
        "dog --ray local",
        "dog --allow-urls",
    ],
)
def test_wrong_usage_is_status_2_and_writes_nothing(
    runner: CliRunner, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["search", *wrong.split(), "--gallery", str(gallery)])
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert not list(tmp_path.iterdir())


# The program with an encoder that stops for good at the third batch, so that a signal finds it at work anywhere.
STUCK = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from samekind.cli import main
from samekind.gallery import batch
from samekind.retriever.store import Retriever
batch.SECONDS = 0.0
encode, batches = Retriever.encode_pixels, []

def stuck(*arguments):
    batches.append(1)
    if len(batches) == 3:
        time.sleep(600)
    return encode(*arguments)

Retriever.encode_pixels = stuck
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("out", [True, False], ids=["out", "stdout"])
def test_interrupted_it_leaves_with_130_and_says_whether_it_goes_on(
    runner: CliRunner, gallery: Path, pictures: Path, tmp_path: Path, out: bool
) -> None:
    listed = tmp_path / "listed.txt"
    listed.write_text(f"{pictures / 'photo' / 'red.png'}\n{pictures / 'sketch' / 'blue.png'}\n" * 50)
    words = ["search", "--queries", str(listed), "--gallery", str(gallery)]
    file, part = tmp_path / "hits.jsonl", tmp_path / "hits.jsonl.part"
    to = ["--out", str(file)] if out else []
    told = tmp_path / "told"
    with (
        told.open("wb") as stdout,
        subprocess.Popen([sys.executable, "-c", STUCK, *words, *to], stdout=stdout, stderr=subprocess.PIPE) as process,
    ):
        deadline = time.monotonic() + 120
        while not (watched := part if out else told).exists() or watched.read_bytes().count(b"\n") < 64:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert (b"same command again goes on" if out else b"With --out FILE, the same command would go on") in err
    if out:
        done = runner.invoke(app, [*words, *to])
        assert "100 answers from 6 pictures, 64 of them by an earlier run" in done.stderr
        assert file.read_text() == runner.invoke(app, words).stdout
