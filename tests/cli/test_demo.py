"""The demo, with a retriever that needs no weights: what it writes, prints, refuses, and leaves alone."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from samekind.cli import demo_run
from samekind.cli.demo import demo
from samekind.cli.demo_results import labelled, leading, results, sentence
from samekind.cli.demo_run import run
from samekind.datasets.folder import read_folder
from samekind.datasets.toyworld import CLASSES, DOMAINS, generate
from samekind.errors import SamekindError, UsageError
from samekind.gallery.store import Gallery
from samekind.images.decode import open_image
from samekind.images.preprocess import Preprocess

COLOURS = {"red": (210, 20, 20), "green": (20, 210, 20), "blue": (20, 20, 210)}


class Colourist:
    """Vectors are mean colours; a text is the colour that its last word names, or black."""

    name, sha256, ref, dim, space = "colourist", "0" * 64, None, 3, "cosine"
    preprocess = Preprocess(size=4, resize="squash", interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)

    def prepare(self, image: Image.Image) -> np.ndarray:
        return self.preprocess.pixels(image)

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        means = pixels.reshape(len(pixels), -1, 3).mean(1) + 0.5
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def encode_images(self, images: Sequence[str | Path | Image.Image]) -> np.ndarray:
        opened = [each if isinstance(each, Image.Image) else open_image(str(each)).image for each in images]
        return self.encode_pixels(np.stack([self.prepare(each) for each in opened]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_images([Image.new("RGB", (8, 8), COLOURS.get(text.split()[-1], 0)) for text in texts])


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """Three classes that are colours, in two domains: light and dark."""
    rng = np.random.default_rng(0)
    for domain, share in (("photo", 1.0), ("sketch", 0.5)):
        for name, colour in COLOURS.items():
            for n in range(3):
                shade = np.clip(np.array(colour) * share + rng.integers(-15, 15, 3), 0, 255).astype(np.uint8)
                path = tmp_path / "data" / domain / name / f"{n}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.broadcast_to(shade, (9, 9, 3)).copy()).save(path)
    return tmp_path / "data"


def everything_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def test_the_drawn_world_is_drawn_indexed_scored_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_run, "PER_CLASS", 1)
    monkeypatch.chdir(tmp_path)
    told = run(Path("out"), None, Colourist())
    count = len(CLASSES) * len(DOMAINS)
    assert len(list(Path("out/world").rglob("*.png"))) == count
    assert Gallery.open("out/gallery-world").rows == count
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert "sketch finds photo" in page
    assert page.count("<article>") == 20 + 3 * 8 + 8
    assert len(re.findall(r"^ (?:cartoon|painting|photo|sketch) ", told, re.MULTILINE)) == 12
    assert "out/index.html" in told
    errors = capsys.readouterr().err
    assert "Drawing" in errors
    assert f"{count} new" in errors


def test_colours_find_colours_with_every_hit_right_and_ticked(tmp_path: Path, coloured: Path) -> None:
    told = run(tmp_path / "out", coloured, Colourist())
    gallery, folder = Gallery.open(tmp_path / "out/gallery-data", Colourist()), read_folder(coloured)
    scores = results(labelled(gallery, folder), Colourist())
    assert [(p.query, p.gallery) for p in scores.pairs] == [("photo", "sketch"), ("sketch", "photo")]
    for pair in (*scores.pairs, *scores.texts):
        assert pair.metrics["P@1"] == 1
        assert pair.chance == pytest.approx(1 / 3)
    assert re.search(r"sketch +photo +9 +9 +0\.333 +1\.000 +0\.600 +1\.000", told)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    # Each query has six hits, of nine pictures of the other domain: the three of its class, then three others.
    assert page.count("&#10003; same") == page.count("&#10007; other") == 3 * (3 + 3 + 3)
    assert "9 of the 9 queries, by chance for 3." in page


def test_somebody_elses_pictures_are_only_read(tmp_path: Path, coloured: Path) -> None:
    before = everything_below(coloured)
    for folder in (coloured, *coloured.rglob("*/")):
        folder.chmod(0o555)
    run(tmp_path / "out", coloured, Colourist())
    assert everything_below(coloured) == before


def test_a_second_run_draws_and_encodes_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_run, "PER_CLASS", 1)
    run(tmp_path / "out", None, Colourist())
    before = everything_below(tmp_path / "out/world")
    capsys.readouterr()
    run(tmp_path / "out", None, Colourist())
    errors = capsys.readouterr().err
    assert everything_below(tmp_path / "out/world") == before
    assert "Drawing" not in errors
    assert "80 unchanged" in errors


def test_two_sets_of_pictures_below_one_out_do_not_mix(
    tmp_path: Path, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "PER_CLASS", 1)
    run(tmp_path / "out", None, Colourist())
    run(tmp_path / "out", coloured, Colourist())
    assert Gallery.open(tmp_path / "out/gallery-data").rows == 18
    assert Gallery.open(tmp_path / "out/gallery-world").rows == 80


def test_another_folder_of_the_same_name_is_not_mixed_in(tmp_path: Path, coloured: Path) -> None:
    run(tmp_path / "out", coloured, Colourist())
    other = tmp_path / "elsewhere" / "data"
    generate(other, per_class=1, size=32, classes=["key", "cup"])
    with pytest.raises(SamekindError, match=r"gallery-data.*--out"):
        run(tmp_path / "out", other, Colourist())
    assert Gallery.open(tmp_path / "out/gallery-data").rows == 18


def test_the_commands_to_try_name_files_that_exist(
    tmp_path: Path, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = run(Path("my out"), coloured, Colourist())
    commands = [shlex.split(line) for line in told[told.index("Now try") :].splitlines()[1:]]
    assert [command[1] for command in commands] == ["serve", "search", "search", "index"]
    for command in commands[:3]:
        assert Path(command[command.index("--gallery") + 1], "gallery.json").is_file()
    assert os.sep + "sketch" + os.sep in commands[1][2]
    assert Path(commands[1][2]).is_file()
    assert commands[2][2] == "a green"


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        (["art_painting", "cartoon", "photo", "sketch"], ("sketch", "photo")),
        (["Art", "Clipart", "Product", "Real World"], ("Clipart", "Real World")),
        (["clipart", "infograph", "painting", "quickdraw", "real", "sketch"], ("sketch", "real")),
        (["a", "b"], ("a", "b")),
        (["photo", "photo2"], ("photo2", "photo")),
    ],
)
def test_a_drawn_domain_asks_and_a_photographed_one_answers(domains: list[str], expected: tuple[str, str]) -> None:
    assert leading(domains) == expected


def test_a_class_name_becomes_what_a_person_would_type() -> None:
    assert [sentence(name) for name in ("Alarm_Clock", "cup")] == ["an alarm clock", "a cup"]


def test_a_folder_of_another_layout_is_refused_before_anything_is_indexed(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    with pytest.raises(UsageError, match="domain/class/picture"):
        run(tmp_path / "out", tmp_path / "flat", Colourist())
    assert not list((tmp_path / "out").iterdir())


def test_an_out_that_is_a_file_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="--out"):
        run(tmp_path / "out", None, Colourist())


def test_domains_whose_pictures_cannot_be_used_leave_nothing_to_search_across(tmp_path: Path, coloured: Path) -> None:
    for path in (coloured / "sketch").rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(SamekindError, match=r"two domains.*skipped\.jsonl"):
        run(tmp_path / "out", coloured, Colourist())


@pytest.fixture
def program() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(demo)
    return app


def test_the_verb_prints_its_result_alone_on_standard_output_and_succeeds(
    program: typer.Typer, tmp_path: Path, coloured: Path, tiny_clip: Path
) -> None:
    words = ["--out", str(tmp_path / "out"), "--data", str(coloured), "--retriever", str(tiny_clip)]
    outcome = CliRunner().invoke(program, words)
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("Pictures that find")
    assert "18 new" in outcome.stderr
    assert (tmp_path / "out/index.html").is_file()


@pytest.mark.parametrize(("flaw", "status"), [("layout", 2), ("retriever", 1), ("gallery", 1)])
def test_the_verb_says_what_is_wrong_in_one_line_and_by_its_status(
    program: typer.Typer, tmp_path: Path, coloured: Path, tiny_clip: Path, flaw: str, status: int
) -> None:
    data, retriever = coloured, str(tiny_clip)
    if flaw == "layout":
        data = coloured / "photo"
    elif flaw == "gallery":
        run(tmp_path / "out", coloured, Colourist())
    else:
        (tmp_path / "empty").mkdir()
        retriever = str(tmp_path / "empty")
    words = ["--out", str(tmp_path / "out"), "--data", str(data), "--retriever", retriever]
    outcome = CliRunner().invoke(program, words)
    assert outcome.exit_code == status, outcome.output
    assert outcome.stdout == ""
    assert outcome.stderr.splitlines()[-1].startswith("error: ")
