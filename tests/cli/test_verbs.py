"""What the verbs do, through the same application that the console script runs."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import samekind
from samekind.cli import app
from samekind.errors import SamekindError
from samekind.gallery.query import Query, Term


def test_the_version_is_the_packages(runner: CliRunner) -> None:
    done = runner.invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"samekind {samekind.__version__}\n")


def test_index_makes_a_gallery_and_says_what_it_did(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    command = ["index", str(pictures), "--gallery", str(tmp_path / "g"), "--retriever", str(tiny_clip)]
    done = runner.invoke(app, [*command, "--domain-from-folder"])
    assert done.exit_code == 0
    assert "holds 6 pictures: 6 new, 1 skipped" in done.stdout
    assert "1 picture was skipped" in done.stderr
    assert "skipped.jsonl" in done.stderr


def test_index_opens_pictures_in_processes_where_asked_to(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    command = ["index", str(pictures), "--gallery", str(tmp_path / "g"), "--retriever", str(tiny_clip)]
    done = runner.invoke(app, [*command, "--processes", "1"])
    assert done.exit_code == 0
    assert "holds 6 pictures: 6 new, 1 skipped" in done.stdout
    refused = runner.invoke(app, [*command, "--processes", "1", "--workers", "2"])
    assert refused.exit_code == 2
    assert "give one of them" in refused.stderr


def test_index_json_is_the_report_alone_and_remembers_the_retriever(
    runner: CliRunner, pictures: Path, gallery: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "g"
    shutil.copytree(gallery, copy)
    done = runner.invoke(app, ["index", str(pictures), "--gallery", str(copy), "--domain-from-folder", "--json"])
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (report["schema"], report["rows"], report["unchanged"], report["encoded"]) == (1, 6, 6, 0)


def test_search_prints_a_table_with_short_paths_below_the_current_folder(
    runner: CliRunner, pictures: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    done = runner.invoke(app, ["search", "world/photo/red.png", "--gallery", str(gallery), "-k", "3"])
    header, first, *rest = done.stdout.splitlines()
    assert header.split() == ["rank", "score", "domain", "uri"]
    assert first.split() == ["1", "1.000", "photo", "world/photo/red.png"]
    assert len(rest) == 2
    assert "3 of 6 pictures" in done.stderr


def test_search_json_is_what_the_gallery_returns(
    runner: CliRunner, pictures: Path, gallery: Path, tiny_clip: Path
) -> None:
    picture = str(pictures / "sketch" / "blue.png")
    done = runner.invoke(app, ["search", picture, "a dog", "--gallery", str(gallery), "--json"])
    told = json.loads(done.stdout)
    opened = samekind.Gallery.open(gallery, samekind.load(tiny_clip))
    hits = opened.search(image=picture, text="a dog")
    assert told["hits"] == hits.to_json()["hits"]
    assert told["gallery"] == {"rows": 6, "retriever": opened.meta.sha256}
    assert told["exact"] is True


def test_a_lone_minus_and_weights_reach_the_query(runner: CliRunner, pictures: Path, gallery: Path) -> None:
    red = str(pictures / "photo" / "red.png")
    command = ["search", "0.5:a dog", "-", f"2:{red}", "--gallery", str(gallery), "--json", "-k", "6"]
    hits = json.loads(runner.invoke(app, command).stdout)["hits"]
    query = Query((Term("text", "a dog", 0.5), Term("image", red, -2.0)))
    assert hits == samekind.Gallery.open(gallery).search(query=query).to_json()["hits"]


def test_paths_are_alone_on_their_lines_or_end_with_a_zero_byte(
    runner: CliRunner, pictures: Path, gallery: Path
) -> None:
    command = ["search", "a dog", "--gallery", str(gallery), "--domain", "photo", "--paths"]
    done = runner.invoke(app, command)
    expected = {str(pictures / "photo" / f"{name}.png") for name in ("red", "green", "blue")}
    assert set(done.stdout.splitlines()) == expected
    done = runner.invoke(app, [*command, "--null"])
    assert done.stdout.endswith("\0")
    assert set(done.stdout.rstrip("\0").split("\0")) == expected


def test_domains_and_where_filter(runner: CliRunner, gallery: Path) -> None:
    command = ["search", "a dog", "--gallery", str(gallery), "--json"]
    done = runner.invoke(app, [*command, "--domain", "photo", "--domain", "sketch", "--where", "uri LIKE '%red%'"])
    assert {hit["domain"] for hit in json.loads(done.stdout)["hits"]} == {"photo", "sketch"}
    assert all("red" in hit["uri"] for hit in json.loads(done.stdout)["hits"])


def test_html_is_one_page_with_the_hits(runner: CliRunner, gallery: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = runner.invoke(app, ["search", "a red dog", "--gallery", str(gallery), "--html", str(page)])
    assert (done.exit_code, done.stdout) == (0, "")
    text = page.read_text()
    assert "a red dog" in text
    assert text.count("<li") == 6


@pytest.mark.parametrize(
    "wrong",
    [
        ["search", "a dog", "--json", "--paths"],
        ["search", "a dog", "--html", "x.html", "--json"],
        ["search", "a dog", "--null"],
        ["search", "a dog", "-k", "0"],
        ["search"],
        ["search", "-"],
        ["search", "missing/picture.png"],
        ["index", "."],
        ["index", ".", "--domain", "a", "--domain-from-folder"],
        ["index", "no/such/folder"],
        ["index", ".", "--workers", "0"],
        ["index", ".", "--no-such-flag"],
        ["info", "no/such/thing"],
        ["no-such-verb"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_and_writes_nothing_to_stdout(
    runner: CliRunner, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for_gallery = ["--gallery", str(gallery)] if wrong[0] in ("search", "index") and wrong != ["index", "."] else []
    done = runner.invoke(app, [*wrong, *for_gallery])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr
    assert not list(tmp_path.iterdir())


def test_a_failed_job_is_status_1_with_the_reason(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["search", "a dog", "--gallery", str(tmp_path / "nothing")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "samekind index" in done.stderr


def test_a_retriever_that_has_moved_is_asked_for_and_can_be_named(
    runner: CliRunner, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    mine, gallery = tmp_path / "mine", str(tmp_path / "g")
    samekind.load(tiny_clip).save(mine)
    assert runner.invoke(app, ["index", str(pictures), "--gallery", gallery, "--retriever", str(mine)]).exit_code == 0
    mine.rename(tmp_path / "moved")
    for command in (["search", "a dog"], ["index", str(pictures)]):
        done = runner.invoke(app, [*command, "--gallery", gallery])
        assert done.exit_code == 1
        assert str(mine) in done.stderr
        assert "--retriever" in done.stderr
    named = runner.invoke(app, ["search", "a dog", "--gallery", gallery, "--retriever", str(tmp_path / "moved")])
    assert named.exit_code == 0


def test_interrupting_says_that_nothing_is_lost(
    runner: CliRunner, gallery: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("samekind.gallery.store.Gallery.add", stop)
    done = runner.invoke(app, ["index", str(pictures), "--gallery", str(gallery)])
    assert done.exit_code == 130
    assert "is stored" in done.stderr
    assert "same command again" in done.stderr


def test_a_bug_is_not_dressed_up_as_a_failure_of_the_user(
    runner: CliRunner, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("samekind.gallery.store.Gallery.search", bug)
    done = runner.invoke(app, ["search", "a dog", "--gallery", str(gallery)])
    assert done.exit_code == 1
    assert isinstance(done.exception, ZeroDivisionError)
    assert not isinstance(done.exception, SamekindError)


def test_info_of_a_retriever_a_checkpoint_and_a_card(runner: CliRunner, tiny_clip: Path, tmp_path: Path) -> None:
    samekind.load(tiny_clip).save(tmp_path / "mine")
    sha256 = samekind.load(tiny_clip).sha256
    for place in (tiny_clip, tmp_path / "mine", tmp_path / "mine" / "card.json"):
        facts = json.loads(runner.invoke(app, ["info", str(place), "--json"]).stdout)
        assert (facts["kind"], facts["method"], facts["sha256"]) == ("retriever", "zero_shot", sha256)
    assert f"sha256: {sha256}" in runner.invoke(app, ["info", str(tmp_path / "mine")]).stdout


def test_info_of_a_gallery(runner: CliRunner, gallery: Path) -> None:
    facts = json.loads(runner.invoke(app, ["info", str(gallery), "--json"]).stdout)
    assert (facts["kind"], facts["rows"], facts["domains"]) == ("gallery", 6, ["photo", "sketch"])
    assert facts["retriever"]["name"] == "tiny"
    assert "domains: photo, sketch\n" in runner.invoke(app, ["info", str(gallery)]).stdout


def test_info_of_results(runner: CliRunner, gallery: Path, tmp_path: Path) -> None:
    hits = tmp_path / "hits.json"
    hits.write_text(runner.invoke(app, ["search", "a dog", "--gallery", str(gallery), "--json"]).stdout)
    assert json.loads(runner.invoke(app, ["info", str(hits), "--json"]).stdout)["kind"] == "hits"
    assert "hits: 6\n" in runner.invoke(app, ["info", str(hits)]).stdout
    report = tmp_path / "report.json"
    known = {"name": "x", "sha256": "0" * 64}
    pair = {"query": "a", "gallery": "b", "queries": 1, "gallery_size": 1, "metrics": {"P@1": 0.5}}
    values = {"schema": 1, "protocol": "ucdir", "profile": "clean", "retriever": known, "data": known}
    report.write_text(json.dumps(values | {"pairs": [pair], "mean": {"P@1": 0.5}}))
    assert "kind: evaluation\n" in runner.invoke(app, ["info", str(report)]).stdout
    report.write_text(json.dumps(values | {"pairs": [pair], "mean": {"P@1": 0.5}, "schema": 2}))
    newer = runner.invoke(app, ["info", str(report)])
    assert newer.exit_code == 1
    assert "schema 2, and this samekind reads 1" in newer.stderr
    report.write_text(json.dumps(values | {"pairs": [], "mean": {}}))
    assert runner.invoke(app, ["info", str(report)]).exit_code == 2
    for other in ("{}", "[1]", "no json"):
        report.write_text(other)
        assert runner.invoke(app, ["info", str(report)]).exit_code == 2


def test_info_of_a_folder_of_pictures_says_what_it_looked_for(runner: CliRunner, pictures: Path) -> None:
    done = runner.invoke(app, ["info", str(pictures)])
    assert done.exit_code == 2
    assert "card.json" in done.stderr
    assert "gallery.json" in done.stderr
