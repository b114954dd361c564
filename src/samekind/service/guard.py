"""Who may ask, and how often: layers of ASGI around the application, each of which may turn a request away."""

import asyncio
import hmac
import ipaddress
import math
import time
from typing import Final, Literal

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samekind.service.metrics import OTHER, Metrics
from samekind.service.problems import Problem, log, problem_of
from samekind.service.settings import Settings

API: Final = "/api/v1"
HEALTH: Final = frozenset({f"{API}/health", f"{API}/ready"})
PAGE: Final = frozenset({"/", "/favicon.ico"})
STATIC: Final = "/static/"
WINDOW: Final = 5  # seconds that a rate is counted over, so that a short burst is let through

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), "
    "fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
    "picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), "
    "xr-spatial-tracking=()",
    "Cache-Control": "no-store",
}


class Dressed:
    """The outermost layer: every answer has `HEADERS`, but for those of its own, and is counted and timed.

    A HEAD is answered as a GET without the body.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head, began, status = scope["method"] == "HEAD", time.perf_counter(), 0
        inner = {**scope, "method": "GET"} if head else scope

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(inner, receive, dressed)
        finally:
            if status:  # otherwise the client has gone
                route = getattr(inner.get("route"), "path", OTHER)
                self._metrics.request(route, scope["method"], status, time.perf_counter() - began)


class Failures:
    """What nobody foresaw becomes a problem document without any detail, and a trace in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            if not started:
                problem = Problem("not_ready", "The service is stopping.", retry_after=5.0)
                await problem.response()(scope, receive, send)
            raise
        except Exception as error:
            log.exception("%s %s failed", scope["method"], getattr(scope.get("route"), "path", OTHER))
            if started:
                raise
            await problem_of(error).response()(scope, receive, send)


class Guard:
    """A layer that looks at the head of a request and lets it through, or answers with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """Why this request is turned away, None for one that may pass."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http" and (problem := self.refusal(scope, Headers(scope=scope))):
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Hosts(Guard):
    """The Host header must name this service: a page elsewhere may have its own name lead here (DNS rebinding)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app)
        self._known = frozenset(name.lower() for name in settings.hosts)

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """`wrong_host`, for names that are not among the settings' hosts, at whatever port."""
        given = headers.getlist("host")
        if not self._known or (len(given) == 1 and _without_port(given[0]) in self._known):
            return None
        return Problem("wrong_host", "The Host header does not name this service; use the address it was started with.")


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and not port.endswith("]") else host.lower()


class CrossSite(Guard):
    """What a browser asks for on behalf of another site's page is not answered; links to the page are followed."""

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """`cross_site`."""
        if _is_open(scope["path"]):
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            own = site in ("same-origin", "none")
        else:  # browsers tell the site to https and localhost alone, but an origin with what changes something
            own = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
        if own:
            return None
        return Problem("cross_site", "A page of another site asked for this, which the service does not answer.")


class Tokens(Guard):
    """Where there is a token, everything but the page and the health needs it, in the Authorization header alone."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app)
        self._token = None if settings.token is None else settings.token.encode("ascii")

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """`unauthorized`."""
        if self._token is None or _is_open(scope["path"]) or scope["path"] in HEALTH:
            return None
        given = headers.getlist("authorization")
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        # The encoding gives other bytes for other texts, and compare_digest takes as long for any of one length.
        good = hmac.compare_digest(token.strip().encode("utf-8"), self._token)
        if good and scheme.lower() == "bearer":
            return None
        return Problem(
            "unauthorized",
            "Send the service's token in a header: Authorization: Bearer TOKEN.",
            headers={"WWW-Authenticate": 'Bearer realm="samekind"'},
        )


class Rates(Guard):
    """How often one client may ask, searches and all requests apart; the page's files and the health are free."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        super().__init__(app)
        self._metrics = metrics
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = _item(settings.requests_per_second)
        self._searches = _item(settings.searches_per_second)

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """`rate_limited`, with the time after which there is room again."""
        path: str = scope["path"]
        if _is_open(path) or path in HEALTH:
            return None
        client = _client(scope)
        if problem := self._over("requests", self._requests, client):
            return problem
        parts = path.removeprefix(API).split("/")
        return self._over("searches", self._searches, client) if parts[3:4] == ["search"] else None

    def _over(
        self, kind: Literal["requests", "searches"], item: RateLimitItemPerSecond | None, client: str
    ) -> Problem | None:
        if item is None or self._limiter.hit(item, kind, client):
            return None
        self._metrics.limited(kind)
        wait = float(max(1, math.ceil(self._limiter.get_window_stats(item, kind, client).reset_time - time.time())))
        return Problem(
            "rate_limited", f"These are too many {kind} at once. Try again in {wait:.0f} s.", retry_after=wait
        )


def _item(rate: float) -> RateLimitItemPerSecond | None:
    """A number in a whole number of seconds that is near the rate; None for no limit."""
    if rate == 0:
        return None
    span = max(WINDOW, math.ceil(1 / rate))
    return RateLimitItemPerSecond(max(1, round(rate * span)), span)


def _client(scope: Scope) -> str:
    """Whom a request is from; of IPv6 the network of a household, which has more addresses than could be counted."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    if address.version == 4 or address.is_loopback:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))


def _is_open(path: str) -> bool:
    """Whether an address belongs to the page, which holds nothing secret."""
    return path in PAGE or path.startswith(STATIC)
