"""Who may ask what and how often, and what each refusal looks like."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from peer import Peer, echo, scope
from stand_in import SEARCH, TOKEN, application, asked, slug

from samekind.service.guard import Rates
from samekind.service.metrics import Metrics
from samekind.service.settings import Settings

ITEM = "f" * 24


def every_address() -> Iterator[tuple[str, str]]:
    """Method and address of each operation that the service describes."""
    for path, operations in application().openapi()["paths"].items():
        for method in operations:
            yield method, path.format(gallery="pictures", item=ITEM)


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


@pytest.fixture
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that rates are counted by stands, in the middle of a window."""
    monkeypatch.setattr(time, "time", lambda: 2e9 + 2.5)


@pytest.mark.usefixtures("_still")
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


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("address", [SEARCH, f"{SEARCH}/picture"])
def test_every_way_to_search_counts_as_one(address: str) -> None:
    with asked(searches_per_second=0.2) as client:
        codes = [client.post(address, content=b"").status_code for _ in range(2)]
    assert codes[0] != 429
    assert codes[1] == 429


@pytest.mark.usefixtures("_still")
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


@pytest.mark.usefixtures("_still")
def test_clients_are_told_apart_by_address_and_in_ipv6_by_network() -> None:
    assert clients("10.0.0.1", "10.0.0.1", "10.0.0.2") == 2
    assert clients("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == 2
    assert clients("::1", "fe80::1%eth0") == 2
    assert clients("::ffff:10.0.0.1", "10.0.0.1") == 1


@pytest.mark.usefixtures("_still")
def test_guesses_at_the_token_count_too() -> None:
    with asked(token=TOKEN, requests_per_second=1.0) as client:
        codes = [client.get("/api/v1/galleries").status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
