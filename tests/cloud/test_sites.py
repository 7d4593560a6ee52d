"""Sites: each host its own application, headers on every answer, changes from own pages only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from cloud.problems import Problem
from cloud.relay import RelayHub
from cloud.web.apps import create_sites
from cloud.web.context import ApiContext, Site, SiteUrls
from cloud.web.limits import MAX_BUCKETS, Limiter, Rule
from tests.cloud.support import START, Town, open_town
from tests.cloud.web import STAFF

BOOK, KEY, DESK = "https://book.misaki.jp", "https://key.misaki.jp", "https://desk.misaki.jp"
URLS = SiteUrls(BOOK, KEY, DESK)


def context_of(town: Town, urls: SiteUrls = URLS) -> ApiContext:
    async def send(*_args: object) -> None:
        return None

    service, clock = town.service, town.clock
    hub = RelayHub(send, clock, clock, service.random_bytes, lambda: True)
    return ApiContext(
        service, "みさき市", hub, lambda: None, STAFF.encode(), Limiter(clock, 0), urls
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One for all: nothing here changes it."""
    with open_town(tmp_path_factory.mktemp("sites"), hung=1) as opened:
        yield opened


@pytest.fixture
async def http(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_sites([context_of(town)]))
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


@pytest.mark.parametrize("origin", [BOOK, KEY, DESK, "https://10.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/v1/town", "/v1/none", "/texts/ja.json"])
async def test_every_answer_has_the_headers_that_keep_pages_safe(
    http: httpx.AsyncClient, origin: str, path: str
) -> None:
    answer = await http.get(origin + path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == (
        "no-store" if path.startswith("/v1/") else "no-cache"
    )


async def test_each_host_answers_as_its_own_site_only(http: httpx.AsyncClient) -> None:
    claim = {"secret": "x" * 24, "device_key": "AAAA"}
    seen = {}
    for origin in (BOOK, KEY, DESK, "https://other.example"):
        bearer = {"Authorization": f"Bearer {STAFF}"}
        claimed = await http.post(f"{origin}/v1/keys/claim", json=claim, headers=bearer)
        staff = await http.get(f"{origin}/v1/staff/alarms", headers=bearer)
        seen[origin] = claimed.json()["code"], staff.status_code
    assert seen == {
        BOOK: ("METHOD", 404),
        KEY: ("UNKNOWN_KEY", 404),
        DESK: ("METHOD", 200),
        "https://other.example": ("UNKNOWN_KEY", 200),
    }


async def test_protocol_modules_are_where_doors_are_opened(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{BOOK}/protocol/cbor.js")).status_code == 404
    assert "bluetooth=(self)" in (await http.get(KEY)).headers["permissions-policy"]
    assert "bluetooth=()" in (await http.get(BOOK)).headers["permissions-policy"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": DESK}, "NOT_STAFF"),
        ({"Origin": DESK, "Sec-Fetch-Site": "same-origin"}, "NOT_STAFF"),
        ({}, "OTHER_ORIGIN"),
        ({"Origin": "null"}, "OTHER_ORIGIN"),
        ({"Origin": "https://evil.example"}, "OTHER_ORIGIN"),
        ({"Origin": BOOK}, "OTHER_ORIGIN"),
        ({"Origin": DESK + ".evil.example"}, "OTHER_ORIGIN"),
        ({"Origin": DESK, "Sec-Fetch-Site": "same-site"}, "OTHER_ORIGIN"),
        ({"Origin": DESK, "Sec-Fetch-Site": "cross-site"}, "OTHER_ORIGIN"),
    ],
)
async def test_changes_come_from_the_sites_own_pages(
    http: httpx.AsyncClient, headers: dict[str, str], code: str
) -> None:
    answer = await http.post(f"{DESK}/v1/staff/bookings/x/cancel", headers=headers)
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_form_of_another_site_cannot_speak_json(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post(
        f"{DESK}/v1/staff/bookings/x/cancel",
        headers={"Origin": DESK, "Content-Type": kind},
        content=b'{"a": 1}',
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "NOT_JSON")


async def test_two_towns_answer_at_their_own_hosts(town: Town) -> None:
    town.service.database.whole.add_town("nagi", "なぎ町", START)
    service = replace(town.service, town="nagi", database=town.service.database.whole.of("nagi"))
    urls = SiteUrls("https://book.nagi.jp", "https://key.nagi.jp", "https://desk.nagi.jp")
    other = replace(context_of(town, urls), service=service)
    transport = httpx.ASGITransport(create_sites([context_of(town), other]))
    async with httpx.AsyncClient(transport=transport) as client:
        here = (await client.get(f"{BOOK}/v1/rooms")).json()
        there = (await client.get("https://book.nagi.jp/v1/rooms")).json()
    assert (len(here), len(there)) == (3, 0)


def test_hosts_are_told_apart_with_their_ports() -> None:
    urls = SiteUrls("http://book.localhost:8080", "http://key.localhost:8080", "")
    hosts = {"book.localhost:8080": Site.BOOK, "key.localhost:8080": Site.KEY}
    assert urls.by_host() == hosts


# --- how often ---


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


RULE = Rule("test", burst=3, every_s=10.0)


def test_burst_is_let_in_and_then_one_at_a_time() -> None:
    watch = Watch()
    limiter = Limiter(watch)
    for _ in range(3):
        limiter.take(RULE, "a")
    with pytest.raises(Problem) as refused:
        limiter.take(RULE, "a")
    assert (refused.value.code, refused.value.retry_after_s) == ("TOO_MANY", 10)
    limiter.take(RULE, "b")
    watch.now += 10
    limiter.take(RULE, "a")
    with pytest.raises(Problem):
        limiter.take(RULE, "a")


def test_asking_while_refused_does_not_make_the_wait_longer() -> None:
    watch = Watch()
    limiter = Limiter(watch)
    for _ in range(3):
        limiter.take(RULE, "a")
    for _ in range(50):
        with pytest.raises(Problem):
            limiter.take(RULE, "a")
    watch.now += 10
    limiter.take(RULE, "a")


def test_flood_of_new_clients_is_bounded_in_memory() -> None:
    limiter = Limiter(Watch())
    for number in range(MAX_BUCKETS + 500):
        limiter.take(RULE, str(number))
    assert len(limiter) == MAX_BUCKETS


async def test_refused_for_asking_too_often_says_when_to_come_again(town: Town) -> None:
    context = replace(context_of(town), limiter=Limiter(Watch()))
    transport = httpx.ASGITransport(create_sites([context]))
    claim = {"secret": "x" * 24, "device_key": "AAAA"}
    async with httpx.AsyncClient(transport=transport) as client:
        codes = []
        for _ in range(22):
            answer = await client.post(f"{KEY}/v1/keys/claim", json=claim)
            codes.append(answer.status_code)
    assert codes[:20] == [404] * 20
    assert codes[20:] == [429, 429]
    assert int(answer.headers["retry-after"]) > 0
