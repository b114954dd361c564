"""The client, against a real server: typed answers, one exception, and patience only where it is asked for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from stand_in import TOKEN, application, picture, running, world

from samekind.errors import SamekindError
from samekind.service import client as module
from samekind.service.client import Client, IdTerm, ImageTerm, ServiceProblem, TextTerm, UrlTerm
from samekind.service.refusals import Overloaded
from samekind.service.schema import SearchAnswer


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running(token=TOKEN) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def client(service: str) -> Iterator[Client]:
    with Client(service, TOKEN) as made:
        yield made


def test_galleries_and_their_facts_have_types(client: Client) -> None:
    listed = client.galleries()
    assert [gallery.name for gallery in listed] == ["pictures", "empty"]
    assert client.gallery("pictures") == listed[0]
    assert client.domains("pictures") == listed[0].domains
    assert client.stats("pictures").rows == listed[0].rows == 12


def test_all_ways_to_search_find_the_same(client: Client) -> None:
    file = world() / "world" / "sketch" / "1.png"
    answers = [
        client.search("pictures", image=file),
        client.search("pictures", image=file.read_bytes()),
        client.search("pictures", ImageTerm(image=picture(1))),
        client.search_picture("pictures", file),
        client.search_picture("pictures", picture(1)),
    ]
    answers.append(client.search("pictures", IdTerm(id=answers[0].hits[0].id)))
    assert all(isinstance(answer, SearchAnswer) for answer in answers)
    assert {answer.hits[0].uri for answer in answers} == {"world/sketch/1.png"}
    assert len({tuple(hit.id for hit in answer.hits) for answer in answers}) == 1


def test_terms_texts_and_pictures_are_added_up(client: Client) -> None:
    one = client.search(
        "pictures", TextTerm(text="red", weight=-1.0), image=picture(), k=3, offset=1, domains=["photo"]
    )
    other = client.search_picture("pictures", picture(), text="red", text_weight=-1.0, k=3, offset=1, domains=["photo"])
    assert [hit.rank for hit in one.hits] == [2, 3, 4]
    assert one.hits == other.hits
    assert (one.total, one.offset) == (4, 1)


def test_pictures_come_whole_and_small(client: Client) -> None:
    hit = client.search_picture("pictures", picture(2)).hits[0]
    assert client.item("pictures", hit.id).width == 16
    assert client.picture("pictures", hit.id) == (picture(2), "image/png")
    assert client.thumbnail("pictures", hit.id, 160)[8:12] == b"WEBP"


def test_health_readiness_and_metrics(client: Client) -> None:
    assert (client.health().status, client.ready().status) == ("ok", "ready")
    assert "samekind_requests_total" in client.metrics()


def test_problems_are_one_exception(client: Client, service: str) -> None:
    with pytest.raises(ServiceProblem) as found:
        client.gallery("a gallery that is not there?")
    assert (found.value.status, found.value.slug, found.value.retry_after) == (404, "unknown_gallery", None)
    assert str(found.value).endswith("(404 unknown_gallery)")
    assert isinstance(found.value, SamekindError)
    with Client(service) as stranger, pytest.raises(ServiceProblem, match="unauthorized"):
        stranger.galleries()
    with pytest.raises(ServiceProblem, match="urls_off"):
        client.search("pictures", UrlTerm(url="https://example.org/a.png"))
    with pytest.raises(ServiceProblem, match="unsupported"):
        client.search_picture("pictures", b"no picture")
    with pytest.raises(ServiceProblem, match="invalid"):
        client.thumbnail("pictures", "0" * 24, 161)


def test_what_the_service_would_not_take_is_not_even_sent(client: Client) -> None:
    with pytest.raises(ValidationError):
        client.search("pictures")
    with pytest.raises(ValidationError):
        client.search("pictures", text="red", k=0)
    with pytest.raises(ValidationError):
        TextTerm(text="red", weight=float("nan"))
    with pytest.raises(FileNotFoundError):
        client.search("pictures", image=Path("/nowhere.png"))


def test_a_body_that_is_refused_midway_is_still_a_problem() -> None:
    with running(max_bytes=1000) as (host, port), Client(f"http://{host}:{port}") as client:
        for _ in range(5):
            with pytest.raises(ServiceProblem) as found:
                client.search_picture("pictures", bytes(8 * 2**20))
            assert (found.value.status, found.value.slug) == (413, "too_many_bytes")
        assert client.health().status == "ok"


def test_it_tries_again_only_if_asked_and_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    app, tries = application(), []
    search = app.state.service.batcher.search

    async def busy(*given: Any, **wanted: Any) -> Any:
        tries.append(1)
        if len(tries) % 3:
            raise Overloaded(2.5)
        return await search(*given, **wanted)

    app.state.service.batcher.search = busy
    with running(app) as (host, port):
        with Client(f"http://{host}:{port}", retries=2) as patient:
            assert patient.search("pictures", text="red").total == 12
            assert waited == [2.5, 2.5]
            with pytest.raises(ServiceProblem):
                patient.gallery("other")
        with Client(f"http://{host}:{port}") as hasty, pytest.raises(ServiceProblem) as found:
            hasty.search("pictures", text="red")
    assert found.value.retry_after == 2.5
    assert waited == [2.5, 2.5]


def test_where_nobody_listens_that_is_said() -> None:
    with Client("http://127.0.0.1:1", timeout=5.0) as client, pytest.raises(SamekindError, match="samekind serve"):
        client.galleries()


def test_where_something_else_listens_that_is_said() -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502 if "health" in self.path else 200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{other.server_port}") as client:
            with pytest.raises(SamekindError, match="no samekind of this version"):
                client.galleries()
            with pytest.raises(ServiceProblem) as found:
                client.health()
        other.shutdown()
    assert (found.value.status, found.value.slug) == (502, "unknown")


def test_proxies_of_the_environment_are_not_asked(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Client(service, TOKEN) as client:
        assert client.health().status == "ok"
