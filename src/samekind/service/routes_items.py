"""One picture of a gallery: what is known of it, a thumbnail, and itself."""

import asyncio
from enum import IntEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from samekind.gallery.pictures import Picture
from samekind.service.document import answers
from samekind.service.etags import Known, has, unchanged
from samekind.service.guard import API
from samekind.service.refusals import UnknownItem
from samekind.service.routes_galleries import GalleryName
from samekind.service.schema import ID_PATTERN, Item, Place
from samekind.service.served import Served
from samekind.service.state import Service

router = APIRouter(prefix=f"{API}/galleries/{{gallery}}/items", tags=["pictures"])

ItemName = Annotated[
    str, Path(description="A picture's id, as hits tell it.", pattern=ID_PATTERN, examples=["a2e26fc1f5fbe9ee"])
]

_UNKNOWN = ("unknown_gallery", "unknown_item", "invalid", "unavailable")
_UNSHOWN = (*_UNKNOWN, "outside_roots", "vanished", "changed", "unsupported", "empty", "truncated", "corrupt")
_UNOPENED = (*_UNSHOWN, "too_many_pixels", "decode_too_long", "decode_too_heavy", "url_refused", "url_failed")

# A picture's id is of its content, so that what was once shown for it stays true.
_SHOWN = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def _shown(kind: str) -> dict[int | str, dict[str, Any]]:
    """The good answers of a route that shows a picture."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {kind: binary}}, 304: {"description": "The client has it already."}}


class ThumbnailSize(IntEnum):
    """Pixels of the longest side."""

    SMALL = 160
    MIDDLE = 320
    LARGE = 640


@router.get("/{item}", operation_id="item", responses=answers(*_UNKNOWN))
async def item(service: Service, gallery: GalleryName, item: ItemName) -> Item:
    """What is known of a picture."""
    served = service.gallery(gallery)
    known = await _known(served, item)
    places = [Place(uri=served.shown(uri), domain=domain) for uri, domain in known.places]
    first, measures = places[0], {"width": known.width, "height": known.height, "bytes": known.size}
    return Item(id=item, uri=first.uri, domain=first.domain, places=places, **measures)


@router.get(
    "/{item}/thumbnail",
    operation_id="thumbnail",
    response_class=Response,
    responses={**_shown("image/webp"), **answers(*_UNOPENED)},
)
async def thumbnail(
    service: Service,
    gallery: GalleryName,
    item: ItemName,
    size: Annotated[ThumbnailSize, Query(description="Pixels of the longest side.")] = ThumbnailSize.MIDDLE,
    known: Known = None,
) -> Response:
    """A small version of a picture: WebP, on white, never enlarged."""
    served = service.gallery(gallery)
    await _known(served, item)
    tag = f'"{item}-{size.value}"'
    if has(known, tag):
        return unchanged(tag, _SHOWN["Cache-Control"])
    with service.metrics.failures():
        small = await service.pictures.thumbnail(served, item, size.value)
    service.metrics.thumbnail(made=False)
    return Response(small, media_type="image/webp", headers={**_SHOWN, "ETag": tag})


@router.get(
    "/{item}/picture",
    operation_id="picture",
    response_class=Response,
    responses={**_shown("image/*"), **answers(*_UNOPENED)},
)
async def picture(service: Service, gallery: GalleryName, item: ItemName, known: Known = None) -> Response:
    """A picture as it is, or as WebP where browsers do not know its format."""
    served = service.gallery(gallery)
    await _known(served, item)
    tag = f'"{item}-picture"'
    if has(known, tag):
        return unchanged(tag, _SHOWN["Cache-Control"])
    with service.metrics.failures():
        data, kind = await service.pictures.picture(served, item)
    return Response(data, media_type=kind, headers={**_SHOWN, "ETag": tag})


async def _known(served: Served, item: str) -> Picture:
    """What the gallery knows of it, asked beside the event loop: the answer may come from another machine."""
    picture = await asyncio.to_thread(served.gallery.picture, item)
    if picture is None:
        raise UnknownItem(item)
    return picture
