"""URLs lead to public hosts only, at every step of the way."""

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from samekind.images.errors import ImageError
from samekind.images.fetch import fetch


def test_a_body_comes_as_it_is(host: Any) -> None:
    host.say("/a.jpg", body=bytes(range(256)) * 100)
    assert host.get(host.url("/a.jpg")) == bytes(range(256)) * 100


def test_bodies_in_chunks_and_without_a_length_come_whole(host: Any) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    host.answers["/chunked"] = lambda connection: connection.sendall(chunks)
    host.say("/until closed", body=b"abcde", Content_Length="")
    host.answers["/until%20closed"] = host.answers["/until closed"]
    assert host.get(host.url("/chunked")) == host.get(host.url("/until closed")) == b"abcde"


def test_the_request_is_plain_and_names_the_host(host: Any) -> None:
    host.say("/%C3%A9%20x/%41?q=1&r=%C3%BC", body=b"x")
    host.get(host.url("/é x/%41?q=1&r=ü#part"))
    lines = host.requests[0].split("\r\n")
    assert lines[0] == "GET /%C3%A9%20x/%41?q=1&r=%C3%BC HTTP/1.1"
    assert f"Host: 127.0.0.1:{host.port}" in lines
    assert "Accept-Encoding: identity" in lines
    assert not any(line.startswith(("Cookie", "Authorization", "Referer")) for line in lines)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "017700000001", "0"])
def test_the_loopback_is_refused_however_it_is_called(host: Any, name: str) -> None:
    host.say("/", body=b"secret")
    with pytest.raises(ImageError, match="no public address") as caught:
        fetch(host.url(host=name), max_bytes=1000)
    assert caught.value.reason == "url_refused"
    assert host.requests == []


@pytest.mark.parametrize(
    "name",
    ["[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "[64:ff9b::a00:1]"],
)
def test_private_addresses_are_refused_without_a_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a connection was tried"))
    with pytest.raises(ImageError) as caught:
        fetch(f"http://{name}/", max_bytes=1000)
    assert caught.value.reason == "url_refused"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to these addresses, one answer a question; returns the questions as they are asked."""
    asked: list[str] = []

    def resolver(name: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(name)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return asked


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a connection was tried"))
    with pytest.raises(ImageError, match=r"10\.0\.0\.1") as caught:
        fetch("http://pictures.example/", max_bytes=1000)
    assert caught.value.reason == "url_refused"


def test_a_name_is_resolved_once_and_its_second_answer_changes_nothing(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.say("/a.jpg", body=b"x")
    asked = resolve_to(monkeypatch, ["127.0.0.1"], ["10.9.9.9"])
    assert host.get(host.url("/a.jpg", host="pictures.example")) == b"x"
    assert asked == ["pictures.example"]
    assert f"Host: pictures.example:{host.port}\r\n" in host.requests[0]


def test_the_peer_itself_is_checked(host: Any) -> None:
    host.say("/", body=b"x")
    verdicts = iter([True, False])
    assert host.reason(host.url(), allowed=lambda _: next(verdicts)) == "url_refused"
    assert host.requests == []


def test_a_second_address_is_tried_when_the_first_is_dead(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.say("/", body=b"x")
    resolve_to(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    assert host.get(host.url(host="two.example"), allowed=lambda _: True) == b"x"


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:1/x", "http://169.254.169.254/latest/meta-data", "//10.0.0.1/", "http://[::1]/"]
)
def test_a_redirect_to_a_private_address_is_refused(host: Any, target: str) -> None:
    host.say("/", status="302 Found", Location=target)
    assert host.reason(host.url()) == "url_refused"
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pass@127.0.0.1/", "gopher://x"]
)
def test_a_redirect_to_another_kind_of_address_is_refused(host: Any, target: str) -> None:
    host.say("/", status="301 Moved Permanently", Location=target)
    assert host.reason(host.url()) == "url_refused"


def test_five_redirects_are_followed_and_not_six(host: Any) -> None:
    for number, status in enumerate((301, 302, 303, 307, 308, 302)):
        host.say(f"/{number}", status=f"{status} Elsewhere", Location=f"{number + 1}")
    host.say("/6", body=b"x")
    assert host.get(host.url("/1")) == b"x"
    assert host.reason(host.url("/0")) == "url_failed"


def test_a_redirect_without_a_target_fails(host: Any) -> None:
    host.say("/", status="302 Found")
    assert host.reason(host.url()) == "url_failed"


def test_a_name_that_does_not_exist_fails(host: Any) -> None:
    assert host.reason("http://no-such-host.invalid/") == "url_failed"


def test_a_closed_port_fails(make_host: Any, host: Any) -> None:
    one = make_host()
    one.close()
    assert host.reason(one.url()) == "url_failed"


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Partial", "401 Unauthorized"])
def test_another_status_fails_and_is_named(host: Any, status: str) -> None:
    host.say("/", status=status, body=b"x")
    with pytest.raises(ImageError, match=status[:3]) as caught:
        host.get(host.url())
    assert caught.value.reason == "url_failed"


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"HTTP/1.1 xyz\r\n\r\n"),
        *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000),
        *(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", b"\xff\xfe\r\n\r\n"),
    ],
)
def test_a_bad_answer_fails(host: Any, answer: bytes) -> None:
    host.answers["/"] = lambda connection: connection.sendall(answer)
    assert host.reason(host.url()) == "url_failed"


def test_an_empty_body_is_empty(host: Any) -> None:
    host.say("/")
    assert host.reason(host.url()) == "empty"


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "http:///x", "http://a b/", "http://[::1", "http://h:99999/", "http://h:0/", "http://h:x/"),
        *(
            "gopher://h/",
            "http://h\n.example/",
            "http://h/\r\nX: y",
            "http://" + "x" * 70 + "é.example/",
            "http://h%2f/",
        ),
    ],
)
def test_what_is_no_url_is_refused(host: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    assert host.reason(url) == "url_refused"


def test_credentials_are_refused_and_not_repeated(host: Any) -> None:
    with pytest.raises(ImageError) as caught:
        host.get("http://user:hunter2@example.com/")
    assert caught.value.reason == "url_refused"
    assert "hunter2" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    host.say("/", body=b"x")
    assert host.get(host.url()) == b"x"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for pictures.example, made for this run."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate, which this machine does not have")
    folder = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:pictures.example"
    command = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=pictures.example -addext {names} -keyout k -out c"
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


def test_certificates_are_verified_for_the_name_and_not_for_the_address(
    make_host: Any, host: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "c", certificate / "k")
    secure = make_host(server)
    secure.say("/", body=b"x")
    trusting = ssl.create_default_context(cafile=str(certificate / "c"))
    resolve_to(monkeypatch, ["127.0.0.1"])
    try:
        assert host.get(secure.url(scheme="https", host="pictures.example"), context=trusting) == b"x"
        assert host.reason(secure.url(scheme="https", host="other.example"), context=trusting) == "url_failed"
        with pytest.raises(ImageError, match="certificate"):
            host.get(secure.url(scheme="https", host="pictures.example"))
    finally:
        secure.close()


def test_nothing_is_left_open(host: Any) -> None:
    host.say("/", body=b"x")
    host.say("/no", status="404 Not Found")
    host.get(host.url())
    time.sleep(0.1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        host.get(host.url())
        host.reason(host.url("/no"))
    time.sleep(0.2)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
