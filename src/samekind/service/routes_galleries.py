"""Which galleries there are, and what is in them."""

import time
from typing import Annotated

from fastapi import APIRouter, Path

from samekind.gallery.searching import Searchable
from samekind.service.document import answers
from samekind.service.guard import API
from samekind.service.schema import DomainFacts, DomainList, GalleryFacts, GalleryList, RetrieverFacts, Stats
from samekind.service.served import Served
from samekind.service.state import Service

router = APIRouter(prefix=f"{API}/galleries", tags=["galleries"])

GalleryName = Annotated[str, Path(description="A gallery's name.", max_length=200, examples=["pictures"])]


@router.get("", operation_id="galleries", responses=answers())
async def galleries(service: Service) -> GalleryList:
    """All galleries that are served."""
    return GalleryList(galleries=[_facts(one) for one in service.served.values()])


@router.get("/{gallery}", operation_id="gallery", responses=answers("unknown_gallery", "invalid"))
async def gallery(service: Service, gallery: GalleryName) -> GalleryFacts:
    """One gallery."""
    return _facts(service.gallery(gallery))


@router.get("/{gallery}/domains", operation_id="domains", responses=answers("unknown_gallery", "invalid"))
async def domains(service: Service, gallery: GalleryName) -> DomainList:
    """Its domains, and how many pictures each has."""
    return DomainList(domains=_domains(service.gallery(gallery).gallery))


@router.get("/{gallery}/stats", operation_id="stats", responses=answers("unknown_gallery", "invalid"))
async def stats(service: Service, gallery: GalleryName) -> Stats:
    """It in figures."""
    served = service.gallery(gallery)
    opened = served.gallery
    return Stats(
        rows=opened.rows,
        version=opened.version,
        domains=len(opened.domains),
        reloads=served.reloads,
        retriever=_retriever(opened),
        searches=service.metrics.searches(served.name),
        uptime_seconds=time.monotonic() - service.began,
    )


def _facts(served: Served) -> GalleryFacts:
    opened = served.gallery
    return GalleryFacts(
        name=served.name,
        rows=opened.rows,
        version=opened.version,
        domains=_domains(opened),
        retriever=_retriever(opened),
        created=opened.meta.created,
    )


def _domains(opened: Searchable) -> list[DomainFacts]:
    return [DomainFacts(name=name, rows=rows) for name, rows in opened.domain_counts.items()]


def _retriever(opened: Searchable) -> RetrieverFacts:
    meta = opened.meta
    return RetrieverFacts(name=meta.name, sha256=meta.sha256, space=meta.space, dim=meta.dim)
