"""The application as a whole: what is there, how it is described, and what it is while it starts and stops."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from stand_in import TOKEN, application, asked
from starlette.testclient import TestClient

import samekind
from samekind.service import routes_static
from samekind.service.guard import HEADERS
from samekind.service.problems import KINDS, URN

DOCUMENT: dict[str, Any] = json.loads(json.dumps(application(token=TOKEN).openapi()))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_galleries_are_listed_in_their_order_with_domains_and_retriever() -> None:
    with asked() as client:
        galleries = client.get("/api/v1/galleries").json()["galleries"]
        alone = client.get("/api/v1/galleries/pictures").json()
        domains = client.get("/api/v1/galleries/pictures/domains").json()
    assert [gallery["name"] for gallery in galleries] == ["pictures", "empty"]
    assert galleries[0] == alone
    assert alone["domains"] == domains["domains"]
    assert alone["domains"] == [
        {"name": "photo", "rows": 4},
        {"name": "sketch", "rows": 4},
        {"name": "toy", "rows": 5},  # one of which is a copy of a photo
    ]
    assert (alone["rows"], alone["retriever"]["name"], alone["retriever"]["dim"]) == (12, "palette", 48)


def test_stats_count_searches_and_time() -> None:
    with asked() as client:
        before = client.get("/api/v1/galleries/pictures/stats").json()
        for _ in range(3):
            client.get("/api/v1/galleries/pictures/search", params={"text": "red"})
        client.get("/api/v1/galleries/pictures/search")
        after = client.get("/api/v1/galleries/pictures/stats").json()
    assert (before["searches"], after["searches"]) == (0, 3)
    assert 0 <= before["uptime_seconds"] < after["uptime_seconds"] < 600
    assert (after["rows"], after["domains"], after["reloads"]) == (12, 3, 0)


def test_it_is_ready_between_start_and_stop_and_healthy_as_long_as_it_answers() -> None:
    client = TestClient(application(), base_url="http://localhost")

    def states() -> list[int]:
        return [client.get(f"/api/v1/{name}").status_code for name in ("health", "ready")]

    assert states() == [200, 503]
    waiting = client.get("/api/v1/ready")
    assert waiting.json()["type"] == f"{URN}not_ready"
    assert waiting.headers["retry-after"] == "1"
    with client:
        assert states() == [200, 200]
    assert states() == [200, 503]
    with client:  # it may be started again
        assert states() == [200, 200]


def test_what_started_is_ended_also_when_the_rest_fails_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    app, calls = application(), []

    async def close() -> None:
        calls.append("closed")

    async def fail() -> None:
        raise RuntimeError("no threads left")

    monkeypatch.setattr(app.state.service.decoders, "close", close)
    monkeypatch.setattr(app.state.service.batcher, "start", fail)
    with pytest.raises(RuntimeError, match="no threads"), TestClient(app):
        pass
    assert calls == ["closed"]


ADDRESSES = ["/", "/nothing", "/api/v1/health", "/api/v1/galleries", "/metrics", "/api/v1/galleries/x", "/static/x.js"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "TRACE"])
def test_every_answer_has_the_headers_that_keep_browsers_in_check(address: str, method: str) -> None:
    with asked() as client:
        headers = client.request(method, address).headers
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            assert headers[name] == value
    assert "server" not in headers
    assert "x-powered-by" not in headers
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_the_policy_lets_pages_load_nothing_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


@pytest.mark.parametrize("address", ["/docs", "/redoc", "/openapi.json", "/api", "/api/v1", "/api/v1/galleries/"])
def test_nothing_else_is_there(address: str) -> None:
    with asked() as client:
        answer = client.get(address)
    assert answer.status_code == 404
    assert answer.json()["type"] == f"{URN}not_found"


def test_a_method_that_an_address_does_not_take_is_told_which_it_does() -> None:
    with asked() as client:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"):
            answer = client.request(method, "/api/v1/galleries/pictures/search")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
            assert answer.json()["type"] == f"{URN}method_not_allowed"
        assert client.post("/api/v1/galleries").headers["allow"] == "GET, HEAD"
        assert client.get("/api/v1/galleries/pictures/search/picture").headers["allow"] == "POST"


def test_a_head_has_the_length_of_the_body_it_leaves_out() -> None:
    with asked() as client:
        got, head = client.get("/api/v1/galleries"), client.head("/api/v1/galleries")
        missing = client.head("/nothing")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert (missing.status_code, missing.content) == (404, b"")


def test_the_pages_files_are_served_with_their_kind_and_asked_for_again_each_time() -> None:
    with asked() as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert linked
        for address in linked:
            kind = client.get(address).headers["content-type"]
            assert kind.startswith(
                {"css": "text/css", "js": "text/javascript", "svg": "image/svg"}[address.rpartition(".")[2]]
            )


@pytest.mark.parametrize(
    "name",
    ["..%2fapp.py", "%2e%2e/app.py", "app.py", "...", "", "index.html%00.js", "a%2fb.js", "none.js", ".hidden.js"],
)
def test_nothing_but_the_pages_files_is_served(name: str) -> None:
    with asked() as client:
        answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert answer.json()["type"] == f"{URN}not_found"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for file in routes_static.FOLDER.iterdir():
        if file.suffix in (".html", ".css", ".js"):
            text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"""(?:src|href|url|import|fetch)[\s=("']+https?://""", text), file.name


def test_the_description_is_served_and_is_openapi() -> None:
    with asked(token=TOKEN) as client:
        served = client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert served == DOCUMENT
    assert served["openapi"].startswith("3.1")
    assert served["info"]["version"] == samekind.__version__
    found = [operation.ok().label for operation in schemathesis.openapi.from_dict(served).get_all_operations()]
    assert len(found) == len(list(operations())) == 13


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert sorted(names) == sorted(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert all(operation["summary"] and operation["description"] for _, _, operation in operations())


def test_operations_tell_their_problems_with_examples_of_each() -> None:
    for path, _, operation in operations():
        for status, answer in operation["responses"].items():
            if status.startswith(("2", "3")):
                continue
            content = answer["content"]
            assert list(content) == ["application/problem+json"], (path, status)
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
            for slug, example in content["application/problem+json"]["examples"].items():
                assert KINDS[slug].status == int(status) == example["value"]["status"]
        assert {"400", "403", "408", "413", "421", "500", "503"} <= operation["responses"].keys()


def test_operations_need_the_token_that_is_described() -> None:
    for path, _, operation in operations():
        free = path in ("/api/v1/health", "/api/v1/ready")
        assert ("security" in operation) is ("401" in operation["responses"]) is not free
    assert DOCUMENT["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert "securitySchemes" not in application().openapi()["components"]


def validator(schema: dict[str, Any]) -> Any:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"], **schema}
    return jsonschema_rs.validator_for(whole)


def examples(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each example in the document with the schema that it should keep to."""
    if isinstance(node, list):
        for part in node:
            yield from examples(part)
    if not isinstance(node, dict):
        return
    named, schema = node.get("examples"), node.get("schema", node)
    if isinstance(named, list):
        yield from ((schema, example) for example in named)
    elif isinstance(named, dict):
        yield from ((schema, example["value"]) for example in named.values())
    for key, part in node.items():
        if key != "examples":
            yield from examples(part)


def test_every_example_is_as_its_schema_says() -> None:
    found = list(examples(DOCUMENT))
    assert len(found) > 100
    for schema, example in found:
        validator(schema).validate(example)


def test_requests_have_no_keys_beside_those_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("SearchRequest", "TextTerm", "ImageTerm", "IdTerm", "UrlTerm"):
        assert schemas[name]["additionalProperties"] is False
    request = validator({"$ref": "#/components/schemas/SearchRequest"})
    assert request.is_valid({"terms": [{"text": "a", "weight": -1}]})
    for wrong in (
        {"text": "a", "weight": 0},
        {"text": "a", "id": "ab"},
        {"text": " "},
        {"weight": 1},
        {"text": "a", "x": 1},
    ):
        assert not request.is_valid({"terms": [wrong]}), wrong


def test_answers_are_as_the_schema_says() -> None:
    with asked(token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        search = client.get("/api/v1/galleries/pictures/search", params={"text": "red"})
        item = search.json()["hits"][0]["id"]
        for path, method, operation in operations():
            answer = client.request(method, path.format(gallery="pictures", item=item))
            told = operation["responses"][str(answer.status_code)]
            kind = answer.headers["content-type"].partition(";")[0]
            media = told["content"].get(kind) or told["content"]["image/*"]
            if kind.endswith("json"):
                validator(media["schema"]).validate(answer.json())
