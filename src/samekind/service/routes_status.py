"""Is the service alive, is it ready, what does it count, and what can be asked of it."""

from typing import Any

from fastapi import APIRouter, Request, Response

from samekind.service.document import answers
from samekind.service.guard import API
from samekind.service.metrics import MEDIA_TYPE
from samekind.service.problems import Problem
from samekind.service.schema import Status
from samekind.service.state import Service

router = APIRouter(tags=["service"])

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get(f"{API}/health", operation_id="health", responses=answers(open=True))
async def health() -> Status:
    """Is the process alive? Needs no token."""
    return Status(status="ok")


@router.get(f"{API}/ready", operation_id="ready", responses=answers("not_ready", "unavailable", open=True))
async def ready(service: Service) -> Status:
    """Are galleries loaded and requests answered? Needs no token."""
    if not service.ready:
        raise Problem("not_ready", "The service is starting or stopping.", retry_after=1.0)
    for name, one in service.served.items():
        if 0 in one.replicas:
            shard, shards = one.replicas.index(0) + 1, len(one.replicas)
            raise Problem(
                "unavailable", f"{name}: shard {shard} of {shards} is lost, and being started again.", retry_after=5.0
            )
    return Status(status="ready")


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={**_TEXT, **answers()},
)
async def metrics(service: Service) -> Response:
    """Counts and times, as Prometheus reads them."""
    return Response(service.metrics.text(), media_type=MEDIA_TYPE)


@router.get(f"{API}/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> dict[str, Any]:
    """This description of the service."""
    found: dict[str, Any] = request.app.openapi()
    return found
