"""Lists and manifests: every good row becomes a picture, every bad one is named by its line."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from samekind.errors import UsageError
from samekind.images.source import ImageRef, Skip, list_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures beside the manifests that name them."""
    (tmp_path / "pictures").mkdir()
    for name in ("a.jpg", "b.jpg", "c d.jpg", "é.jpg", "#1.jpg"):
        (tmp_path / "pictures" / name).write_bytes(b"x")
    return tmp_path


def listed(path: Path, **options: object) -> list[tuple[str, str | None]]:
    """Last part of the uri, and the domain or the reason for leaving it out."""
    found = list(list_images(path, **options))  # type: ignore[arg-type]
    return [
        (item.uri.rpartition("/")[2], item.domain if isinstance(item, ImageRef) else f"!{item.reason}")
        for item in found
    ]


def test_a_list_keeps_its_order_and_starts_at_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"# comment\n\npictures/b.jpg\r\n  pictures/c d.jpg  \npictures/é.jpg\n{folder}/pictures/a.jpg\n"
    (folder / "list.txt").write_text("\ufeff" + text + "pictures/#1.jpg", encoding="utf-8")
    monkeypatch.chdir("/")
    found = list(list_images(folder / "list.txt", domain="d"))
    names = ["b.jpg", "c d.jpg", "é.jpg", "a.jpg", "#1.jpg"]
    assert [item.uri for item in found] == [f"{folder}/pictures/{name}" for name in names]
    assert all(isinstance(item, ImageRef) and item.domain == "d" and item.size == 1 for item in found)


def test_bad_entries_of_a_list_are_named_by_their_line(folder: Path) -> None:
    lines = [b"pictures/a.jpg", b"gone.jpg", b"pictures", b"caf\xe9.jpg", b"http://example.com/x.jpg", b"nul\0.jpg"]
    (folder / "list.txt").write_bytes(b"\n".join([*lines, b"ftp://example.com/x.jpg"]))
    found = list(list_images(folder / "list.txt"))
    bad = [item for item in found if isinstance(item, Skip)]
    assert [item.reason for item in bad] == [
        *("vanished", "not_a_file", "bad_name", "url_refused", "bad_name", "url_refused")
    ]
    assert [f"line {number} of" in item.detail for number, item in enumerate(bad, 2)] == [True] * 6
    assert "caf\\xe9.jpg" in bad[2].uri
    assert "--allow-urls" in bad[3].detail
    assert all((item.uri + item.detail).encode() for item in bad)


def test_urls_of_a_list_are_kept_when_they_are_allowed(folder: Path) -> None:
    (folder / "list.txt").write_text("https://example.com/x.jpg\npictures/a.jpg\nfile:///etc/passwd\n")
    assert listed(folder / "list.txt", allow_urls=True, domain="d") == [
        ("x.jpg", "d"),
        ("a.jpg", "d"),
        ("passwd", "!url_refused"),
    ]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    """The same rows as CSV, JSON lines or Parquet."""
    if path.suffix == ".csv":
        columns = list(rows[0])
        body = [",".join("" if row.get(name) is None else str(row[name]) for name in columns) for row in rows]
        path.write_text("\n".join([",".join(columns), *body]) + "\n")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


KINDS = ["m.csv", "m.jsonl", "m.parquet", "M.CSV"]


@pytest.mark.parametrize("name", KINDS[:3])
def test_a_manifest_has_uris_and_domains(folder: Path, name: str) -> None:
    rows: list[dict[str, object]] = [
        {"id": 7, "uri": "pictures/b.jpg", "domain": "photo"},
        {"id": 8, "uri": "pictures/a.jpg", "domain": None},
        {"id": 9, "uri": f"{folder}/pictures/é.jpg", "domain": "sketch"},
    ]
    path = write(folder / name, rows)
    assert listed(path) == [("b.jpg", "photo"), ("a.jpg", None), ("é.jpg", "sketch")]
    assert listed(path, domain="other") == [("b.jpg", "photo"), ("a.jpg", "other"), ("é.jpg", "sketch")]
    assert listed(path, domain_from_folder=True)[1] == ("a.jpg", None)


@pytest.mark.parametrize("name", KINDS[:3])
def test_the_domain_is_optional(folder: Path, name: str) -> None:
    assert listed(write(folder / name, [{"uri": "pictures/a.jpg"}])) == [("a.jpg", None)]


@pytest.mark.parametrize("name", KINDS[:3])
def test_a_missing_uri_column_is_a_mistake_that_names_the_columns_at_once(folder: Path, name: str) -> None:
    path = write(folder / name, [{"file": "pictures/a.jpg", "label": "x"}])
    with pytest.raises(UsageError, match=r"'uri'.*'file', 'label'"):
        list_images(path)


@pytest.mark.parametrize("name", KINDS[:3])
def test_bad_rows_are_named_and_the_rest_goes_on(folder: Path, name: str) -> None:
    rows: list[dict[str, object]] = [{"uri": "pictures/a.jpg"}, {"uri": None}, {"uri": "gone.jpg"}, {"uri": " "}]
    if name == "m.csv":  # a line with nothing on it would be passed over
        rows = [{"uri": row["uri"], "domain": "d"} for row in rows]
    path = write(folder / name, [*rows, {**rows[0], "uri": "pictures/b.jpg"}])
    found = list(list_images(path))
    assert [item.reason if isinstance(item, Skip) else item.uri[-5:] for item in found] == [
        *("a.jpg", "bad_row", "vanished", "bad_row", "b.jpg")
    ]
    first = 3 if name == "m.csv" else 2  # the header is a line, too
    assert [f"line {first + i} of" in item.detail for i, item in enumerate(found[1:4]) if isinstance(item, Skip)] == [
        *(True, True, True)
    ]


def test_json_that_is_none_is_named(folder: Path) -> None:
    lines = ["{broken", "[1, 2]", "[" * 100_000, '{"uri": 5}', '{"uri": "pictures/a.jpg", "domain": ["x"]}']
    (folder / "m.jsonl").write_text('{"uri": "pictures/a.jpg"}\n' + "\n".join(lines) + '\n{"uri": "pictures/b.jpg"}\n')
    assert [reason for _, reason in listed(folder / "m.jsonl")] == [None, *["!bad_row"] * 5, None]


def test_csv_quoting_and_a_byte_order_mark_are_understood(folder: Path) -> None:
    text = '\ufeff"uri" , domain\n"pictures/c d.jpg","a, b"\npictures/a.jpg\n'
    (folder / "M.CSV").write_text(text, encoding="utf-8")
    assert listed(folder / "M.CSV") == [("c d.jpg", "a, b"), ("a.jpg", None)]


def test_a_field_beyond_all_bounds_is_named(folder: Path) -> None:
    (folder / "m.csv").write_text(f"uri\n{'x' * 200_000}\npictures/a.jpg\n")
    assert [reason for _, reason in listed(folder / "m.csv")] == ["!bad_row", None]


def test_a_domain_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "m.csv").write_bytes(b"uri,domain\npictures/a.jpg,caf\xe9\npictures/b.jpg,caf\xc3\xa9\n")
    found = list(list_images(folder / "m.csv"))
    assert isinstance(found[0], Skip)
    assert "caf\\xe9" in found[0].detail
    assert isinstance(found[1], ImageRef)
    assert found[1].domain == "café"


def test_a_damaged_parquet_file_is_a_mistake(folder: Path) -> None:
    (folder / "m.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(UsageError, match="Parquet"):
        list_images(folder / "m.parquet")


def test_an_empty_manifest_is_a_mistake_and_an_empty_list_is_empty(folder: Path) -> None:
    for name in ("empty.csv", "empty.txt", "empty.jsonl"):
        (folder / name).touch()
    with pytest.raises(UsageError, match="none"):
        list_images(folder / "empty.csv")
    assert list(list_images(folder / "empty.txt")) == []
    assert list(list_images(folder / "empty.jsonl")) == []
