"""Searches by JSON, by a picture's bytes and by an address, and what they find."""

import threading
import time
from typing import Any

import pytest
from stand_in import SEARCH, application, asked, encoded, picture, posted, refused, running

from samekind.errors import SamekindError
from samekind.images.errors import UrlFailedError
from samekind.service import terms
from samekind.service.client import Client, ServiceProblem, UrlTerm
from samekind.service.schema import MOST_HITS, MOST_TERMS, SearchAnswer
from samekind.service.state import FETCHES


def test_a_picture_of_the_gallery_finds_itself_first_in_all_ways_to_ask() -> None:
    with asked() as client:
        by_json = posted(client, {"image": encoded(picture(3))})
        by_bytes = client.post(f"{SEARCH}/picture", content=picture(3)).json()
        first = by_json["hits"][0]
        by_id = posted(client, {"id": first["id"]})
        by_address = client.get(SEARCH, params={"like": first["id"]}).json()
    assert first["uri"] == "world/photo/3.png"
    assert first["score"] == pytest.approx(1)
    for other in (by_bytes, by_id, by_address):
        assert [hit["id"] for hit in other["hits"]] == [hit["id"] for hit in by_json["hits"]]


def test_the_answer_says_what_was_searched_and_how_long_it_took() -> None:
    with asked() as client:
        answer = posted(client, {"text": "red"}, k=3, offset=2)
        gallery = client.get("/api/v1/galleries/pictures").json()
    assert answer["schema"] == 1
    assert answer["gallery"] == {
        "name": "pictures",
        "rows": 12,
        "retriever": gallery["retriever"]["sha256"],
        "version": gallery["version"],
    }
    assert answer["exact"] is True
    assert list(answer["seconds"]) == ["encode", "search"]
    assert all(0 < seconds < 60 for seconds in answer["seconds"].values())
    assert (answer["offset"], answer["total"]) == (2, 12)
    assert [hit["rank"] for hit in answer["hits"]] == [3, 4, 5]
    assert list(answer["hits"][0]) == ["rank", "score", "uri", "domain", "id"]
    SearchAnswer.model_validate(answer)


def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    with asked() as client:
        whole = posted(client, {"text": "red"}, k=12)["hits"]
        pages = [posted(client, {"text": "red"}, k=5, offset=offset)["hits"] for offset in (0, 5, 10, 15)]
    assert [hit for page in pages for hit in page] == whole
    assert len(whole) == 12


def test_domains_keep_their_pictures_alone_and_count_them() -> None:
    with asked() as client:
        answer = posted(client, {"text": "red"}, domains=["photo", "sketch"])
        address = client.get(SEARCH, params={"text": "red", "domain": ["photo", "sketch"]}).json()
        sent = client.post(f"{SEARCH}/picture?domain=photo&domain=sketch", content=picture()).json()
    assert {hit["domain"] for hit in answer["hits"]} == {"photo", "sketch"}
    assert answer["total"] == len(answer["hits"]) == 8
    assert address["hits"] == answer["hits"]
    assert sent["total"] == 8


def test_weights_are_passed_on_and_what_is_unlike_comes_last() -> None:
    app = application()
    with asked(app) as client:
        posted(client, {"text": "red", "weight": 2}, {"image": encoded(picture(1)), "weight": -0.5})
        client.post(f"{SEARCH}/picture?weight=0.5&text=red&text_weight=-3", content=picture(1))
        worst = client.get(
            SEARCH, params={"unlike": posted(client, {"image": encoded(picture(1))})["hits"][0]["id"]}
        ).json()
    json_parts, bytes_parts, *_ = app.state.service.batcher.asked
    assert [(part.kind, part.weight) for part in json_parts] == [("text", 2.0), ("pixels", -0.5)]
    assert [(part.kind, part.weight) for part in bytes_parts] == [("pixels", 0.5), ("text", -3.0)]
    assert worst["hits"][-1]["uri"] == "world/sketch/1.png"


def test_terms_may_be_as_many_as_are_allowed() -> None:
    with asked() as client:
        posted(client, *[{"text": "red"}] * MOST_TERMS, k=MOST_HITS)
        assert refused(client.post(SEARCH, json={"terms": [{"text": "red"}] * (MOST_TERMS + 1)})) == (422, "invalid")


def test_addresses_are_not_fetched_unless_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(uri: str, *, max_bytes: int, patience: Any) -> bytes:
        fetched.append((uri, max_bytes))
        if "gone" in uri:
            raise UrlFailedError(f"{uri} gave no picture")
        return picture(4)

    monkeypatch.setattr(terms, "fetch", fetch)
    asking = {"terms": [{"url": "https://example.org/4.png"}]}
    with asked() as client:
        assert refused(client.post(SEARCH, json=asking)) == (403, "urls_off")
    assert fetched == []
    with asked(allow_urls=True, max_bytes=1234) as client:
        assert client.post(SEARCH, json=asking).json()["hits"][0]["uri"] == "world/sketch/4.png"
        gone = client.post(SEARCH, json={"terms": [{"url": "https://example.org/gone"}]})
    assert fetched[0] == ("https://example.org/4.png", 1234)
    assert refused(gone) == (422, "url_failed")


def test_few_addresses_are_fetched_at_once_also_for_clients_that_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    app, end = application(allow_urls=True), threading.Event()

    def fetch(uri: str, *, max_bytes: int, patience: Any) -> bytes:
        end.wait(20)
        return picture()

    monkeypatch.setattr(terms, "fetch", fetch)
    with running(app) as (host, port):
        for _ in range(FETCHES):
            with Client(f"http://{host}:{port}", timeout=0.5) as client, pytest.raises(SamekindError):
                client.search("pictures", UrlTerm(url="https://example.org/a.png"))
        with Client(f"http://{host}:{port}") as client:
            with pytest.raises(ServiceProblem, match="overloaded"):
                client.search("pictures", UrlTerm(url="https://example.org/a.png"))
            end.set()
            while app.state.service.fetching.locked():
                time.sleep(0.01)
            assert client.search("pictures", UrlTerm(url="https://example.org/a.png")).total == 12


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "/etc/passwd", "http://127.0.0.1:1/x", "ftp://example.org/a.png", "x" * 2000]
)
def test_addresses_that_lead_inside_are_refused_also_where_others_are_fetched(address: str) -> None:
    with asked(allow_urls=True) as client:
        answer = client.post(SEARCH, json={"terms": [{"url": address}]})
    assert answer.status_code in (403, 422), answer.text
    assert "root:" not in answer.text


def test_a_gallery_without_pictures_finds_none() -> None:
    with asked() as client:
        answer = client.get("/api/v1/galleries/empty/search", params={"text": "red"})
        sent = client.post("/api/v1/galleries/empty/search/picture", content=picture())
    assert answer.status_code == sent.status_code == 200
    assert (answer.json()["total"], answer.json()["hits"]) == (0, [])
