"""What is counted, and that no client can make the counters grow in number."""

import re
import time

import pytest
from stand_in import TOKEN, application, asked, picture

SEARCH = "/api/v1/galleries/pictures/search"


def values(text: str) -> dict[str, float]:
    """Each sample by its name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_requests_are_counted_by_route_method_and_status() -> None:
    with asked() as client:
        for _ in range(3):
            client.get(SEARCH, params={"text": "red"})
        client.get(SEARCH)
        client.get("/api/v1/galleries/other")
        client.head("/api/v1/galleries")
        found = values(client.get("/metrics").text)
    route = 'route="/api/v1/galleries/{gallery}/search"'
    assert found[f'samekind_requests_total{{method="GET",{route},status="200"}}'] == 3
    assert found[f'samekind_requests_total{{method="GET",{route},status="422"}}'] == 1
    assert found[f"samekind_request_seconds_count{{{route}}}"] == 4
    assert found['samekind_requests_total{method="GET",route="/api/v1/galleries/{gallery}",status="404"}'] == 1
    assert found['samekind_requests_total{method="HEAD",route="/api/v1/galleries",status="200"}'] == 1


def test_made_up_paths_methods_and_galleries_share_one_label() -> None:
    with asked() as client:
        for number in range(20):
            client.get(f"/{number}")
            client.get(f"/api/v1/galleries/{number}/stats")
            client.request(f"M{number}", "/api/v1/galleries")
            client.post(f"{SEARCH}/picture", content=str(number).encode())
        found = values(client.get("/metrics").text)
    series = [name for name in found if name.startswith("samekind_requests_total")]
    assert 'samekind_requests_total{method="GET",route="other",status="404"}' in series
    assert found['samekind_requests_total{method="other",route="/api/v1/galleries",status="405"}'] == 20
    assert len(series) == 4
    assert not any(re.search(r"[^0-9]19[^0-9]", name) for name in series)


def test_refusals_are_counted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2e9 + 2.5)  # in the middle of a window
    with asked(token=TOKEN, searches_per_second=0.2, hosts=("localhost",)) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        client.get("/api/v1/galleries")
        client.get("/", headers={"Host": "evil.example"})
        for _ in range(3):
            client.get(SEARCH, params={"text": "red"}, headers=headers)
        found = values(client.get("/metrics", headers=headers).text)
    for status in (401, 421, 429):
        assert found[f'samekind_requests_total{{method="GET",route="other",status="{status}"}}'] >= 1
    assert found['samekind_rate_limited_total{kind="searches"}'] == 2


def test_searches_batches_and_failures_are_counted() -> None:
    with asked() as client:
        for _ in range(2):
            client.post(f"{SEARCH}/picture", content=picture())
        client.post(f"{SEARCH}/picture", content=b"no picture")
        found = values(client.get("/metrics").text)
    assert found['samekind_searches_total{gallery="pictures"}'] == 2
    assert found['samekind_searches_total{gallery="empty"}'] == 0
    assert found["samekind_batch_queries_count"] == found["samekind_batch_queries_sum"] == 2
    assert found["samekind_encode_seconds_count"] == found["samekind_search_seconds_count"] == 2
    assert found['samekind_decode_failures_total{reason="unsupported"}'] == 1
    assert found["samekind_waiting_queries"] == 0


def test_thumbnails_are_counted_when_they_are_made_and_when_they_are_given() -> None:
    with asked(application(whole=True)) as client:
        item = client.get(SEARCH, params={"text": "red"}).json()["hits"][0]["id"]
        for _ in range(3):
            assert client.get(f"/api/v1/galleries/pictures/items/{item}/thumbnail").status_code == 200
        found = values(client.get("/metrics").text)
    assert (found["samekind_thumbnails_made_total"], found["samekind_thumbnails_total"]) == (1, 3)


def test_galleries_are_looked_at_when_they_are_asked_for() -> None:
    app = application()
    with asked(app) as client:
        before = values(client.get("/metrics").text)
        app.state.service.served["pictures"].reloads = 3
        after = values(client.get("/metrics").text)
    assert before['samekind_rows{gallery="pictures"}'] == 12
    assert before['samekind_rows{gallery="empty"}'] == 0
    assert after['samekind_reloads_total{gallery="pictures"}'] == 3


def test_applications_count_for_themselves() -> None:
    with asked() as one, asked() as other:
        one.get(SEARCH, params={"text": "red"})
        assert values(other.get("/metrics").text)['samekind_searches_total{gallery="pictures"}'] == 0
        assert one.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
