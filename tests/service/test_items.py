"""One picture: its facts, thumbnail and whole, and what browsers may do with them."""

import io
from typing import Any

import pytest
from PIL import Image
from stand_in import application, asked, picture, world
from starlette.testclient import TestClient

from samekind.errors import SamekindError
from samekind.service.refusals import Changed, DecodeTooHeavy, DecodeTooLong, Gone, OutsideRoots, Overloaded

PICTURES = "/api/v1/galleries/pictures"


def first(client: TestClient, seed: int = 0) -> str:
    """The address of a picture."""
    hits = client.post(f"{PICTURES}/search/picture", content=picture(seed)).json()["hits"]
    return f"{PICTURES}/items/{hits[0]['id']}"


def slug(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert str(world()) not in answer.text
    return str(answer.json()["type"].removeprefix("urn:samekind:problem:"))


def test_an_item_tells_size_and_all_its_places() -> None:
    with asked() as client:
        address = first(client)
        item = client.get(address).json()
    assert item == {
        "uri": "world/photo/0.png",
        "domain": "photo",
        "id": address.rpartition("/")[2],
        "width": 16,
        "height": 12,
        "bytes": len(picture()),
        "places": [
            {"uri": "world/photo/0.png", "domain": "photo"},
            {"uri": "world/toy/again.png", "domain": "toy"},
        ],
    }


def test_a_thumbnail_is_webp_of_the_size_asked_for() -> None:
    app = application()
    sizes = []
    make = app.state.service.pictures.thumbnail

    async def noted(served: Any, item: str, size: int) -> bytes:
        sizes.append(size)
        made: bytes = await make(served, item, size)
        return made

    app.state.service.pictures.thumbnail = noted
    with asked(app) as client:
        address = first(client)
        answers = [client.get(f"{address}/thumbnail{query}") for query in ("", "?size=160", "?size=320", "?size=640")]
    assert sizes == [320, 160, 320, 640]
    for answer in answers:
        assert answer.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(answer.content)).format == "WEBP"


@pytest.mark.parametrize("size", ["0", "161", "-160", "x", "", "160.5", "1e9"])
def test_other_sizes_are_not_made(size: str) -> None:
    with asked() as client:
        answer = client.get(f"{first(client)}/thumbnail", params={"size": size})
    assert (answer.status_code, slug(answer)) == (422, "invalid")


def test_a_picture_comes_as_it_is_with_its_kind() -> None:
    with asked() as client:
        answer = client.get(f"{first(client, 5)}/picture")
    assert answer.content == picture(5)
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize("part", ["thumbnail?size=160", "thumbnail", "picture"])
def test_browsers_keep_pictures_and_can_run_nothing_in_them(part: str) -> None:
    with asked() as client:
        headers = client.get(f"{first(client)}/{part}").headers
    assert headers["cache-control"] == "private, max-age=86400, immutable"
    assert headers["content-disposition"] == "inline"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("part", ["thumbnail?size=160", "thumbnail?size=640", "picture"])
def test_what_a_client_has_already_is_not_sent_again(part: str) -> None:
    app = application()
    with asked(app) as client:
        address = f"{first(client)}/{part}"
        tag = client.get(address).headers["etag"]
        app.state.service.pictures.fault = Gone()  # nothing is even looked at
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = client.get(address, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert client.get(address, headers={"If-None-Match": tag[:-2] + '"'}).status_code == 410


def test_each_size_has_a_tag_of_its_own() -> None:
    with asked() as client:
        address = first(client)
        parts = ("thumbnail?size=160", "thumbnail?size=320", "thumbnail?size=640", "picture")
        tags = {client.get(f"{address}/{part}").headers["etag"] for part in parts}
    name = address.rpartition("/")[2]
    assert tags == {f'"{name}-160"', f'"{name}-320"', f'"{name}-640"', f'"{name}-picture"'}


@pytest.mark.parametrize("part", ["", "/thumbnail", "/picture"])
def test_ids_that_are_not_there(part: str) -> None:
    with asked() as client:
        unknown = client.get(f"{PICTURES}/items/{'0' * 24}{part}", headers={"If-None-Match": "*"})
        gallery = client.get(f"/api/v1/galleries/other/items/{'0' * 24}{part}")
        assert (unknown.status_code, slug(unknown)) == (404, "unknown_item")
        assert (gallery.status_code, slug(gallery)) == (404, "unknown_gallery")
        for name in ("..%2f..%2fetc%2fpasswd", "%00", "XYZ", "a" * 65, "'%20OR%20'1'='1"):
            answer = client.get(f"{PICTURES}/items/{name}{part}")
            assert answer.status_code in (404, 422), name
            slug(answer)


FAULTS: list[tuple[SamekindError, int, str]] = [
    (OutsideRoots(), 403, "outside_roots"),
    (Gone(), 410, "vanished"),
    (Changed(), 410, "changed"),
    (DecodeTooLong(10.0), 422, "decode_too_long"),
    (DecodeTooHeavy(), 422, "decode_too_heavy"),
    (Overloaded(1.0), 503, "overloaded"),
]


@pytest.mark.parametrize("part", ["thumbnail", "picture"])
@pytest.mark.parametrize(("fault", "status", "name"), FAULTS)
def test_pictures_that_cannot_be_shown_say_why(fault: SamekindError, status: int, name: str, part: str) -> None:
    app = application()
    with asked(app) as client:
        address = f"{first(client)}/{part}"
        app.state.service.pictures.fault = fault
        answer = client.get(address)
    assert (answer.status_code, slug(answer)) == (status, name)
    assert answer.headers["cache-control"] == "no-store"


def test_head_is_get_without_the_body() -> None:
    with asked() as client:
        address = f"{first(client)}/picture"
        got, head = client.get(address), client.head(address)
    assert head.status_code == 200
    assert head.content == b""
    assert dict(head.headers) == dict(got.headers)
