"""Google's storage for tests: the emulator's JSON interface, and for the same objects the one that Lance uses."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from gcp_storage_emulator.handlers.objects import _checksums, _make_object_resource
from gcp_storage_emulator.server import RequestHandler, create_server

BUCKET = "pictures"
_PUTS = threading.Lock()


class Both(RequestHandler):  # type: ignore[misc]
    """Lists, gets, puts and deletes as Google's XML interface does, a put under a condition included."""

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        self._answer(super().do_GET)

    def do_PUT(self) -> None:  # noqa: N802 (http.server's name)
        self._answer(super().do_PUT)

    def do_DELETE(self) -> None:  # noqa: N802 (http.server's name)
        self._answer(super().do_DELETE)

    def do_HEAD(self) -> None:  # noqa: N802 (http.server's name)
        self._answer(lambda: self.send_error(HTTPStatus.NOT_IMPLEMENTED))

    def _answer(self, otherwise: Callable[[], None]) -> None:
        where = urlsplit(self.path)
        if not where.path.startswith(f"/{BUCKET}"):
            otherwise()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if key := unquote(where.path).removeprefix(f"/{BUCKET}").lstrip("/"):
            with _PUTS:
                self._object(key, body)
        else:
            self._list({name: values[0] for name, values in parse_qs(where.query, keep_blank_values=True).items()})

    def _list(self, asked: dict[str, str]) -> None:
        objects, prefixes = self.storage.get_file_list(BUCKET, asked.get("prefix"), asked.get("delimiter"))
        listed = [
            f"<Contents><Key>{escape(one['name'])}</Key><Size>{one['size']}</Size>"
            f"<LastModified>{one['updated']}</LastModified><ETag>{one['generation']}</ETag></Contents>"
            for one in objects
            if one["name"] > asked.get("start-after", "")
        ]
        listed += [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in prefixes]
        head = f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>"
        self._say(HTTPStatus.OK, f"{head}{''.join(listed)}</ListBucketResult>".encode())

    def _object(self, key: str, body: bytes) -> None:
        known = self.storage.objects.get(BUCKET, {}).get(key)
        if self.command == "PUT":
            if known and self.headers.get("x-goog-if-generation-match") == "0":
                self._say(HTTPStatus.PRECONDITION_FAILED)
                return
            made = _make_object_resource("", BUCKET, key, "application/octet-stream", str(len(body)))
            made = _checksums(body, made) | {"generation": str(time.time_ns())}
            self.storage.create_file(BUCKET, key, body, made)
            self._say(HTTPStatus.OK, facts=made)
        elif known is None:
            self._say(HTTPStatus.NOT_FOUND)
        elif self.command == "DELETE":
            self.storage.delete_file(BUCKET, key)
            self._say(HTTPStatus.NO_CONTENT)
        else:
            self._give(self.storage.get_file(BUCKET, key), known)

    def _give(self, data: bytes, facts: dict[str, Any]) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            self._say(HTTPStatus.OK, data, facts)
            return
        first, last = asked.split("-")
        start = int(first) if first else len(data) - int(last)
        end = min(int(last) + 1 if first and last else len(data), len(data))
        span = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        self._say(HTTPStatus.PARTIAL_CONTENT, data[start:end], facts, span)

    def _say(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        facts: dict[str, Any] | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        heads = {"Content-Length": str(len(body)), **(more or {})}
        if facts:
            updated = datetime.fromisoformat(facts["updated"].replace("Z", "+00:00"))
            heads |= {"ETag": facts["generation"], "x-goog-generation": facts["generation"]}
            heads["Last-Modified"] = format_datetime(updated, usegmt=True)
        for name, value in heads.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def google_storage() -> Iterator[str]:
    """An endpoint of both interfaces, with the bucket `pictures`."""
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    server._api._httpd.RequestHandlerClass = partial(Both, server._storage)
    try:
        yield f"http://127.0.0.1:{server._api._httpd.server_port}"
    finally:
        server.stop()
