"""Who may ask what and how often, and what each refusal looks like."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from stand_in import TOKEN, application, asked, picture
from starlette.types import Message, Receive, Scope, Send

from samekind.service.bodies import BESIDE, Bodies
from samekind.service.guard import HEADERS, Rates
from samekind.service.metrics import Metrics
from samekind.service.settings import Settings

SEARCH = "/api/v1/galleries/pictures/search"
ITEM = "f" * 24


def every_address() -> Iterator[tuple[str, str]]:
    """Method and address of each operation that the service describes."""
    for path, operations in application().openapi()["paths"].items():
        for method in operations:
            yield method, path.format(gallery="pictures", item=ITEM)


def slug(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"].endswith(".")
    assert {name: answer.headers[name] for name in HEADERS if name != "Cache-Control"} == {
        name: value for name, value in HEADERS.items() if name != "Cache-Control"
    }
    return told["type"].removeprefix("urn:samekind:problem:")


@pytest.mark.parametrize(("method", "address"), list(every_address()))
def test_with_a_token_everything_needs_it_but_health_and_readiness(method: str, address: str) -> None:
    with asked(token=TOKEN) as client:
        bare = client.request(method, address)
        wrong = client.request(method, address, headers={"Authorization": f"Bearer {TOKEN[:-1]}"})
        right = client.request(method, address, headers={"Authorization": f"Bearer {TOKEN}"})
    if address in ("/api/v1/health", "/api/v1/ready"):
        assert bare.status_code == 200
        return
    for answer in (bare, wrong):
        assert (answer.status_code, slug(answer)) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN[:8] not in answer.text
    assert right.status_code != 401


@pytest.mark.parametrize(
    "address", ["/api/v1/openapi.json", "/api/v1/nothing", "/nothing", "//api/v1/galleries", "/API/"]
)
def test_also_what_no_route_is_for_needs_the_token(address: str) -> None:
    with asked(token=TOKEN) as client:
        assert slug(client.get(address)) == "unauthorized"


@pytest.mark.parametrize(
    "header",
    [
        f"Basic {TOKEN}",
        f"Bearer{TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer \u00e9".encode("latin-1"),
    ],
)
def test_only_the_token_itself_as_a_bearer_counts(header: str | bytes) -> None:
    with asked(token=TOKEN) as client:
        assert slug(client.get("/api/v1/galleries", headers={"Authorization": header})) == "unauthorized"


def test_the_scheme_is_of_any_case() -> None:
    with asked(token=TOKEN) as client:
        assert client.get("/api/v1/galleries", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_two_authorization_headers_are_none() -> None:
    with asked(token=TOKEN) as client:
        headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
        assert slug(client.get("/api/v1/galleries", headers=headers)) == "unauthorized"


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "Authorization"])
def test_a_token_in_the_address_or_a_cookie_does_not_count(name: str) -> None:
    with asked(token=TOKEN) as client:
        assert slug(client.get("/api/v1/galleries", params={name: TOKEN})) == "unauthorized"
        assert slug(client.get("/api/v1/galleries", headers={"Cookie": f"{name}={TOKEN}"})) == "unauthorized"


def test_the_page_needs_no_token_and_nothing_does_where_there_is_none() -> None:
    with asked(token=TOKEN) as client:
        assert client.get("/").status_code == 200
    with asked() as client:
        assert client.get("/api/v1/galleries").status_code == 200


HOSTS = ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "LOCALHOST:1", "127.0.0.1:80", "[::1]", "[::1]:8765"])
def test_a_known_host_may_be_asked_at_any_port(host: str) -> None:
    with asked(hosts=HOSTS) as client:
        assert client.get("/api/v1/galleries", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "localhost.evil.example", "", "[::2]:1", "::1"])
@pytest.mark.parametrize("address", ["/", "/api/v1/galleries", "/api/v1/health", "/nothing"])
def test_another_host_is_answered_nowhere(host: str, address: str) -> None:
    with asked(hosts=HOSTS) as client:
        answer = client.get(address, headers={"Host": host})
    assert (answer.status_code, slug(answer)) == (421, "wrong_host")


def test_two_host_headers_are_none() -> None:
    with asked(hosts=HOSTS) as client:
        answer = client.get("/", headers=[("Host", "localhost"), ("Host", "evil.example")])
    assert slug(answer) == "wrong_host"


def test_without_a_list_any_host_will_do() -> None:
    with asked(hosts=()) as client:
        assert client.get("/api/v1/galleries", headers={"Host": "gallery.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
    ],
)
@pytest.mark.parametrize("address", ["/api/v1/galleries", "/metrics", "/api/v1/nothing"])
def test_other_sites_pages_may_not_ask(headers: dict[str, str], address: str) -> None:
    with asked() as client:
        answer = client.get(address, headers=headers)
        assert (answer.status_code, slug(answer)) == (403, "cross_site")
        assert "access-control-allow-origin" not in answer.headers
        assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8765"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
    ],
)
def test_the_own_page_may_ask(headers: dict[str, str]) -> None:
    with asked() as client:
        assert client.get("/api/v1/galleries", headers=headers).status_code == 200


TYPES = [
    "application/octet-stream",
    "image/png",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/x-www-form-urlencoded",
]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("address", [f"{SEARCH}/picture", SEARCH, "/nothing"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_too_many_bytes_is_refused_before_it_is_looked_at(kind: str, address: str, chunked: bool) -> None:
    body = bytes(2001)
    with asked(max_bytes=2000) as client:
        content = iter([body[:1500], body[1500:]]) if chunked else body
        answer = client.post(address, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, slug(answer)) == (413, "too_many_bytes")
    assert answer.headers["connection"] == "close"


def test_a_picture_of_exactly_the_limit_is_taken() -> None:
    with asked(max_bytes=len(picture())) as client:
        assert client.post(f"{SEARCH}/picture", content=picture()).status_code == 200


def test_json_may_be_longer_by_what_base64_adds() -> None:
    with asked(max_bytes=3000) as client:
        headers = {"Content-Type": "application/json"}
        fits = client.post(SEARCH, content=b" " * (4000 + BESIDE), headers=headers)
        exceeds = client.post(SEARCH, content=b" " * (4001 + BESIDE), headers=headers)
    assert (slug(fits), slug(exceeds)) == ("invalid", "too_many_bytes")


class Peer:
    """A client at ASGI's level: what it sends, and what it got."""

    def __init__(self, *chunks: bytes, pause: float = 0.0, leaves: bool = False) -> None:
        self.chunks = list(chunks)
        self.pause = pause
        self.leaves = leaves
        self.got: list[Message] = []
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        await asyncio.sleep(self.pause)
        if not self.chunks:
            await asyncio.sleep(0 if self.leaves else 60)
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}

    async def send(self, message: Message) -> None:
        self.got.append(message)

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])


def scope(**headers: str) -> Scope:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": SEARCH, "headers": listed, "client": ("10.0.0.1", 1)}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_nothing_is_read_beyond_the_limit() -> None:
    peer = Peer(*[bytes(1000)] * 50)
    asyncio.run(Bodies(echo, Settings(max_bytes=2500))(scope(), peer.receive, peer.send))
    assert (peer.status, peer.asked) == (413, 3)


def test_nothing_is_read_of_what_announces_too_much() -> None:
    peer = Peer(b"x")
    asyncio.run(Bodies(echo, Settings(max_bytes=100))(scope(content_length="101"), peer.receive, peer.send))
    assert (peer.status, peer.asked) == (413, 0)


def test_a_body_that_is_announced_short_and_comes_long_is_refused() -> None:
    peer = Peer(bytes(60), bytes(60))
    asyncio.run(Bodies(echo, Settings(max_bytes=100))(scope(content_length="5"), peer.receive, peer.send))
    assert peer.status == 413


def test_a_body_must_arrive_in_time() -> None:
    peer = Peer(*[b"x"] * 100, pause=0.02)
    asyncio.run(Bodies(echo, Settings(), seconds=0.1)(scope(), peer.receive, peer.send))
    assert peer.status == 408
    assert 2 < peer.asked < 20
    assert b"urn:samekind:problem:too_slow" in peer.got[1]["body"]


def test_the_application_gets_the_whole_body_at_once() -> None:
    peer = Peer(b"one ", b"two ", b"three")
    asyncio.run(Bodies(echo, Settings())(scope(), peer.receive, peer.send))
    assert peer.got[1]["body"] == b"one two three"


def test_together_bodies_have_a_limit_which_ends_with_them() -> None:
    async def run() -> tuple[int, int]:
        bodies = Bodies(slow, Settings(max_bytes=64 * 1024))
        many = [Peer(bytes(64 * 1024)) for _ in range(40)]
        await asyncio.gather(*(bodies(scope(), peer.receive, peer.send) for peer in many))
        again = Peer(bytes(64 * 1024))
        await bodies(scope(), again.receive, again.send)
        return sum(peer.status == 503 for peer in many), again.status

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await echo(scope, receive, send)

    refused, later = asyncio.run(run())
    assert refused == 40 - 17
    assert later == 200


def test_a_client_that_goes_while_it_sends_is_not_answered() -> None:
    peer = Peer(leaves=True)
    asyncio.run(Bodies(echo, Settings())(scope(), peer.receive, peer.send))
    assert peer.got == []


def test_work_for_a_client_that_has_gone_is_cancelled() -> None:
    ended = []

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    peer = Peer(b"x", pause=0.02, leaves=True)
    asyncio.run(asyncio.wait_for(Bodies(long, Settings())(scope(), peer.receive, peer.send), 5))
    assert ended == [True]
    assert peer.got == []


def test_a_cancellation_from_outside_goes_on() -> None:
    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(30)

    async def run() -> None:
        peer = Peer(b"x")
        task = asyncio.create_task(Bodies(long, Settings())(scope(), peer.receive, peer.send))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_searches_beyond_the_rate_are_told_when_to_come_back() -> None:
    with asked(searches_per_second=1.0) as client:
        answers = [client.get(SEARCH, params={"text": "red"}) for _ in range(8)]
        others = client.get("/api/v1/galleries")
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    last = answers[-1]
    assert slug(last) == "rate_limited"
    assert 1 <= int(last.headers["retry-after"]) <= 10
    assert last.json()["retry_after"] == int(last.headers["retry-after"])
    assert others.status_code == 200


@pytest.mark.parametrize("address", [SEARCH, f"{SEARCH}/picture"])
def test_every_way_to_search_counts_as_one(address: str) -> None:
    with asked(searches_per_second=0.2) as client:
        codes = [client.post(address, content=b"").status_code for _ in range(2)]
    assert codes[0] != 429
    assert codes[1] == 429


def test_all_requests_have_a_rate_of_their_own_but_not_the_page_and_the_health() -> None:
    with asked(requests_per_second=1.0) as client:
        codes = [client.get("/api/v1/nothing").status_code for _ in range(7)]
        free = [
            client.get(address).status_code for address in ("/", "/api/v1/health", "/api/v1/ready") for _ in range(9)
        ]
    assert codes == [404] * 5 + [429] * 2
    assert set(free) == {200}


def test_no_rate_is_no_limit() -> None:
    with asked(searches_per_second=0.0, requests_per_second=0.0) as client:
        assert {client.get("/api/v1/galleries").status_code for _ in range(300)} == {200}


def clients(*addresses: str) -> int:
    """How many of these are told apart, by a rate of one request each."""
    rates = Rates(echo, Settings(requests_per_second=0.01, searches_per_second=0.0), Metrics({}))

    async def run() -> int:
        peers = [Peer(b"") for _ in addresses]
        for address, peer in zip(addresses, peers, strict=True):
            await rates({**scope(), "client": (address, 1)}, peer.receive, peer.send)
        return sum(peer.status == 200 for peer in peers)

    return asyncio.run(run())


def test_clients_are_told_apart_by_address_and_in_ipv6_by_network() -> None:
    assert clients("10.0.0.1", "10.0.0.1", "10.0.0.2") == 2
    assert clients("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == 2
    assert clients("::1", "fe80::1%eth0") == 2
    assert clients("::ffff:10.0.0.1", "10.0.0.1") == 1


def test_guesses_at_the_token_count_too() -> None:
    with asked(token=TOKEN, requests_per_second=1.0) as client:
        codes = [client.get("/api/v1/galleries").status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
