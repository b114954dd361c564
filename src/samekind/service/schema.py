"""What is sent and answered, as models: FastAPI checks requests with them and describes the service by them."""

import base64
import binascii
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)

ID_PATTERN: Final = "^[0-9a-f]{1,64}$"
MOST_TERMS: Final = 16
MOST_HITS: Final = 200
LAST_OFFSET: Final = 10_000
LONGEST_TEXT: Final = 1000
MOST_DOMAINS: Final = 100
EXACT: Final = "Compare with every picture, also where the gallery has an index."

_ID = "a2e26fc1f5fbe9ee"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
# A PNG of one white pixel.
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="


def _not_zero(weight: float) -> float:
    if weight == 0:
        raise ValueError("A weight must not be 0")
    return weight


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("A text must have something other than blanks")
    return text


def _from_base64(value: Any) -> bytes:
    if isinstance(value, bytes):  # in Python
        return value
    if not isinstance(value, str):
        raise ValueError("Write the picture's bytes in base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):  # of letters that are not even ASCII
        raise ValueError("This is no base64, with the letters A-Z a-z 0-9 + / and = at the end") from None


# JSON Schema counts a zero of any kind as 0.
Weight = Annotated[
    float,
    Field(ge=-100, le=100, allow_inf_nan=False, json_schema_extra={"not": {"const": 0}}),
    AfterValidator(_not_zero),
]
Text = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_TEXT, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]
ItemId = Annotated[str, Field(pattern=ID_PATTERN)]
Picture = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 1}),
]


class _Asked(BaseModel):
    """Requests are taken literally: no unknown keys, no numbers in quotes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Term(_Asked):
    weight: Weight = Field(
        default=1.0, description="How much this part counts; less than 0 to look for what is unlike it."
    )


class TextTerm(_Term):
    """Words."""

    text: Text = Field(description="What is to be seen.", examples=["a red car"])


class ImageTerm(_Term):
    """A picture."""

    image: Picture = Field(description="A picture file's bytes in base64.", examples=[_PIXEL])


class IdTerm(_Term):
    """A picture that the gallery has."""

    id: ItemId = Field(description="The id of a picture in the gallery, as hits tell it.", examples=[_ID])


class UrlTerm(_Term):
    """A picture at an address."""

    url: str = Field(
        max_length=2000,
        pattern="^[Hh][Tt][Tt][Pp][Ss]?://",
        description="A picture's http(s) address, where the service fetches such.",
        examples=["https://example.org/cat.jpg"],
    )


_KINDS = {"text", "image", "id", "url"}


def _kind(term: Any) -> str | None:
    found = _KINDS & term.keys() if isinstance(term, dict) else {type(term).__name__.removesuffix("Term").lower()}
    return found.pop() if len(found) == 1 else None


Term = Annotated[
    Annotated[TextTerm, Tag("text")]
    | Annotated[ImageTerm, Tag("image")]
    | Annotated[IdTerm, Tag("id")]
    | Annotated[UrlTerm, Tag("url")],
    Discriminator(
        _kind, custom_error_type="term", custom_error_message="Give exactly one of text, image, id and url, not more"
    ),
]


class SearchRequest(_Asked):
    """A weighted sum of texts and pictures to search for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"terms": [{"text": "a red car"}]},
                {"terms": [{"image": _PIXEL}, {"text": "toy", "weight": -0.5}], "k": 5, "domains": ["photo"]},
                {"terms": [{"id": _ID}], "k": 20, "offset": 20},
            ]
        }
    )

    terms: list[Term] = Field(min_length=1, max_length=MOST_TERMS, description="What is added up.")
    k: int = Field(default=20, ge=1, le=MOST_HITS, description="How many hits.")
    offset: int = Field(default=0, ge=0, le=LAST_OFFSET, description="How many of the best hits to leave out.")
    domains: list[str] = Field(
        default=[], max_length=MOST_DOMAINS, description="Keep pictures of these domains; none for all of them."
    )
    exact: bool = Field(default=False, description=EXACT)


class _Told(BaseModel):
    """Answers; who reads them must expect keys that came later."""

    model_config = ConfigDict(frozen=True)


class RetrieverFacts(_Told):
    """What encoded the pictures."""

    name: str = Field(examples=["mini"])
    sha256: str = Field(description="Changes when a vector would change.", examples=[_SHA256])
    space: str = Field(description="How vectors are compared.", examples=["cosine"])
    dim: int = Field(description="Numbers in a vector.", examples=[256])


class DomainFacts(_Told):
    """A domain and how many pictures have a place in it; the name null stands for places without a domain."""

    name: str | None = Field(examples=["sketch"])
    rows: int = Field(examples=[240])


class GalleryFacts(_Told):
    """A gallery that can be searched."""

    name: str = Field(description="The name that addresses have for it.", examples=["pictures"])
    rows: int = Field(description="Pictures; exact duplicates count once.", examples=[960])
    version: int = Field(description="Grows when the gallery does.", examples=[7])
    domains: list[DomainFacts]
    retriever: RetrieverFacts
    created: str = Field(examples=["2025-01-31T12:00:00+00:00"])


class GalleryList(_Told):
    """All galleries that are served, in the order that they were given in."""

    galleries: list[GalleryFacts]


class DomainList(_Told):
    """The domains of a gallery, sorted by name."""

    domains: list[DomainFacts]


class Stats(_Told):
    """A gallery in figures."""

    rows: int = Field(examples=[960])
    version: int = Field(examples=[7])
    domains: int = Field(description="How many there are.", examples=[4])
    reloads: int = Field(description="How often the gallery has grown since the start.", examples=[0])
    retriever: RetrieverFacts
    searches: int = Field(description="Answered since the start.", examples=[12])
    uptime_seconds: float = Field(examples=[3600.5])


class HitFacts(_Told):
    """A picture that was found."""

    rank: int = Field(description="From 1, the offset counted.", examples=[1])
    score: float = Field(description="Similarity to the query; more is nearer.", examples=[0.83])
    uri: str = Field(
        description="Where the picture is, below the folder it was indexed from.",
        examples=["pictures/sketch/cat/1.png"],
    )
    domain: str | None = Field(examples=["sketch"])
    id: str = Field(examples=[_ID])


class SearchedGallery(_Told):
    """What was searched."""

    name: str = Field(examples=["pictures"])
    rows: int = Field(examples=[960])
    retriever: str = Field(description="Its sha256.", examples=[_SHA256])
    version: int = Field(examples=[7])


class Seconds(_Told):
    """Wall-clock time of the two steps, of all queries that were computed together."""

    encode: float = Field(examples=[0.012])
    search: float = Field(examples=[0.003])


class SearchAnswer(_Told):
    """The hits of a search, best first."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    gallery: SearchedGallery
    exact: bool = Field(
        description="Every picture was compared; if not, an index named the pictures, and may have missed some.",
        examples=[True],
    )
    seconds: Seconds
    offset: int = Field(examples=[0])
    total: int = Field(description="Pictures that were ranked.", examples=[960])
    hits: list[HitFacts]


class Place(_Told):
    """Where a picture is; an exact duplicate has several."""

    uri: str = Field(examples=["pictures/sketch/cat/1.png"])
    domain: str | None = Field(examples=["sketch"])


class Item(Place):
    """A picture of the gallery, with the first of its places."""

    id: str = Field(examples=[_ID])
    width: int = Field(description="Upright, in pixels.", examples=[640])
    height: int = Field(examples=[480])
    bytes: int = Field(description="Of the file.", examples=[48123])
    places: list[Place] = Field(description="All of them, the first one too.")


class Status(_Told):
    """Whether the service lives, or is ready for requests."""

    status: Literal["ok", "ready"]


class Fault(_Told):
    """What is wrong with one part of a request."""

    where: str = Field(examples=["body.terms.0.text"])
    what: str = Field(examples=["Field required."])


class ProblemDocument(_Told):
    """Why a request was turned away (RFC 9457)."""

    type: str = Field(description="Which kind of problem it is.", examples=["urn:samekind:problem:unknown_item"])
    title: str = Field(description="The same for all problems of the type.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong this time, and what to do about it.")
    retry_after: float | None = Field(default=None, description="Seconds after which to try again.")
    errors: list[Fault] | None = Field(default=None, description="What is wrong with which part of the request.")
