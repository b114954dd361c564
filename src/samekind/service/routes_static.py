"""The page: its files, which hold nothing secret and are asked for without a token."""

import hashlib
import re
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

from samekind.service.etags import Known, has, unchanged
from samekind.service.problems import Problem

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(__file__).parent / "static"
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}

_CACHE: Final = "no-cache"  # which means: ask whether it is still the same


@router.get("/")
def page(known: Known = None) -> Response:
    """The page."""
    return _file("index.html", known)


@router.get("/static/{file}")
def static(file: str, known: Known = None) -> Response:
    """One of the page's files."""
    return _file(file, known)


def _file(name: str, known: str | None) -> Response:
    """A file of the folder by its plain name; browsers ask each time whether it is still the same."""
    path = FOLDER / name
    kind = _KINDS.get(path.suffix)
    if kind is None or not _NAME.fullmatch(name) or not path.is_file():
        raise Problem("not_found", "The page has no such file.")
    data = path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    if has(known, tag):
        return unchanged(tag, _CACHE)
    return Response(data, headers={"ETag": tag, "Cache-Control": _CACHE, "Content-Type": kind})
