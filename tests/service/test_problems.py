"""Errors have one shape, whatever went wrong."""

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from samekind.errors import SamekindError, UsageError
from samekind.images.errors import ImageError
from samekind.service.problems import KINDS, Problem, problem_of
from samekind.service.refusals import Overloaded, Refusal


def test_a_document_has_what_rfc_9457_asks_for_and_nothing_empty() -> None:
    document = Problem("unknown_item", "There is no such picture.").document()
    assert document == {
        "type": "urn:samekind:problem:unknown_item",
        "title": "There is no such picture",
        "status": 404,
        "detail": "There is no such picture.",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.0, "1"), (1.01, "2"), (30.0, "30")])
def test_retry_after_is_in_whole_seconds_never_too_early(seconds: float, header: str) -> None:
    response = Problem("overloaded", "Busy.", retry_after=seconds).response()
    assert response.headers["retry-after"] == header
    assert response.status_code == 503
    assert response.media_type == "application/problem+json"


def test_every_refusal_and_every_picture_error_has_a_kind_with_its_status() -> None:
    for refusal in Refusal.__subclasses__():
        assert KINDS[refusal.slug].status == refusal.status
    ours = {"vanished", "unreadable", "bad_name", "not_a_file"}  # of files that are on the service's own disk
    assert {kind.reason for kind in ImageError.__subclasses__()} - ours <= KINDS.keys()


def test_kinds_are_named_once() -> None:
    titles = [kind.title for kind in KINDS.values()]
    assert len(set(titles)) == len(titles)
    assert all(400 <= kind.status < 600 and not kind.title.endswith(".") for kind in KINDS.values())


def test_what_people_may_know_is_told_and_the_rest_is_not() -> None:
    assert problem_of(UsageError("A weight is 0.")).document()["detail"] == "A weight is 0."
    assert problem_of(Overloaded(2.0)).retry_after == 2.0
    for hidden in (SamekindError("/srv is damaged"), OSError("/srv"), ValueError("/srv")):
        problem = problem_of(hidden)
        assert problem.slug == "internal"
        assert "/srv" not in problem.detail


def test_the_router_speaks_in_problems_too() -> None:
    assert problem_of(HTTPException(404)).slug == "not_found"
    assert problem_of(HTTPException(405, headers={"Allow": "GET"})).headers == {"Allow": "GET"}
    assert problem_of(HTTPException(400)).slug == "bad_request"


def test_faults_name_places_but_not_what_was_sent_there() -> None:
    error = {
        "type": "extra_forbidden",
        "loc": ("body", "<script>"),
        "msg": "Extra inputs are not permitted",
        "input": "x",
    }
    problem = problem_of(RequestValidationError([error] * 100))
    assert problem.errors == ({"where": "body", "what": "Extra inputs are not permitted."},) * 16
