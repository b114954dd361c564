"""Searches that something goes wrong with: whose fault it is, and what is told of it."""

from pathlib import Path

import pytest
from stand_in import SEARCH, application, asked, picture, posted, refused, world

from samekind.errors import SamekindError, UsageError
from samekind.images.errors import SLUGS, CorruptError, ImageError, TooManyPixelsError, VanishedError
from samekind.service.refusals import DecodeTooHeavy, DecodeTooLong, Overloaded, Refusal

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
