"""The application: galleries and settings in, an ASGI application out."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

import samekind
from samekind.service import routes_galleries, routes_items, routes_search, routes_static, routes_status
from samekind.service.batching import Batcher
from samekind.service.bodies import Bodies
from samekind.service.decoding import Decoders
from samekind.service.document import document
from samekind.service.guard import CrossSite, Dressed, Failures, Hosts, Rates, Tokens
from samekind.service.metrics import Metrics
from samekind.service.pictures import Pictures
from samekind.service.problems import HANDLED, on_error, problem_of
from samekind.service.served import Served
from samekind.service.settings import Settings
from samekind.service.state import State

_ROUTERS = tuple(
    module.router for module in (routes_status, routes_galleries, routes_search, routes_items, routes_static)
)


def create_app(served: Mapping[str, Served], settings: Settings) -> FastAPI:
    """An application over these galleries, by the names that addresses have for them.

    Processes and threads start and end with its lifespan. Each call makes an application of its own.
    """
    app = _Application(
        title="samekind",
        version=samekind.__version__,
        summary="Find pictures of the same kind of thing, in whatever style they were made.",
        openapi_url=None,  # a route of ours, which has the same errors as the others
        docs_url=None,  # pages that load from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    metrics = Metrics(served)
    decoders = _Decoders(settings, metrics)
    service = app.state.service = State(
        served=served,
        settings=settings,
        decoders=decoders,
        batcher=Batcher(settings, metrics.batch),
        pictures=Pictures(decoders, settings),
        metrics=metrics,
    )
    metrics.watch("samekind_waiting_queries", "Queries that wait.", lambda: service.batcher.waiting)
    app.user_middleware = [
        Middleware(Dressed, metrics),
        Middleware(Failures),
        Middleware(Hosts, settings),
        Middleware(CrossSite),
        Middleware(Rates, settings, metrics),
        Middleware(Tokens, settings),
        Middleware(Bodies, settings),
    ]
    for error in HANDLED:
        app.add_exception_handler(error, on_error)
    app.add_exception_handler(HTTPException, _on_routing)
    for router in _ROUTERS:
        app.include_router(router)
    return app


class _Application(FastAPI):
    """FastAPI, describing itself with what `document` adds."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            service: State = self.state.service
            self.openapi_schema = document(self, token=service.settings.token is not None)
        return self.openapi_schema


class _Decoders(Decoders):
    """Decoders, whose thumbnails are counted: those that are kept do not come here."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        super().__init__(settings)
        self._metrics = metrics

    async def thumbnail(self, data: bytes, size: int) -> bytes:
        """As those of `Decoders`."""
        made = await super().thumbnail(data, size)
        self._metrics.thumbnail(made=True)
        return made


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start what decodes and computes, watch the galleries, and end all of it in turn."""
    service: State = app.state.service
    async with AsyncExitStack() as stack:
        await service.decoders.start()
        stack.push_async_callback(service.decoders.close)
        await service.batcher.start()
        stack.push_async_callback(service.batcher.close)
        tasks = [asyncio.create_task(one.watch()) for one in service.served.values()]
        stack.push_async_callback(_ended, tasks)
        service.ready = True
        yield
        service.ready = False


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _on_routing(request: Request, error: Exception) -> Response:
    """What the router turns away; a 405 tells all methods that the address takes, as its routes are one for each."""
    problem = problem_of(error)
    if problem.status == 405:
        routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
        path = request.scope["path"]
        methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
        problem.headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return problem.response()
