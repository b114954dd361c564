"""A client of the service: its answers as values with types, its problems as one exception."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from samekind.errors import SamekindError
from samekind.service.schema import (
    DomainFacts,
    DomainList,
    GalleryFacts,
    GalleryList,
    IdTerm,
    ImageTerm,
    Item,
    ProblemDocument,
    SearchAnswer,
    SearchRequest,
    Stats,
    Status,
    Term,
    TextTerm,
    UrlTerm,
)

__all__ = ["Client", "IdTerm", "ImageTerm", "ServiceProblem", "Term", "TextTerm", "UrlTerm"]

_API: Final = "/api/v1"
_AGAIN: Final = (429, 503)  # what may be otherwise in a moment
_LONGEST: Final = 60.0  # seconds that are waited before another try
_URN: Final = "urn:samekind:problem:"

Model = TypeVar("Model", bound=BaseModel)


class ServiceProblem(SamekindError):  # noqa: N818 (a problem is RFC 9457's word)
    """The service turned a request away: HTTP's status, a slug, what is wrong, and when to try again (seconds)."""

    def __init__(self, status: int, slug: str, detail: str, retry_after: float | None = None) -> None:
        self.status = status
        self.slug = slug
        self.detail = detail
        self.retry_after = retry_after
        super().__init__(f"{detail} ({status} {slug})")


class Client:
    """A connection to a service, to be closed, or used in a `with`.

    `retries` is how often a request is sent again that the service has no time for (503) or that came too soon (429),
    after the time that it names. All methods raise ServiceProblem, and SamekindError where no service answers.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8765",
        token: str | None = None,
        timeout: float = 30.0,
        *,
        retries: int = 0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Proxies of the environment are for the world outside; a service is at an address that was given on purpose.
        self._http = httpx2.Client(
            base_url=base_url, headers=headers, timeout=timeout, transport=transport, trust_env=False
        )
        self._retries = retries

    def __enter__(self) -> "Client":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def galleries(self) -> list[GalleryFacts]:
        """All galleries that are served."""
        return self._get(GalleryList, "/galleries").galleries

    def gallery(self, gallery: str) -> GalleryFacts:
        """One of them."""
        return self._get(GalleryFacts, _in(gallery))

    def domains(self, gallery: str) -> list[DomainFacts]:
        """Its domains, with how many pictures each has."""
        return self._get(DomainList, f"{_in(gallery)}/domains").domains

    def stats(self, gallery: str) -> Stats:
        """It in figures."""
        return self._get(Stats, f"{_in(gallery)}/stats")

    def search(
        self,
        gallery: str,
        *terms: Term,
        text: str | None = None,
        image: bytes | Path | None = None,
        k: int = 20,
        offset: int = 0,
        domains: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchAnswer:
        """The pictures that are most like a weighted sum of terms; a text and a picture may be given as they are.

        `exact` has every picture compared, also where the gallery has an index.
        Raises pydantic's ValidationError for what the service would not take, OSError for a file that cannot be read.
        """
        parts = [*terms]
        parts += [] if text is None else [TextTerm(text=text)]
        parts += [] if image is None else [ImageTerm(image=_bytes(image))]
        asked = SearchRequest(terms=parts, k=k, offset=offset, domains=list(domains), exact=exact)
        body = asked.model_dump_json().encode()
        answer = self._send(
            "POST", f"{_in(gallery)}/search", content=body, headers={"Content-Type": "application/json"}
        )
        return _read(SearchAnswer, answer)

    def search_picture(
        self,
        gallery: str,
        picture: bytes | Path,
        *,
        weight: float = 1.0,
        text: str | None = None,
        text_weight: float = 1.0,
        k: int = 20,
        offset: int = 0,
        domains: Sequence[str] = (),
        exact: bool = False,
    ) -> SearchAnswer:
        """The pictures that are most like one, and a text if wanted; the bytes are sent as they are."""
        asked: dict[str, Any] = {"weight": weight, "k": k, "offset": offset, "domain": list(domains), "exact": exact}
        if text is not None:
            asked |= {"text": text, "text_weight": text_weight}
        headers = {"Content-Type": "application/octet-stream"}
        address = f"{_in(gallery)}/search/picture"
        return _read(SearchAnswer, self._send("POST", address, params=asked, content=_bytes(picture), headers=headers))

    def item(self, gallery: str, item: str) -> Item:
        """What is known of a picture."""
        return self._get(Item, _item(gallery, item))

    def thumbnail(self, gallery: str, item: str, size: int = 320) -> bytes:
        """A WebP whose longest side has `size` pixels at most: 160, 320 or 640."""
        return self._send("GET", f"{_item(gallery, item)}/thumbnail", params={"size": size}).content

    def picture(self, gallery: str, item: str) -> tuple[bytes, str]:
        """A picture's bytes and their content type."""
        answer = self._send("GET", f"{_item(gallery, item)}/picture")
        return answer.content, answer.headers.get("content-type", "")

    def health(self) -> Status:
        """Raises where the process does not live."""
        return self._get(Status, "/health")

    def ready(self) -> Status:
        """Raises ServiceProblem while the service starts or stops."""
        return self._get(Status, "/ready")

    def metrics(self) -> str:
        """Counts and times as Prometheus reads them."""
        return self._send("GET", "/metrics", base="").text

    def _get(self, model: type[Model], path: str) -> Model:
        return _read(model, self._send("GET", path))

    def _send(self, method: str, path: str, *, base: str = _API, **parts: Any) -> httpx2.Response:
        """The answer, a good one; sent again as often as `retries` allows."""
        for attempt in range(self._retries + 1):
            try:
                answer = self._http.request(method, base + path, **parts)
            except (httpx2.RequestError, httpx2.InvalidURL) as error:
                raise SamekindError(
                    f"No service answers at {self._http.base_url} ({error}). Is `samekind serve` running there?"
                ) from error
            if answer.is_success:
                return answer
            problem = _problem(answer)
            if attempt == self._retries or problem.status not in _AGAIN:
                raise problem
            time.sleep(min(problem.retry_after or 1.0, _LONGEST))
        raise AssertionError("unreachable")


def _in(gallery: str) -> str:
    return f"/galleries/{quote(gallery, safe='')}"


def _item(gallery: str, item: str) -> str:
    return f"{_in(gallery)}/items/{quote(item, safe='')}"


def _bytes(picture: bytes | Path) -> bytes:
    return picture.read_bytes() if isinstance(picture, Path) else picture


def _read(model: type[Model], answer: httpx2.Response) -> Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise SamekindError(
            f"What answers at {answer.url.host} is no samekind of this version: {model.__name__} is not what it sent."
        ) from error


def _problem(answer: httpx2.Response) -> ServiceProblem:
    """What the service says, or that something else answers in its place."""
    try:
        told = ProblemDocument.model_validate_json(answer.content)
    except ValidationError:
        return ServiceProblem(
            answer.status_code, "unknown", f"The answer is no problem document: {answer.reason_phrase}"
        )
    after = told.retry_after
    if after is None and (given := answer.headers.get("retry-after", "")).isdecimal():
        after = float(given)
    return ServiceProblem(answer.status_code, told.type.removeprefix(_URN), told.detail, after)
