"""The console script as a process: streams, signals, start-up."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

SAMEKIND = [sys.executable, "-m", "samekind"]
HEAVY = "torch", "numpy", "lancedb", "faiss", "pyarrow", "PIL", "transformers"


def loaded_by(code: str) -> set[str]:
    probe = f"{code}; import sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_or_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import samekind").intersection(HEAVY)
    assert not loaded_by("import samekind.cli").intersection(HEAVY)


def test_the_public_names_are_there_on_use() -> None:
    import samekind
    from samekind.gallery.store import Gallery
    from samekind.retriever.store import load

    assert samekind.Gallery is Gallery
    assert samekind.load is load
    assert {"Gallery", "load", "__version__"} <= set(dir(samekind))
    with pytest.raises(AttributeError, match="telepathy"):
        _ = samekind.telepathy


def test_a_cold_search_needs_neither_lancedb_nor_torchs_compiler(gallery: Path) -> None:
    code = (
        f"from samekind.cli import app; app(['search', 'a dog', '--gallery', {str(gallery)!r}], standalone_mode=False)"
    )
    probe = f"{code}; import sys; print('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    modules = set(done.stdout.rpartition("MODULES")[2].split())
    assert "torch" in modules
    assert not modules & {"lancedb", "torch._dynamo", "torch._inductor", "sympy", "transformers", "huggingface_hub"}


def test_a_reader_that_stops_early_gets_no_complaint(gallery: Path) -> None:
    command = [*SAMEKIND, "search", "a dog", "--gallery", str(gallery), "--paths"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_full_disk_for_the_result_is_a_failed_job(gallery: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [*SAMEKIND, "info", str(gallery)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: the result cannot be written to standard output: No space left on device.\n"


def test_a_missing_verb_is_wrong_usage() -> None:
    done = subprocess.run([*SAMEKIND, "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "fly" in done.stderr


def many_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        colour = (number % 256, number // 256, 77)
        Image.new("RGB", (256, 256), colour).save(folder / f"{number:04}.png", compress_level=0)
    return folder


# The program with an encoder that takes a second for each batch, so that a signal finds it at work on any machine.
SLOW = """
import time
from samekind.cli import main
from samekind.retriever.store import Retriever
encode = Retriever.encode_pixels
Retriever.encode_pixels = lambda *arguments: (time.sleep(1), encode(*arguments))[1]
main()
"""


def heed_interrupts() -> None:
    """Shells start background jobs with interrupts ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_interrupted_it_leaves_with_130_and_goes_on_where_it_stopped(tmp_path: Path, tiny_clip: Path) -> None:
    pictures, gallery = many_pictures(tmp_path / "pictures", 400), tmp_path / "g"
    arguments = ["index", str(pictures), "--gallery", str(gallery), "--retriever", str(tiny_clip), "--json"]
    slow = [sys.executable, "-c", SLOW, *arguments]
    with subprocess.Popen(
        slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        deadline = time.monotonic() + 120
        while not (gallery / "gallery.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "same command again" in err
    assert "Traceback" not in err
    again = subprocess.run([*SAMEKIND, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["rows"] == 400
    assert "\x1b" not in again.stderr


def test_a_terminal_gets_a_bar(tmp_path: Path, tiny_clip: Path) -> None:
    pictures = many_pictures(tmp_path / "pictures", 40)
    command = [*SAMEKIND, "index", str(pictures), "--retriever", str(tiny_clip), "--gallery"]
    primary, secondary = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*command, str(tmp_path / "a")], stdout=subprocess.PIPE, stderr=secondary, env=environment, text=True
    ) as process:
        os.close(secondary)
        drawn = b""
        while True:
            try:
                chunk = os.read(primary, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            drawn += chunk
        assert process.stdout is not None
        assert "holds 40 pictures" in process.stdout.read()
    os.close(primary)
    assert process.returncode == 0
    assert "listing pictures" in drawn.decode()
    assert "\x1b[" in drawn.decode()
