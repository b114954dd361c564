"""Searches: by a weighted sum as JSON, by a picture's bytes, or by an address alone."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from samekind.service.document import JSON_BODY, PICTURE_BODY, answers
from samekind.service.guard import API
from samekind.service.problems import Problem
from samekind.service.routes_galleries import GalleryName
from samekind.service.schema import (
    EXACT,
    LAST_OFFSET,
    MOST_DOMAINS,
    MOST_HITS,
    MOST_TERMS,
    HitFacts,
    IdTerm,
    ImageTerm,
    ItemId,
    SearchAnswer,
    SearchedGallery,
    SearchRequest,
    Seconds,
    Term,
    Text,
    TextTerm,
    Weight,
)
from samekind.service.served import Served
from samekind.service.state import Service, State
from samekind.service.terms import parts

router = APIRouter(prefix=f"{API}/galleries/{{gallery}}/search", tags=["search"])

# More than any request has, all in its texts; each may be an element that costs memory, and an error of its own.
_MOST_COMMAS: Final = 20_000
_SMALL: Final = 256 * 1024  # bytes of JSON that are read at once; more are read beside the event loop

Hits = Annotated[int, Query(ge=1, le=MOST_HITS, description="How many hits.")]
Offset = Annotated[int, Query(ge=0, le=LAST_OFFSET, description="How many of the best hits to leave out.")]
Domains = Annotated[
    list[str], Query(alias="domain", max_length=MOST_DOMAINS, description="Keep pictures of these; may be repeated.")
]
Exact = Annotated[bool, Query(description=EXACT)]
Words = Annotated[Text | None, Query(description="What is to be seen.", examples=["a red car"])]

_UNSEARCHED = ("unknown_gallery", "invalid", "usage", "unavailable")
_UNOPENED = ("unsupported", "empty", "truncated", "corrupt", "too_many_pixels", "decode_too_long", "decode_too_heavy")
_UNFETCHED = ("urls_off", "url_refused", "url_failed")


@router.post(
    "",
    operation_id="search",
    openapi_extra=JSON_BODY,
    responses=answers(*_UNSEARCHED, "unknown_item", "wrong_content_type", *_UNOPENED, *_UNFETCHED),
)
async def search(service: Service, gallery: GalleryName, request: Request) -> SearchAnswer:
    """Search for a weighted sum of texts and pictures."""
    served = service.gallery(gallery)
    asked = await _asked(request)
    return await _found(service, served, asked.terms, asked.k, asked.offset, asked.domains, exact=asked.exact)


@router.post(
    "/picture",
    operation_id="search_picture",
    openapi_extra=PICTURE_BODY,
    responses=answers(*_UNSEARCHED, "wrong_content_type", *_UNOPENED),
)
async def search_picture(
    service: Service,
    gallery: GalleryName,
    request: Request,
    weight: Annotated[Weight, Query(description="How much the picture counts.")] = 1.0,
    text: Words = None,
    text_weight: Annotated[Weight, Query(description="How much the text counts.")] = 1.0,
    k: Hits = 20,
    offset: Offset = 0,
    domains: Domains = [],  # noqa: B006 (FastAPI copies it)
    exact: Exact = False,
) -> SearchAnswer:
    """Search for a picture whose bytes are the body, and a text beside it if wanted."""
    served = service.gallery(gallery)
    kind = _content_type(request)
    if kind not in ("", "application/octet-stream") and not kind.startswith("image/"):
        raise Problem("wrong_content_type", "Send the picture's bytes as image/* or application/octet-stream.")
    data = await request.body()
    terms: list[Term] = [ImageTerm.model_construct(image=data, weight=weight)]
    terms += [] if text is None else [TextTerm(text=text, weight=text_weight)]
    return await _found(service, served, terms, k, offset, domains, exact=exact)


@router.get("", operation_id="search_by_address", responses=answers(*_UNSEARCHED, "unknown_item"))
async def search_by_address(
    service: Service,
    gallery: GalleryName,
    text: Words = None,
    like: Annotated[list[ItemId], Query(max_length=MOST_TERMS, description="Ids of pictures to find more of.")] = [],  # noqa: B006
    unlike: Annotated[list[ItemId], Query(max_length=MOST_TERMS, description="Ids to find less of.")] = [],  # noqa: B006
    k: Hits = 20,
    offset: Offset = 0,
    domains: Domains = [],  # noqa: B006
    exact: Exact = False,
) -> SearchAnswer:
    """Search for a text, and for what is like or unlike pictures of the gallery."""
    served = service.gallery(gallery)
    terms: list[Term] = [] if text is None else [TextTerm(text=text)]
    terms += [IdTerm(id=one) for one in like] + [IdTerm(id=one, weight=-1.0) for one in unlike]
    if not 1 <= len(terms) <= MOST_TERMS:
        what = f"Give 1 to {MOST_TERMS} of text, like and unlike together."
        raise Problem("invalid", what, errors=[{"where": "query", "what": what}])
    return await _found(service, served, terms, k, offset, domains, exact=exact)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _asked(request: Request) -> SearchRequest:
    """The body, checked; pydantic's own reader bounds depth and numbers, and takes no text that is not Unicode."""
    if _content_type(request) != "application/json":
        raise Problem("wrong_content_type", "Send the search as application/json.")
    data = await request.body()
    if data.count(b",") > _MOST_COMMAS:
        what = "There are too many parts in it."
        raise Problem("invalid", what, errors=[{"where": "body", "what": what}])
    try:
        if len(data) <= _SMALL:
            return SearchRequest.model_validate_json(data)
        return await asyncio.to_thread(SearchRequest.model_validate_json, data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


async def _found(
    service: State, served: Served, terms: Sequence[Term], k: int, offset: int, domains: Sequence[str], *, exact: bool
) -> SearchAnswer:
    """Open pictures, search, and tell."""
    summands = await parts(service, served, terms)
    answer = await service.batcher.search(served, summands, k, offset, domains, exact=exact)
    service.metrics.search(served.name)
    return SearchAnswer(
        gallery=SearchedGallery(
            name=served.name, rows=answer.rows, retriever=served.gallery.meta.sha256, version=answer.version
        ),
        exact=answer.exact,
        seconds=Seconds(encode=answer.encode_seconds, search=answer.search_seconds),
        offset=offset,
        total=answer.total,
        hits=[
            HitFacts(rank=hit.rank, score=hit.score, uri=served.shown(hit.uri), domain=hit.domain, id=hit.id)
            for hit in answer.hits
        ],
    )
