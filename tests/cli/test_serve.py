"""`samekind serve`: what it refuses, what it says, and how it ends."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from typer.testing import CliRunner

from samekind.cli import app
from samekind.service.client import Client, ServiceProblem

EVERYWHERE = "0.0.0.0"  # noqa: S104
TOKEN = "0123456789abcdef0123"  # noqa: S105

# The program with an encoder that takes a while for each text, so that a signal finds it at work on any machine.
SLOW = """
import sys, time
from samekind.cli import main
from samekind.retriever.store import Retriever
encode = Retriever.encode_texts
def slow(self, texts, *rest):
    if "slowly" in texts:
        print("at it", file=sys.stderr, flush=True)
        time.sleep(2)
    return encode(self, texts, *rest)
Retriever.encode_texts = slow
main()
"""


@contextmanager
def serving(
    *arguments: str, program: Sequence[str] = ("-m", "samekind")
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address that it tells once it listens."""
    command = [sys.executable, *program, "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=PIPE, stderr=PIPE, text=True, preexec_fn=heed_interrupts, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"(http://\S+:\d+)/ serves ", line)
            if not found:
                process.kill()
                raise AssertionError(line + process.communicate()[1])
            yield process, found[1]
        finally:
            if process.poll() is None:
                process.kill()


def heed_interrupts() -> None:
    """Shells start background jobs with interrupts ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def refused(runner: CliRunner, *arguments: str) -> tuple[int, str]:
    done = runner.invoke(app, ["serve", *arguments])
    assert done.stdout == ""
    return done.exit_code, done.stderr


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1"])
def test_an_address_that_others_reach_needs_a_token(runner: CliRunner, gallery: Path, host: str) -> None:
    status, told = refused(runner, "--gallery", str(gallery), "--host", host)
    assert status == 2
    assert "--token-file" in told
    assert "openssl rand" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"short\n", "16 or more"),
        (b"\xff" * 40, "ASCII"),
        (b"two words " * 4 + b"\nand lines", "printable"),
    ],
)
def test_a_token_that_is_none_is_wrong_usage(
    runner: CliRunner, gallery: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    status, told = refused(runner, "--gallery", str(gallery), "--token-file", str(file))
    assert status == 2
    assert said in told


def test_a_token_file_that_is_not_there_is_wrong_usage(runner: CliRunner, gallery: Path, tmp_path: Path) -> None:
    status, told = refused(runner, "--gallery", str(gallery), "--token-file", str(tmp_path / "none"))
    assert (status, "No such file" in told) == (2, True)


def test_wrong_hosts_roots_and_ports_are_wrong_usage(runner: CliRunner, gallery: Path, tmp_path: Path) -> None:
    assert refused(runner, "--gallery", str(gallery), "--host", "no.such.host.invalid")[0] == 2
    assert refused(runner, "--gallery", str(gallery), "--root", str(tmp_path / "none"))[0] == 2
    assert refused(runner, "--gallery", str(gallery), "--port", "70000")[0] == 2
    assert refused(runner, "--gallery", str(gallery), "--rate", "-1")[0] == 2
    assert refused(runner)[0] == 2


def test_shards_without_a_cluster_and_what_is_no_address_are_wrong_usage(runner: CliRunner, gallery: Path) -> None:
    for wrong in (["--shards", "2"], ["--replicas", "2"], ["--ray=nowhere"], ["--ray=ray://here:1"], ["--shards", "0"]):
        status, told = refused(runner, "--gallery", str(gallery), *wrong)
        assert (status, "Ray" in told or "--shards" in told) == (2, True)


def test_what_is_no_gallery_is_a_failed_job(runner: CliRunner, tmp_path: Path) -> None:
    status, told = refused(runner, "--gallery", str(tmp_path), "--port", "0")
    assert (status, "is no gallery" in told) == (1, True)


def test_a_port_in_use_is_a_failed_job(runner: CliRunner, gallery: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, told = refused(runner, "--gallery", str(gallery), "--port", str(port))
    assert status == 1
    assert f"Port {port} of 127.0.0.1 is in use" in told
    assert "--port" in told


def test_it_serves_galleries_until_it_is_interrupted(gallery: Path, pictures: Path, tmp_path: Path) -> None:
    other = shutil.copytree(gallery, tmp_path / "Other Pictures")
    with serving("--gallery", str(gallery), "--gallery", str(other)) as (process, address):
        with Client(address) as client:
            names = [one.name for one in client.galleries()]
            assert names == ["g", "other-pictures"]
            hits = client.search_picture("g", pictures / "sketch" / "red.png", k=2).hits
            assert hits[0].uri == "world/sketch/red.png"
            assert client.search(names[1], text="a red toy").total == 6
            assert client.thumbnail("g", hits[0].id)[8:12] == b"WEBP"
            assert client.picture("g", hits[0].id)[0] == (pictures / "sketch" / "red.png").read_bytes()
            assert client.item("g", hits[0].id).width == 48
            assert client.ready().status == "ready"
            with pytest.raises(ServiceProblem, match="unsupported"):
                client.search_picture("g", pictures / "photo" / "broken.jpg")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_token_file_is_heeded_and_told_of_when_others_can_read_it(gallery: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    with serving("--gallery", str(gallery), "--token-file", str(file), "--host", EVERYWHERE) as (process, address):
        address = address.replace(EVERYWHERE, "127.0.0.1")
        with Client(address) as stranger, pytest.raises(ServiceProblem, match="unauthorized"):
            stranger.galleries()
        with Client(address, TOKEN) as friend:
            assert len(friend.galleries()) == 1
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"chmod 600 {file}" in err
    assert TOKEN not in err


def test_another_host_name_is_not_answered(gallery: Path) -> None:
    with serving("--gallery", str(gallery)) as (process, address), Client(address) as client:
        port = address.rpartition(":")[2]
        assert client._http.get("/", headers={"Host": f"localhost:{port}"}).status_code == 200
        assert client._http.get("/", headers={"Host": f"evil.example:{port}"}).status_code == 421
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_search_that_a_signal_finds_at_work_is_answered(gallery: Path) -> None:
    answers = []
    with serving("--gallery", str(gallery), program=("-c", SLOW)) as (process, address):

        def ask() -> None:
            with Client(address) as client:
                answers.append(client.search("g", text="slowly"))

        asking = threading.Thread(target=ask)
        asking.start()
        assert process.stderr is not None
        assert process.stderr.readline() == "at it\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        asking.join(60)
        out, err = process.communicate(timeout=60)
    assert len(answers[0].hits) == 6
    assert (process.returncode, out, err) == (0, "", "")
    assert time.monotonic() - began < 60


def test_nothing_is_left_behind_when_it_ends(gallery: Path) -> None:
    import psutil

    with serving("--gallery", str(gallery)) as (process, address):
        with Client(address) as client:
            client.health()
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_pictures_outside_of_what_was_indexed_are_told_of_and_shown_if_allowed(
    gallery: Path, pictures: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(gallery, tmp_path / "moved")
    meta = json.loads((moved / "gallery.json").read_text())
    meta["roots"] = [str(pictures / "sketch")]
    (moved / "gallery.json").write_text(json.dumps(meta))
    with serving("--gallery", str(moved)) as (process, address), Client(address) as client:
        hits = client.search("moved", text="red", domains=["photo"]).hits
        assert "/" not in hits[0].uri
        with pytest.raises(ServiceProblem, match="outside_roots"):
            client.thumbnail("moved", hits[0].id)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert "3 of the 6 pictures of moved lie outside" in err
    assert f"To show them: --root {pictures}/photo." in err
    with (
        serving("--gallery", str(moved), "--root", str(pictures / "photo" / ".." / "photo")) as (process, address),
        Client(address) as client,
    ):
        assert client.thumbnail("moved", hits[0].id)[8:12] == b"WEBP"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[1] == ""


def test_an_interrupt_while_galleries_are_loaded_is_quiet(gallery: Path) -> None:
    command = [sys.executable, "-m", "samekind", "serve", "--port", "0", "--gallery", str(gallery)]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, preexec_fn=heed_interrupts) as process:
        deadline = time.monotonic() + 60
        while "torch" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", ""), os.environ.get("PYTEST_CURRENT_TEST")
