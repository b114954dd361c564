"""The OpenAPI document: what FastAPI cannot know of problems, tokens and bodies is added to what it does."""

from collections import defaultdict
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from samekind.service.problems import KINDS, MEDIA_TYPE, URN
from samekind.service.schema import ProblemDocument, SearchRequest

# What every operation may answer, as the layers around the application say it.
ALWAYS: Final = ("bad_request", "cross_site", "too_slow", "too_many_bytes", "wrong_host", "internal", "overloaded")
COUNTED: Final = ("unauthorized", "rate_limited")  # but not to the questions of health

_ABOUT: Final = (
    "Find pictures of the same kind of thing, in whatever style they were made. Errors are problem documents "
    "(RFC 9457), told apart by their type."
)
_REFERENCE: Final = "#/components/schemas/{model}"


def answers(*slugs: str, open: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems; those that every one may answer are added.

    `open` is for routes that need no token.
    """
    by_status = defaultdict(list)
    for slug in dict.fromkeys((*slugs, *ALWAYS, *(() if open else COUNTED))):
        by_status[KINDS[slug].status].append(slug)
    return {status: _answer(status, by_status[status]) for status in sorted(by_status)}


def _answer(status: int, slugs: list[str]) -> dict[str, Any]:
    content = {"schema": _ref(ProblemDocument), "examples": {slug: {"value": _example(slug)} for slug in slugs}}
    found: dict[str, Any] = {
        "description": "; ".join(KINDS[slug].title for slug in slugs) + ".",
        "content": {MEDIA_TYPE: content},
    }
    if status in (429, 503):
        schema = {"type": "integer", "minimum": 1}
        found["headers"] = {"Retry-After": {"description": "Seconds after which to try again.", "schema": schema}}
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}}}
    return found


def _example(slug: str) -> dict[str, Any]:
    kind = KINDS[slug]
    example: dict[str, Any] = {
        "type": URN + slug,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title + ".",
    }
    if kind.status in (429, 503):
        example["retry_after"] = 2.0
    if slug == "invalid":
        example["errors"] = [{"where": "body.terms", "what": "Field required."}]
    return example


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


JSON_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(SearchRequest)}}}
}
PICTURE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A picture file's bytes, neither encoded nor in parts.",
        "content": {
            name: {"schema": {"type": "string", "format": "binary", "minLength": 1}}
            for name in ("application/octet-stream", "image/png", "image/jpeg", "image/webp")
        },
    }
}


def document(app: FastAPI, *, token: bool) -> dict[str, Any]:
    """The document of an application, with a security scheme where there is a token."""
    found = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_ABOUT, routes=app.routes
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (SearchRequest, ProblemDocument):
        own = model.model_json_schema(ref_template=_REFERENCE, mode="validation")
        schemas |= own.pop("$defs", {})
        schemas[model.__name__] = own
    components["schemas"] = dict(sorted(schemas.items()))
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for operations in found["paths"].values():
            for operation in operations.values():
                if "401" in operation["responses"]:
                    operation["security"] = [{"token": []}]
    return found
