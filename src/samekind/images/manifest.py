"""Lists and manifests as rows: a path or URL, maybe a domain, and the line they stand in."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from samekind.errors import UsageError
from samekind.images import storage

File = Path | str  # on this machine, or by its uri in object storage

_STORED_BYTES = 2**30  # that a file in object storage may have: it is read as a whole


class Row(NamedTuple):
    """One entry; `fault` says why it is none."""

    line: int
    uri: str = ""
    domain: str | None = None
    fault: str = ""


def rows(path: File) -> Iterator[Row]:
    """The entries of a `.txt` list or a `.csv`, `.jsonl` or `.parquet` manifest in the order of the file.

    A list has a path or URL a line, and comments from `#` at a line's beginning. A manifest has a column `uri` and
    optionally `domain`. Raises UsageError when the file cannot be read or has no column `uri`, and ImageError for what
    is wrong with object storage.
    """
    try:
        yield from _READERS[_suffix(path)](path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def is_list(path: File) -> bool:
    """Whether the name is that of a list or manifest."""
    return _suffix(path) in _READERS


def _suffix(path: File) -> str:
    return PurePosixPath(path).suffix.lower()


def _binary(path: File) -> io.BufferedReader | io.BytesIO:
    return path.open("rb") if isinstance(path, Path) else io.BytesIO(storage.read(path, _STORED_BYTES))


def _lines(path: File) -> Iterator[tuple[int, str]]:
    """Numbered lines. Bytes that are no UTF-8 survive as lone surrogates, to be reported with their line."""
    with io.TextIOWrapper(_binary(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield from enumerate(file, start=1)


def _text(path: File) -> Iterator[Row]:
    for number, line in _lines(path):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield Row(number, entry)


def _csv(path: File) -> Iterator[Row]:
    reader = csv.reader(line for _, line in _lines(path))
    header = [name.strip() for name in next(reader, [])]
    _require_uri(path, header)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.line_num, fault=f"is no CSV ({error})")
            continue
        if values:
            yield _row(reader.line_num, dict(zip(header, values, strict=False)))


def _jsonl(path: File) -> Iterator[Row]:
    known = False
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(number, fault=f"is no JSON ({error})")
            continue
        if not isinstance(record, dict):
            yield Row(number, fault="is no JSON object")
            continue
        if not known:
            _require_uri(path, list(record))
            known = True
        yield _row(number, record)


def _parquet(path: File) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path if isinstance(path, Path) else _binary(path)) as file:  # type: ignore[no-untyped-call]
            names = file.schema_arrow.names
            _require_uri(path, names)
            columns = [name for name in ("uri", "domain") if name in names]
            for batch in file.iter_batches(batch_size=4096, columns=columns):
                for record in batch.to_pylist():
                    number += 1
                    yield _row(number, record)
    except (pyarrow.lib.ArrowException, OSError) as error:
        if number == 0:
            raise UsageError(f"{path} cannot be read as Parquet: {error}") from error
        yield Row(number + 1, fault=f"and all after it cannot be read ({error})")


def _row(line: int, record: dict[str, Any]) -> Row:
    """One record's uri and domain, if they are text."""
    uri, domain = record.get("uri"), record.get("domain")
    if not isinstance(uri, str) or not uri.strip():
        return Row(line, fault=f"has no uri but {uri!r}")
    if domain is not None and not isinstance(domain, str):
        return Row(line, fault=f"has a domain that is no text: {domain!r}")
    return Row(line, uri.strip(), (domain or "").strip() or None)


def _require_uri(path: File, columns: Iterable[str]) -> None:
    found = list(columns)
    if "uri" not in found:
        named = ", ".join(repr(name) for name in found) or "none"
        raise UsageError(f"{path} has no column 'uri'; its columns are {named}. Rename the one that holds the pictures")


_READERS = {".txt": _text, ".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
