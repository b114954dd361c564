"""Object storage for tests: moto's S3 in this process, which fails when and how a test wants."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import quote

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from samekind.images import storage_client


class S3:
    """moto's S3 on the loopback. `requests` came over the network; `fault` makes some of them fail.

    `fault` takes a request's method and path, and gives the HTTP status of its failure, or None.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: Any = None
        self._lock = threading.Lock()
        self._puts = threading.Lock()
        self.port = 0
        self.fault: Callable[[str, str], str | None] | None = None
        self.requests: list[dict[str, Any]] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the same port as before, if it does not."""
        with self._lock:
            if self._server is None:
                self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=_Quiet)
                self.port = self._server.server_port
                threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        with self._lock:
            if self._server is not None:
                self._server.shutdown()
                self._server.server_close()
                self._server = None

    def asked(self, method: str) -> list[str]:
        """The paths that were asked for by a method."""
        return [each["PATH_INFO"] for each in self.requests if each["REQUEST_METHOD"] == method]

    def bucket(self, name: str) -> "Bucket":
        self.direct("PUT", f"/{name}")
        return Bucket(self, name)

    def direct(self, method: str, path: str, body: bytes = b"") -> None:
        """A request that takes neither the network nor the client that is tested."""
        environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path.encode().decode("latin-1")}
        environ |= {"RAW_URI": quote(path), "QUERY_STRING": "", "HTTP_HOST": f"127.0.0.1:{self.port}"}
        environ |= {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(self.port), "SERVER_PROTOCOL": "HTTP/1.1"}
        environ |= {"wsgi.url_scheme": "http", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        environ["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"
        statuses: list[str] = []
        list(self._app(environ, lambda status, *_: statuses.append(status)))
        assert statuses[0].startswith("2"), (method, path, statuses)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests.append(environ)
        method = environ["REQUEST_METHOD"]
        if self.fault is None or (status := self.fault(method, environ["PATH_INFO"])) is None:
            # moto looks whether an object is there, then puts it: two that put at once would both be told they did.
            with self._puts if "HTTP_IF_NONE_MATCH" in environ else nullcontext():
                answer: Iterable[bytes] = self._app(environ, start)
            return answer
        start(status, [("Content-Type", "application/xml")])
        code = "AccessDenied" if status.startswith("403") else "SlowDown"
        return [b"" if method == "HEAD" else f"<Error><Code>{code}</Code><Message>Not now</Message></Error>".encode()]


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """A test's output is its own."""


class Bucket:
    """A bucket of it."""

    def __init__(self, s3: S3, name: str) -> None:
        self.s3 = s3
        self.name = name

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, data: bytes) -> str:
        """An object's uri; it is there now."""
        self.s3.direct("PUT", f"/{self.name}/{key}", data)
        return self.uri(key)

    def put_many(self, keys: Iterable[str], data: bytes) -> None:
        """The same data at every key, in a hundredth of the time."""
        (accounts,) = s3_backends.values()
        for key in keys:
            accounts["aws"].put_object(self.name, key, data)

    def delete(self, key: str) -> None:
        self.s3.direct("DELETE", f"/{self.name}/{key}")


@contextmanager
def fresh_bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Bucket]:
    """An empty bucket that the environment leads to; the client forgets what it knew, and has little patience."""
    _forget()
    for key, value in {
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_CONFIG_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(key, value)
    for key in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(key, raising=False)
    patience = storage_client.Patience(connect=5.0, read=5.0, tries=2, failures=2, pause=600.0)
    monkeypatch.setattr(storage_client, "PATIENCE", patience)
    s3.fault = None
    s3.start()
    s3.requests.clear()
    yield s3.bucket(name)
    s3.fault = None
    _forget()


def _forget() -> None:
    storage_client.client.cache_clear()
    storage_client.outage.forget()
