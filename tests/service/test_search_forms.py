"""Searches that are not of the form that is asked for: each is refused, and nothing of them is told back."""

import json
import time

import pytest
from stand_in import SEARCH, application, asked, encoded, picture, refused

from samekind.service.refusals import Overloaded
from samekind.service.schema import MOST_TERMS


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
