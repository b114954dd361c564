"""`samekind index` and `samekind search` on pictures in object storage, by processes that end by themselves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from samekind.cli import app

if TYPE_CHECKING:
    from object_storage import Bucket


def samekind(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "samekind", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.slow
def test_from_a_bucket_to_hits_and_on_when_it_grows(
    bucket: "Bucket", runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    for domain in ("photo", "sketch"):
        for colour in ("red", "green"):
            bucket.put(f"my world/{domain}/{colour}.png", (pictures / domain / f"{colour}.png").read_bytes())
    bucket.put("my world/photo/broken.jpg", b"no picture")
    gallery, source = str(tmp_path / "g"), bucket.uri("my world")
    index = ["index", source, "--gallery", gallery, "--domain-from-folder"]
    first = samekind(*index, "--retriever", str(tiny_clip), "--json")
    assert first.returncode == 0, first.stderr
    assert "skipped.jsonl" in first.stderr
    counts = json.loads(first.stdout)
    assert {key: counts[key] for key in ("new", "skipped", "rows")} == {"new": 4, "skipped": 1, "rows": 4}

    bucket.delete("my world/sketch/red.png")
    new = bucket.put("my world/sketch/blue.png", (pictures / "sketch" / "blue.png").read_bytes())
    again = samekind(*index)
    assert again.stdout.endswith("s).\n"), again.stderr
    assert "holds 4 pictures: 1 new, 1 removed, 1 skipped, 3 unchanged" in again.stdout

    found = runner.invoke(app, ["search", new, "--gallery", gallery, "-k", "1", "--json"])
    (hit,) = json.loads(found.stdout)["hits"]
    assert (hit["uri"], hit["domain"]) == (new, "sketch")


def test_what_is_wrong_is_one_sentence_and_an_exit_status(
    bucket: "Bucket", runner: CliRunner, tiny_clip: Path, tmp_path: Path
) -> None:
    rest = ["--gallery", str(tmp_path / "g"), "--retriever", str(tiny_clip)]
    missing = runner.invoke(app, ["index", "s3://no-such-bucket/pictures", *rest])
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "s3://no-such-bucket/pictures is not there" in missing.stderr
    bucket.s3.stop()
    dead = runner.invoke(app, ["index", bucket.uri("pictures"), *rest])
    assert (dead.exit_code, dead.stdout) == (1, "")
    assert "AWS_ENDPOINT_URL" in dead.stderr
