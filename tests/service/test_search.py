"""Searches by JSON, by a picture's bytes and by an address: what they find, and what is turned away."""

import base64
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from stand_in import application, asked, picture, running, world
from starlette.testclient import TestClient

from samekind.errors import SamekindError, UsageError
from samekind.images.errors import SLUGS, CorruptError, ImageError, TooManyPixelsError, UrlFailedError, VanishedError
from samekind.service import terms
from samekind.service.client import Client, ServiceProblem, UrlTerm
from samekind.service.refusals import DecodeTooHeavy, DecodeTooLong, Overloaded, Refusal
from samekind.service.schema import MOST_HITS, MOST_TERMS, SearchAnswer
from samekind.service.state import FETCHES

SEARCH = "/api/v1/galleries/pictures/search"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def posted(client: TestClient, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post(SEARCH, json={"terms": list(parts), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert str(world()) not in answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:samekind:problem:")


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


def nested(depth: int) -> str:
    return '{"terms":' + "[" * depth + "]" * depth + "}"


WRONG = {
    "no object": "[]",
    "no terms": "{}",
    "empty terms": '{"terms": []}',
    "null": "null",
    "nothing": "",
    "no JSON": "{",
    "two documents": '{"terms": [{"text": "a"}]} {}',
    "trailing comma": '{"terms": [{"text": "a"},]}',
    "latin-1": '{"terms": [{"text": "é"}]}'.encode("latin-1"),
    "utf-16": '{"terms": [{"text": "a"}]}'.encode("utf-16"),
    "a term of two kinds": '{"terms": [{"text": "a", "id": "ab"}]}',
    "a term of no kind": '{"terms": [{"weight": 1}]}',
    "a term that is a string": '{"terms": ["a"]}',
    "a term that is null": '{"terms": [null]}',
    "unknown key": '{"terms": [{"text": "a"}], "retriever": "x"}',
    "unknown key in a term": '{"terms": [{"text": "a", "path": "/etc/passwd"}]}',
    "empty text": '{"terms": [{"text": ""}]}',
    "blank text": '{"terms": [{"text": " \\n\\u00a0"}]}',
    "long text": json.dumps({"terms": [{"text": "a" * 1001}]}),
    "number for text": '{"terms": [{"text": 1}]}',
    "half a surrogate pair": '{"terms": [{"text": "\\ud800"}]}',
    "weight 0": '{"terms": [{"text": "a", "weight": 0}]}',
    "weight -0.0": '{"terms": [{"text": "a", "weight": -0.0}]}',
    "weight NaN": '{"terms": [{"text": "a", "weight": NaN}]}',
    "weight Infinity": '{"terms": [{"text": "a", "weight": Infinity}]}',
    "weight -Infinity": '{"terms": [{"text": "a", "weight": -Infinity}]}',
    "weight beyond floats": '{"terms": [{"text": "a", "weight": 1e999}]}',
    "weight of many digits": '{"terms": [{"text": "a", "weight": ' + "9" * 5000 + "}]}",
    "weight beyond 100": '{"terms": [{"text": "a", "weight": 100.5}]}',
    "weight in quotes": '{"terms": [{"text": "a", "weight": "1"}]}',
    "weight true": '{"terms": [{"text": "a", "weight": true}]}',
    "weight null": '{"terms": [{"text": "a", "weight": null}]}',
    "k 0": '{"terms": [{"text": "a"}], "k": 0}',
    "k 201": '{"terms": [{"text": "a"}], "k": 201}',
    "k 1.5": '{"terms": [{"text": "a"}], "k": 1.5}',
    "k in quotes": '{"terms": [{"text": "a"}], "k": "5"}',
    "k of many digits": '{"terms": [{"text": "a"}], "k": ' + "9" * 5000 + "}",
    "offset -1": '{"terms": [{"text": "a"}], "offset": -1}',
    "offset 10001": '{"terms": [{"text": "a"}], "offset": 10001}',
    "domains a string": '{"terms": [{"text": "a"}], "domains": "photo"}',
    "domains null": '{"terms": [{"text": "a"}], "domains": null}',
    "many domains": json.dumps({"terms": [{"text": "a"}], "domains": ["photo"] * 101}),
    "id that is a path": '{"terms": [{"id": "../../etc/passwd"}]}',
    "no base64": '{"terms": [{"image": "!!!!"}]}',
    "base64 with blanks": '{"terms": [{"image": "aGVs bG8="}]}',
    "base64 without its end": '{"terms": [{"image": "aGVsbG8"}]}',
    "base64 for addresses": '{"terms": [{"image": "-_-_"}]}',
    "base64 of other letters": '{"terms": [{"image": "aGVsbéé="}]}',
    "a data address": '{"terms": [{"image": "data:image/png;base64,aGVsbG8="}]}',
    "deep": nested(100_000),
    "deep in a term": '{"terms": [{"text": ' + "[" * 5000 + "]" * 5000 + "}]}",
}


@pytest.mark.parametrize("name", WRONG)
def test_json_of_another_form_is_refused_without_an_echo(name: str) -> None:
    body = WRONG[name]
    with asked() as client:
        content = body if isinstance(body, bytes) else body.encode()
        answer = client.post(SEARCH, content=content, headers={"Content-Type": "application/json"})
    assert refused(answer) == (422, "invalid")
    errors = answer.json()["errors"]
    assert 1 <= len(errors) <= 16
    for error in errors:
        assert sorted(error) == ["what", "where"]
        assert error["where"].startswith("body")
    for sent in ("passwd", "retriever", "99999", "base64,a", "!!!!"):
        assert sent not in answer.text


def test_errors_say_where_and_what() -> None:
    with asked() as client:
        answer = client.post(SEARCH, json={"terms": [{"text": "a"}, {"text": "b", "weight": 0}], "k": 300})
    assert answer.json()["errors"] == [
        {"where": "body.terms.1.text.weight", "what": "A weight must not be 0."},
        {"where": "body.k", "what": "Input should be less than or equal to 200."},
    ]


@pytest.mark.parametrize("part", ['"{}":0', "0", '{{"text":"a"}}'])
def test_json_of_very_many_parts_is_refused_at_once(part: str) -> None:
    parts = ",".join(part.format(number) for number in range(300_000))
    body = f"{{{parts}}}" if ":0" in part else f'{{"terms":[{parts}]}}'
    with asked() as client:
        began = time.monotonic()
        answer = client.post(SEARCH, content=body.encode(), headers={"Content-Type": "application/json"})
    assert refused(answer) == (422, "invalid")
    assert answer.json()["errors"] == [{"where": "body", "what": "There are too many parts in it."}]
    assert time.monotonic() - began < 5


def test_texts_may_be_full_of_commas() -> None:
    app = application()
    app.state.service.batcher.fault = Overloaded(1.0)  # which shows that it came so far
    with asked(app) as client:
        answer = client.post(SEARCH, json={"terms": [{"text": "," * 1000}] * MOST_TERMS})
    assert refused(answer) == (503, "overloaded")


def test_a_large_body_is_read_too() -> None:
    with asked() as client:
        answer = client.post(SEARCH, json={"terms": [{"image": encoded(bytes(600_000))}]})
    assert refused(answer) == (415, "unsupported")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_json_must_say_that_it_is(kind: str) -> None:
    with asked() as client:
        content = json.dumps({"terms": [{"text": "red"}]}).encode()
        assert refused(client.post(SEARCH, content=content, headers={"Content-Type": kind})) == (
            415,
            "wrong_content_type",
        )
        good = client.post(SEARCH, content=content, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert good.status_code == 200


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "image/x-anything", "IMAGE/JPEG; q=1", ""])
def test_a_pictures_bytes_are_taken_under_any_pictures_name(kind: str) -> None:
    with asked() as client:
        answer = client.post(f"{SEARCH}/picture", content=picture(), headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/html", "video/mp4"])
def test_a_pictures_bytes_are_not_taken_in_parts_or_as_text(kind: str) -> None:
    with asked() as client:
        answer = client.post(f"{SEARCH}/picture", content=picture(), headers={"Content-Type": kind})
    assert refused(answer) == (415, "wrong_content_type")


def test_what_is_no_picture_is_unsupported_and_nothing_is_empty() -> None:
    with asked() as client:
        assert refused(client.post(f"{SEARCH}/picture", content=b"<svg/>")) == (415, "unsupported")
        assert refused(client.post(f"{SEARCH}/picture", content=b"")) == (422, "empty")
        assert refused(client.post(f"{SEARCH}/picture", content=picture()[:60]))[0] == 422
        assert refused(client.post(SEARCH, json={"terms": [{"image": ""}]})) == (422, "empty")


QUERIES = [
    "",
    "k=5",
    "text=",
    "text=%20",
    "text=" + "a" * 1001,
    "like=..%2f..",
    "like=XYZ",
    "text=a&k=0",
    "text=a&k=x",
    "text=a&offset=-1",
    "&".join(["like=ab"] * 17),
    "text=a&" + "&".join(["like=ab"] * 8 + ["unlike=cd"] * 8),
]


@pytest.mark.parametrize("query", QUERIES)
def test_addresses_of_another_form_are_refused(query: str) -> None:
    with asked() as client:
        answer = client.get(f"{SEARCH}?{query}")
    assert refused(answer) == (422, "invalid")
    assert answer.json()["errors"][0]["where"].startswith("query")


@pytest.mark.parametrize(
    "query", ["weight=0", "weight=nan", "weight=inf", "weight=101", "weight=x", "text_weight=0", "text="]
)
def test_weights_in_addresses_have_the_same_limits(query: str) -> None:
    with asked() as client:
        assert refused(client.post(f"{SEARCH}/picture?{query}", content=picture())) == (422, "invalid")


def test_galleries_ids_and_domains_that_are_not_there() -> None:
    with asked() as client:
        for address in ("/api/v1/galleries/other/search", "/api/v1/galleries/other/search/picture"):
            assert refused(client.post(address, content=b"{}")) == (404, "unknown_gallery")
        assert refused(client.get("/api/v1/galleries/..%2Fpictures/search?text=a"))[0] == 404
        assert refused(client.post(SEARCH, json={"terms": [{"id": "0" * 24}]})) == (404, "unknown_item")
        assert refused(client.get(SEARCH, params={"like": "0" * 24})) == (404, "unknown_item")
        unknown = client.get(SEARCH, params={"text": "red", "domain": "film"})
        assert refused(unknown) == (422, "usage")
        assert "photo, sketch, toy" in unknown.json()["detail"]


def test_parts_that_cancel_out_are_a_problem_of_the_query() -> None:
    with asked() as client:
        answer = client.post(SEARCH, json={"terms": [{"text": "red"}, {"text": "red", "weight": -1}]})
    assert refused(answer) == (422, "usage")
    assert "cancel out" in answer.json()["detail"]


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


FAULTS: list[tuple[SamekindError, int, str]] = [
    (DecodeTooLong(10.0), 422, "decode_too_long"),
    (DecodeTooHeavy(), 422, "decode_too_heavy"),
    (TooManyPixelsError("it has 10 pixels, and the limit is 9"), 422, "too_many_pixels"),
    (CorruptError("it cannot be decoded"), 422, "corrupt"),
    (Overloaded(2.2), 503, "overloaded"),
]


@pytest.mark.parametrize(("fault", "status", "slug"), FAULTS)
def test_pictures_that_cannot_be_opened_say_why(fault: SamekindError, status: int, slug: str) -> None:
    app = application()
    app.state.service.decoders.fault = fault
    with asked(app) as client:
        answer = client.post(f"{SEARCH}/picture", content=picture())
        metrics = client.get("/metrics").text
    assert refused(answer) == (status, slug)
    assert (f'samekind_decode_failures_total{{reason="{slug}"}} 1.0' in metrics) == (slug != "overloaded")


def test_each_reason_for_no_picture_has_a_problem_and_none_tells_of_our_disk(caplog: pytest.LogCaptureFixture) -> None:
    for kind in ImageError.__subclasses__():
        app = application()
        app.state.service.decoders.fault = kind("/srv/secret/1.png is not as it should be")
        with asked(app) as client:
            status, slug = refused(answer := client.post(f"{SEARCH}/picture", content=picture()))
        if kind.reason in ("vanished", "unreadable", "bad_name", "not_a_file"):
            assert (status, slug) == (500, "internal")
            assert "secret" not in answer.text
        else:
            assert slug == kind.reason
    assert {kind.reason for kind in ImageError.__subclasses__()} == SLUGS
    assert VanishedError in ImageError.__subclasses__()


def test_a_service_with_too_much_to_do_says_when_to_come_back() -> None:
    app = application()
    app.state.service.batcher.fault = Overloaded(2.2)
    with asked(app) as client:
        answer = client.get(SEARCH, params={"text": "red"})
    assert refused(answer) == (503, "overloaded")
    assert answer.headers["retry-after"] == "3"
    assert answer.json()["retry_after"] == 2.2


@pytest.mark.parametrize(
    "fault", [RuntimeError("/srv/secret"), SamekindError("The gallery /srv/secret is damaged."), KeyError("x")]
)
def test_what_nobody_foresaw_is_told_to_the_log_alone(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    app.state.service.batcher.fault = fault
    with asked(app) as client:
        answer = client.get(SEARCH, params={"text": "red"})
        after = client.get("/api/v1/health")
    assert refused(answer) == (500, "internal")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert after.status_code == 200
    assert any("failed" in record.message and record.exc_info for record in caplog.records)


def test_usage_errors_and_refusals_are_told_as_they_are() -> None:
    app = application()
    app.state.service.batcher.fault = UsageError("The parts of the query cancel out.")
    with asked(app) as client:
        assert client.get(SEARCH, params={"text": "red"}).json()["detail"] == "The parts of the query cancel out."
    for refusal in Refusal.__subclasses__():
        assert refusal.status in range(400, 600)


def test_no_answer_has_a_path_of_the_server() -> None:
    with asked() as client:
        hits = posted(client, {"text": "red"})["hits"]
        item = f"/api/v1/galleries/pictures/items/{hits[0]['id']}"
        addresses = [
            "/api/v1/galleries",
            "/api/v1/galleries/pictures/stats",
            item,
            f"{SEARCH}?text=red",
            "/metrics",
            "/",
        ]
        addresses += ["/api/v1/openapi.json", "/api/v1/galleries/empty/search?text=red", "/api/v1/galleries/empty"]
        for address in addresses:
            text = client.get(address).text
            assert str(world()) not in text, address
            assert str(Path(__file__).parents[2]) not in text, address
            assert str(Path.home()) not in text, address


def test_a_gallery_without_pictures_finds_none() -> None:
    with asked() as client:
        answer = client.get("/api/v1/galleries/empty/search", params={"text": "red"})
        sent = client.post("/api/v1/galleries/empty/search/picture", content=picture())
    assert answer.status_code == sent.status_code == 200
    assert (answer.json()["total"], answer.json()["hits"]) == (0, [])
