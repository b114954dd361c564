"""Answers that a client may have already: told apart by ETag, and not sent again."""

from typing import Annotated

from fastapi import Header, Response

Known = Annotated[str | None, Header(alias="If-None-Match", description="ETags of what the client has.")]


def has(known: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names this tag (with its quotes), weakly or not, or takes any."""
    return known is not None and any(one.strip().removeprefix("W/") in (tag, "*") for one in known.split(","))


def unchanged(tag: str, cache: str) -> Response:
    """The answer to a client that has it; `cache` is the Cache-Control of the whole answer."""
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": cache})
