"""`samekind index`, `search` and `info` of a gallery in object storage, by processes that end by themselves."""

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


@pytest.mark.slow
def test_a_gallery_in_a_bucket_is_filled_searched_and_described(
    bucket: "Bucket", runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    uri, local = bucket.uri("galleries/mine"), str(tmp_path / "local")
    index = ["index", str(pictures), "--domain-from-folder", "--retriever", str(tiny_clip), "--gallery"]
    command = [sys.executable, "-m", "samekind", *index, uri, "--json"]
    first = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert first.returncode == 0, first.stderr
    assert f"{uri}/skipped.jsonl says why" in first.stderr
    again = runner.invoke(app, [*index, uri])
    assert again.stdout.startswith(f"{uri} holds "), again.stderr
    assert "new" not in again.stdout
    runner.invoke(app, [*index, local])

    query = str(next(pictures.rglob("red.png")))
    found = [
        runner.invoke(app, ["search", query, "--gallery", where, "--json", "--where", "width > 0"])
        for where in (uri, local)
    ]
    hits = [json.loads(one.stdout)["hits"] for one in found]
    assert hits[0] == hits[1]
    assert len(hits[0]) > 1

    told = json.loads(runner.invoke(app, ["info", uri, "--json"]).stdout)
    assert (told["kind"], told["path"], told["rows"]) == ("gallery", uri, json.loads(first.stdout)["rows"])


def test_what_is_wrong_with_it_is_one_sentence_and_an_exit_status(bucket: "Bucket", runner: CliRunner) -> None:
    for arguments in (["info", bucket.uri("nothing")], ["search", "red", "--gallery", bucket.uri("nothing")]):
        missing = runner.invoke(app, arguments)
        assert (missing.exit_code, missing.stdout) == (1, "")
        assert f"{bucket.uri('nothing')} does not exist. Index pictures into a gallery first" in missing.stderr
    bucket.s3.stop()
    dead = runner.invoke(app, ["info", bucket.uri("nothing")])
    assert (dead.exit_code, dead.stdout) == (1, "")
    assert "has not answered" in dead.stderr
    assert "AWS_ENDPOINT_URL" in dead.stderr
