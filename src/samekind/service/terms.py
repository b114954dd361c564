"""What is searched for, from what was asked: pictures are opened, and everything gets its weight."""

import asyncio
from collections.abc import Sequence
from typing import Final

from samekind.images.fetch import Patience, fetch
from samekind.service.batching import Part
from samekind.service.problems import Problem
from samekind.service.refusals import Overloaded
from samekind.service.schema import IdTerm, ImageTerm, Term, TextTerm, UrlTerm
from samekind.service.served import Served
from samekind.service.state import State

PATIENCE: Final = Patience(connect=5.0, read=5.0, total=15.0)


async def parts(service: State, served: Served, terms: Sequence[Term]) -> list[Part]:
    """The summands of a query, in the order of the terms; pictures are opened side by side.

    Raises what `Decoders.pixels` raises, and Problem for addresses where they are not allowed.
    """
    if any(isinstance(term, UrlTerm) for term in terms) and not service.settings.allow_urls:
        raise Problem("urls_off", "This service fetches no addresses. Send the picture itself.")
    tasks = [asyncio.ensure_future(_part(service, served, term)) for term in terms]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


async def _part(service: State, served: Served, term: Term) -> Part:
    match term:
        case TextTerm():
            return Part("text", term.text, term.weight)
        case IdTerm():
            return Part("id", term.id, term.weight)
        case ImageTerm() | UrlTerm():
            return await _picture(service, served, term)


async def _picture(service: State, served: Served, term: ImageTerm | UrlTerm) -> Part:
    """A picture's pixels, as the gallery's retriever takes them."""
    with service.metrics.failures():
        data = term.image if isinstance(term, ImageTerm) else await _fetched(service, term.url)
        pixels = await service.decoders.pixels(data, served.gallery.retriever.preprocess)
    return Part("pixels", pixels, term.weight)


async def _fetched(service: State, url: str) -> bytes:
    """The bytes behind an address; few at a time, as each takes a thread for as long as the other side likes."""
    if service.fetching.locked():
        raise Overloaded(2.0)
    task = asyncio.ensure_future(_fetch(service, url))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look at it
    return await asyncio.shield(task)  # the thread cannot be stopped, so that its place is not free before it ends


async def _fetch(service: State, url: str) -> bytes:
    async with service.fetching:
        return await asyncio.to_thread(fetch, url, max_bytes=service.settings.max_bytes, patience=PATIENCE)
