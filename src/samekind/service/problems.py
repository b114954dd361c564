"""Errors as clients see them: problem documents (RFC 9457) of one shape, and the list of all there are."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from samekind.errors import SamekindError, Unavailable, UsageError
from samekind.images.errors import ImageError
from samekind.service.refusals import Refusal

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:samekind:problem:"
CLOSE: Final = {"Connection": "close"}  # for requests that are answered before all of them was read

_MOST_FAULTS: Final = 16

log = logging.getLogger("samekind.service")


class Kind(NamedTuple):
    """One kind of problem: HTTP's status, and a title that is the same each time."""

    status: int
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    "bad_request": Kind(400, "The request is no valid HTTP"),
    "unauthorized": Kind(401, "The token is missing or wrong"),
    "cross_site": Kind(403, "Another site's page may not ask here"),
    "urls_off": Kind(403, "Addresses are not fetched here"),
    "outside_roots": Kind(403, "The picture is outside of what may be shown"),
    "not_found": Kind(404, "There is nothing at this address"),
    "unknown_gallery": Kind(404, "There is no such gallery"),
    "unknown_item": Kind(404, "There is no such picture"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    "too_slow": Kind(408, "The request took too long to arrive"),
    "vanished": Kind(410, "The picture is gone"),
    "changed": Kind(410, "The picture has changed"),
    "too_many_bytes": Kind(413, "The request is too large"),
    "unsupported": Kind(415, "This is no picture that can be opened"),
    "wrong_content_type": Kind(415, "The body is of a kind that is not taken here"),
    "wrong_host": Kind(421, "The service is not known by this name"),
    "invalid": Kind(422, "The request does not have the form that is asked for"),
    "usage": Kind(422, "The search makes no sense"),
    "empty": Kind(422, "The picture is empty"),
    "truncated": Kind(422, "The picture is cut off"),
    "corrupt": Kind(422, "The picture is damaged"),
    "too_many_pixels": Kind(422, "The picture has too many pixels"),
    "url_refused": Kind(422, "This address is never fetched"),
    "url_failed": Kind(422, "The address gave no picture"),
    "decode_too_long": Kind(422, "Opening the picture takes too long"),
    "decode_too_heavy": Kind(422, "Opening the picture takes too much memory"),
    "rate_limited": Kind(429, "Too many requests"),
    "internal": Kind(500, "The service failed"),
    "overloaded": Kind(503, "The service is busy"),
    "unavailable": Kind(503, "Part of a gallery cannot be reached"),
    "not_ready": Kind(503, "The service is starting or stopping"),
}

# What is said of pictures that a client sent; other reasons (a file that is gone, ...) speak of the service's own disk.
_SENT: Final = {"empty", "truncated", "corrupt", "unsupported", "too_many_pixels", "too_many_bytes"} | {
    "url_refused",
    "url_failed",
}


class Problem(Exception):  # noqa: N818 (RFC 9457's name)
    """A request that is turned away: a slug of `KINDS`, a sentence for people without any path, and what to send."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        retry_after: float | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.slug = slug
        self.detail = detail
        self.retry_after = retry_after
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(detail)

    @property
    def status(self) -> int:
        """HTTP's."""
        return KINDS[self.slug].status

    def document(self) -> dict[str, Any]:
        """What is sent."""
        kind = KINDS[self.slug]
        document = {"type": URN + self.slug, "title": kind.title, "status": kind.status, "detail": self.detail}
        if self.retry_after is not None:
            document["retry_after"] = self.retry_after
        if self.errors:
            document["errors"] = [dict(error) for error in self.errors]
        return document

    def response(self) -> JSONResponse:
        """The document as an answer, with Retry-After in whole seconds where there is one."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, -int(-self.retry_after // 1)))
        headers.setdefault("Cache-Control", "no-store")
        return JSONResponse(self.document(), self.status, headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an exception is to a client; of what is nobody's fault but ours, nothing is told."""
    match error:
        case Problem():
            return error
        case Refusal():
            return Problem(error.slug, str(error), retry_after=getattr(error, "retry_after", None))
        case ImageError() if error.reason in _SENT:
            return Problem(error.reason, _sentence(f"The picture cannot be used: {error}"))
        case Unavailable():
            return Problem("unavailable", str(error), retry_after=error.retry_after)
        case UsageError():
            return Problem("usage", str(error))
        case RequestValidationError():
            return Problem(
                "invalid", "Some of the request is missing or not as it should be.", errors=_faults(error.errors())
            )
        case HTTPException():
            return _routing(error)
    return Problem("internal", "Something went wrong that is not your fault. The service's log says what.")


async def on_error(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's handler for all of `HANDLED`."""
    problem = problem_of(error)
    if problem.slug == "internal":
        log.error("%s %s failed", request.method, getattr(request.scope.get("route"), "path", ""), exc_info=error)
    return problem.response()


HANDLED: Final = (Problem, SamekindError, RequestValidationError, HTTPException)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _routing(error: HTTPException) -> Problem:
    """What the router says of addresses and methods."""
    match error.status_code:
        case 404:
            return Problem("not_found", "There is nothing at this address; GET /api/v1/openapi.json lists all.")
        case 405:
            return Problem("method_not_allowed", "This address does not take this method.", headers=error.headers)
    return Problem("bad_request", "The request cannot be read.")


def _faults(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Where the request is wrong, and what is: names and rules of ours, nothing of what was sent."""
    return [{"where": _where(error), "what": _what(error)} for error in errors[:_MOST_FAULTS]]


def _what(error: Mapping[str, Any]) -> str:
    return _sentence(str(error["msg"]).removeprefix("Value error, "))


def _where(error: Mapping[str, Any]) -> str:
    place = list(error["loc"])
    if error["type"] == "extra_forbidden":
        place.pop()  # the name that nobody asked for
    return ".".join(str(part) for part in place)
