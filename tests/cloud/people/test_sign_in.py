"""The whole sign-in, over HTTP, at a real provider process in the shape of デジタル認証アプリ.

One provider process serves a module; every test has a town and a browser of its own.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from cloud.models import AccountFact, AccountLink, SignInAttempt
from cloud.people.claims import DAY_S
from cloud.people.providers import ProviderTable
from cloud.people.sessions import BOOK
from cloud.people.sign_in_keys import SignInKeys
from cloud.web.cookies import ATTEMPT
from kannuki.settings import free_port, write_secret_file
from tests.cloud.people.provider import Browser, Page, RunningProvider, running_provider
from tests.cloud.people.support import Sites, WallClock, serving, sign_in_keys
from tests.cloud.support import Town

pytestmark = pytest.mark.slow
CARD, CITY, QUIET = "card", "city", "quiet"


@dataclass(frozen=True)
class Surroundings:
    """A provider that knows our keys, and the port at which it sends people back to us."""

    port: int
    keys: SignInKeys
    provider: RunningProvider
    secret_file: Path

    def table(self) -> ProviderTable:
        """Three rows, all at one real provider: the card app's, a city's own by discovery and a
        client secret, and one that does not name itself in its answers."""
        city = {
            "id": CITY,
            "name": {"ja": "市のID", "ja-simple": "しの ID", "en": "City ID"},
            "issuer": self.provider.issuer,
            "discover": True,
            "client_id": CITY,
            "client_auth": "client_secret_basic",
            "client_secret_file": str(self.secret_file),
            "scopes": ["openid", "name"],
            "level_without_acr": "aal1",
            "prompt": "login",
        }
        card = self.provider.row(CARD, CARD, prompt="login")
        quiet = self.provider.row(QUIET, QUIET, response_iss=False, prompt="login")
        return ProviderTable.model_validate({"provider": [card, city, quiet]})


@contextmanager
def open_surroundings(folder: Path, **settings: object) -> Iterator[Surroundings]:
    port, secret = free_port(), "secret-of-the-city-client"
    callback = f"http://127.0.0.1:{port}/v1/sign-in/callback"
    jwks = f"http://127.0.0.1:{port}/v1/sign-in/jwks.json"
    secret_file = folder / "city.secret"
    write_secret_file(secret_file, secret.encode())
    basic = {"token_endpoint_auth_method": "client_secret_basic", "client_secret": secret}
    clients = [
        {"client_id": CARD, "redirect_uris": [callback], "jwks_uri": jwks},
        {"client_id": CITY, "redirect_uris": [callback], **basic},
        {"client_id": QUIET, "redirect_uris": [f"{callback}/{QUIET}"], "jwks_uri": jwks},
    ]
    with running_provider(clients, **settings) as provider:
        yield Surroundings(port, sign_in_keys(), provider, secret_file)


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """One provider for all tests: it starts in a second."""
    with open_surroundings(tmp_path_factory.mktemp("provider")) as surroundings:
        yield surroundings


@pytest.fixture
async def sites(town: Town, around: Surroundings) -> AsyncIterator[Sites]:
    async with open_sites(town, around) as opened:
        yield opened


@asynccontextmanager
async def open_sites(town: Town, around: Surroundings) -> AsyncIterator[Sites]:
    clock = WallClock()
    async with serving(town.service, around.table(), around.keys, around.port, clock) as sites:
        yield sites


async def come_back(sites: Sites, browser: Browser, provider: str, person: str, to: str) -> Page:
    """At the provider as `person`; the page that redirects to our callback."""
    page = await browser.get(f"{sites.book}/v1/sign-in/{provider}?{urlencode({'to': to})}")
    assert page.status == 303
    page = await browser.follow(page, sites.book)
    page = await browser.choose(page, person)
    page = await browser.follow(page, f"{sites.book}/v1/sign-in/callback")
    assert page.location
    return page


async def sign_in(
    sites: Sites, browser: Browser, person: str = "hanako", provider: str = CARD, to: str = "/mine"
) -> Page:
    back = await come_back(sites, browser, provider, person, to)
    return await browser.get(back.location)


def problem(page: Page) -> str:
    """The code that a person is sent to a page with; '' when signed in."""
    return parse_qs(urlsplit(page.location).query).get("problem", [""])[0]


def changed(url: str, **members: str | None) -> str:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | members
    told = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urlencode(told)).geturl()


async def test_resident_signs_in_with_the_card_and_is_known_as_adult_and_resident(
    sites: Sites,
) -> None:
    browser = sites.browser()
    assert (await browser.get(f"{sites.book}/v1/me")).status == 401
    page = await sign_in(sites, browser, to="/rooms?day=2026-12-05")
    assert page.location == f"{sites.book}/rooms?day=2026-12-05"
    me = (await browser.get(f"{sites.book}/v1/me")).json()
    assert (me["name"], me["level"], me["resident"], me["adult"]) == (
        "山田 花子",
        "aal3",
        True,
        True,
    )
    assert me["verified"][0]["provider"] == CARD
    assert me["verified"][0]["expires_at"] - me["verified"][0]["verified_at"] == 365 * DAY_S
    again = await sign_in(sites, sites.browser(), to="/")
    assert not problem(again)
    with sites.service.database.read() as session:
        assert session.query(AccountLink).count() == 1


@pytest.mark.parametrize("compact", [True, False])
async def test_neighbour_child_and_weaker_card_are_told_apart_in_both_forms_of_claims(
    town: Town, compact: bool, tmp_path: Path
) -> None:
    with open_surroundings(tmp_path, compact=compact) as around:
        async with open_sites(town, around) as sites:
            seen = {}
            for person in ("ichiro", "yui", "jiro"):
                browser = sites.browser()
                await sign_in(sites, browser, person)
                me = (await browser.get(f"{sites.book}/v1/me")).json()
                seen[person] = (me["level"], me["resident"], me["adult"])
    assert seen == {
        "ichiro": ("aal3", False, True),
        "yui": ("aal3", True, False),
        "jiro": ("aal2", True, True),
    }


async def test_neither_birth_date_nor_address_nor_subject_is_kept_or_logged(
    sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cloud")
    browser = sites.browser()
    await sign_in(sites, browser)
    cookies = browser.jar[sites.book]
    secrets = [cookies[BOOK.cookie], cookies[ATTEMPT]]
    me = (await browser.get(f"{sites.book}/v1/me")).text
    path = str(sites.service.database.engine.url.database)
    everything = "\n".join(sqlite3.connect(path).iterdump()) + caplog.text + me
    for told in ("1951", "19510402", "本町", "北海道", *secrets):
        assert told not in everything, told
    code = next(url for url in browser.visited if "code=" in url)
    assert parse_qs(urlsplit(code).query)["code"][0] not in everything
    assert "山田 花子" in everything  # so that the search would have found the rest


async def test_city_id_by_discovery_and_client_secret_reaches_a_lower_level(sites: Sites) -> None:
    browser = sites.browser()
    await sign_in(sites, browser, provider=CITY)
    me = (await browser.get(f"{sites.book}/v1/me")).json()
    assert (me["level"], me["resident"], me["adult"]) == ("aal1", None, None)


async def test_another_way_in_is_added_and_leads_to_the_same_account(sites: Sites) -> None:
    browser = sites.browser()
    await sign_in(sites, browser, provider=CITY)
    before = (await browser.get(f"{sites.book}/v1/me")).json()
    start = await browser.post(f"{sites.book}/v1/me/links/{CARD}", {"to": "/me"})
    page = await browser.get(start.json()["location"])
    page = await browser.follow(page, sites.book)
    page = await browser.choose(page, "hanako")
    page = await browser.follow(page, f"{sites.book}/v1/sign-in/callback")
    page = await browser.get(page.location)
    assert page.location == f"{sites.book}/me"
    me = (await browser.get(f"{sites.book}/v1/me")).json()
    assert me["account_id"] == before["account_id"]
    assert {link["provider"] for link in me["links"]} == {CITY, CARD}  # both in one second, maybe
    assert me["level"] == "aal3"
    other = sites.browser()
    await sign_in(sites, other, provider=CARD)
    assert (await other.get(f"{sites.book}/v1/me")).json()["account_id"] == me["account_id"]


async def test_way_in_of_somebody_else_is_not_added(sites: Sites) -> None:
    await sign_in(sites, sites.browser(), "ichiro")
    browser = sites.browser()
    await sign_in(sites, browser, "hanako", provider=CITY)
    start = await browser.post(f"{sites.book}/v1/me/links/{CARD}", {"to": "/me"})
    browser.forget_all_but(sites.book)  # somebody else's card at the provider
    page = await browser.follow(await browser.get(start.json()["location"]), sites.book)
    page = await browser.choose(page, "ichiro")
    page = await browser.follow(page, f"{sites.book}/v1/sign-in/callback")
    assert problem(await browser.get(page.location)) == "LINKED_ELSEWHERE"


async def test_link_that_another_account_finishes_in_this_browser_is_refused(sites: Sites) -> None:
    browser = sites.browser()
    await sign_in(sites, browser, "hanako", provider=CITY)
    start = await browser.post(f"{sites.book}/v1/me/links/{CARD}", {"to": "/me"})
    page = await browser.follow(await browser.get(start.json()["location"]), sites.book)
    kept = dict(browser.jar)
    await browser.post(f"{sites.book}/v1/sign-out")
    browser.forget_all_but(sites.book)
    await sign_in(sites, browser, "ichiro", provider=CITY)
    browser.jar = kept | {sites.book: browser.jar[sites.book]}
    page = await browser.choose(page, "hanako")
    page = await browser.follow(page, f"{sites.book}/v1/sign-in/callback")
    assert problem(await browser.get(page.location)) == "SIGN_IN_EXPIRED"


async def test_person_who_says_no_is_told_so_kindly(sites: Sites) -> None:
    browser = sites.browser()
    page = await sign_in(sites, browser, person="", to="/mine")
    assert problem(page) == "SIGN_IN_DENIED"
    assert parse_qs(urlsplit(page.location).query)["to"] == ["/mine"]
    assert BOOK.cookie not in browser.jar[sites.book]


@pytest.mark.parametrize(
    "members",
    [
        {"state": None},
        {"state": "A" * 65},
        {"state": "漢字"},
        {"state": "A" * 3000},
        {"code": None},
        {"code": "A" * 43},
        {"iss": None},
        {"iss": "https://evil.example/"},
    ],
    ids=lambda members: "-".join(f"{k}:{str(v)[:8]}" for k, v in members.items()),
)
async def test_answer_that_was_tampered_with_signs_nobody_in(
    sites: Sites, members: dict[str, str | None]
) -> None:
    browser = sites.browser()
    back = await come_back(sites, browser, CARD, "hanako", "/")
    page = await browser.get(changed(back.location, **members))
    assert problem(page) in ("SIGN_IN_EXPIRED", "SIGN_IN_FAILED")
    assert BOOK.cookie not in browser.jar[sites.book]


async def test_code_and_state_are_good_once(sites: Sites) -> None:
    browser = sites.browser()
    back = await come_back(sites, browser, CARD, "hanako", "/")
    assert not problem(await browser.get(back.location))
    assert problem(await browser.get(back.location)) == "SIGN_IN_EXPIRED"


async def test_code_of_another_attempt_fails_at_the_verifier_of_this_one(sites: Sites) -> None:
    """PKCE: a code that was stolen, put into the thief's own attempt."""
    victim, thief = sites.browser(), sites.browser()
    stolen = await come_back(sites, victim, CARD, "hanako", "/")
    own = await come_back(sites, thief, CARD, "ichiro", "/")
    code = parse_qs(urlsplit(stolen.location).query)["code"][0]
    page = await thief.get(changed(own.location, code=code))
    assert problem(page) == "SIGN_IN_FAILED"
    assert BOOK.cookie not in thief.jar[sites.book]


async def test_login_csrf_a_finished_address_works_in_no_other_browser(sites: Sites) -> None:
    attacker, victim = sites.browser(), sites.browser()
    back = await come_back(sites, attacker, CARD, "ichiro", "/")
    assert problem(await victim.get(back.location)) == "SIGN_IN_EXPIRED"
    await victim.get(f"{sites.book}/v1/sign-in/{CARD}")  # an attempt of its own changes nothing
    assert problem(await victim.get(back.location)) == "SIGN_IN_EXPIRED"
    assert not problem(await attacker.get(back.location))


async def test_two_tabs_and_a_button_pressed_twice_do_not_disturb_each_other(sites: Sites) -> None:
    browser = sites.browser()
    first = await come_back(sites, browser, CARD, "hanako", "/first")
    second = await come_back(sites, browser, CITY, "hanako", "/second")
    assert (await browser.get(second.location)).location == f"{sites.book}/second"
    assert (await browser.get(first.location)).location == f"{sites.book}/first"


async def test_mix_up_an_answer_of_one_provider_does_not_finish_an_attempt_at_another(
    sites: Sites,
) -> None:
    client = {
        "client_id": CARD,
        "redirect_uris": [f"{sites.book}/v1/sign-in/callback"],
        "jwks_uri": f"{sites.book}/v1/sign-in/jwks.json",
    }
    with running_provider([client], realm="other") as other:
        browser = sites.browser()
        start = await browser.get(f"{sites.book}/v1/sign-in/{CARD}")
        honest = urlsplit(start.location)
        moved = urlsplit(other.issuer)._replace(
            path=f"{urlsplit(other.issuer).path}/protocol/openid-connect/auth", query=honest.query
        )
        page = await browser.follow(await browser.get(moved.geturl()), sites.book)
        page = await browser.choose(page, "hanako")
        back = await browser.follow(page, f"{sites.book}/v1/sign-in/callback")
        assert parse_qs(urlsplit(back.location).query)["iss"] == [other.issuer]
        assert problem(await browser.get(back.location)) == "SIGN_IN_FAILED"


async def test_provider_that_does_not_name_itself_has_a_callback_of_its_own(sites: Sites) -> None:
    browser = sites.browser()
    back = await come_back(sites, browser, QUIET, "hanako", "/")
    shared = back.location.replace(f"/callback/{QUIET}", "/callback")
    assert problem(await browser.get(changed(shared, iss=None))) == "SIGN_IN_FAILED"
    back = await come_back(sites, browser, QUIET, "hanako", "/")
    assert not problem(await browser.get(changed(back.location, iss=None)))
    back = await come_back(sites, browser, CARD, "hanako", "/")
    wrong = back.location.replace("/callback", f"/callback/{QUIET}")
    assert problem(await browser.get(wrong)) == "SIGN_IN_FAILED"


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "/%0d%0aSet-Cookie:x=1\r\nX: y",
        "/ä",
    ],
)
async def test_open_redirect_leads_to_our_own_first_page(sites: Sites, to: str) -> None:
    page = await sign_in(sites, sites.browser(), to=to)
    assert page.location == f"{sites.book}/"


async def test_session_fixation_a_cookie_that_was_there_before_is_never_signed_in(
    sites: Sites,
) -> None:
    browser = sites.browser()
    planted = "A" * 43
    browser.jar[sites.book] = {BOOK.cookie: planted}
    await sign_in(sites, browser)
    first = browser.jar[sites.book][BOOK.cookie]
    assert first != planted
    await sign_in(sites, browser)
    assert browser.jar[sites.book][BOOK.cookie] != first
    thief = sites.browser()
    for old in (planted, first):
        thief.jar[sites.book] = {BOOK.cookie: old}
        assert (await thief.get(f"{sites.book}/v1/me")).status == 401


async def test_attempt_ends_after_ten_minutes_and_is_swept(sites: Sites) -> None:
    browser = sites.browser()
    back = await come_back(sites, browser, CARD, "hanako", "/")
    sites.clock.ahead = 601
    assert problem(await browser.get(back.location)) == "SIGN_IN_EXPIRED"
    await sites.browser().get(f"{sites.book}/v1/sign-in/{CARD}")
    with sites.service.database.read() as session:
        assert session.query(SignInAttempt).count() == 1


async def test_token_of_a_provider_whose_clock_is_far_off_is_refused(sites: Sites) -> None:
    browser = sites.browser()
    back = await come_back(sites, browser, CARD, "hanako", "/")
    sites.clock.ahead = 420  # the attempt still lives; a token of 300 s is over
    assert problem(await browser.get(back.location)) == "SIGN_IN_FAILED"


async def test_fact_expires_and_is_renewed_by_the_next_sign_in(sites: Sites) -> None:
    await sign_in(sites, sites.browser())
    with sites.service.database.write() as session:
        fact = session.query(AccountFact).one()
        fact.verified_at, fact.expires_at = fact.verified_at - 2 * DAY_S, sites.clock()
    browser = sites.browser()
    await sign_in(sites, browser, provider=CITY)
    other = sites.browser()
    await sign_in(sites, other)
    me = (await other.get(f"{sites.book}/v1/me")).json()
    assert [fact["expired"] for fact in me["verified"]] == [False]


async def test_cookie_of_the_booking_site_is_worth_nothing_elsewhere(sites: Sites) -> None:
    browser = sites.browser()
    await sign_in(sites, browser)
    cookie = browser.jar[sites.book][BOOK.cookie]
    browser.jar[sites.console] = {BOOK.cookie: cookie, "__Host-kannuki-desk": cookie}
    assert (await browser.get(f"{sites.console}/v1/staff/me")).status == 401
    assert (await browser.get(f"{sites.console}/v1/staff/bookings")).status == 401


async def test_changes_from_other_origins_are_refused(sites: Sites) -> None:
    browser = sites.browser()
    await sign_in(sites, browser)
    for path in ("sign-out", "me/delete", "me/name", f"me/links/{CITY}"):
        page = await browser.post(f"{sites.book}/v1/{path}", {}, origin="https://evil.example")
        assert (page.status, page.json()["code"]) == (403, "OTHER_ORIGIN")
    assert (await browser.get(f"{sites.book}/v1/me")).status == 200


async def test_sessions_are_listed_ended_one_by_one_and_all_at_once(sites: Sites) -> None:
    here, there = sites.browser(), sites.browser()
    await sign_in(sites, here)
    await sign_in(sites, there)
    listed = (await here.get(f"{sites.book}/v1/me/sessions")).json()
    assert [line["current"] for line in listed].count(True) == 1 and len(listed) == 2
    other = next(line["session_id"] for line in listed if not line["current"])
    headers = {"Origin": sites.book}
    url = f"{sites.book}/v1/me/sessions/{other}"
    assert (await here.request("DELETE", url, headers=headers)).status == 204
    assert (await there.get(f"{sites.book}/v1/me")).status == 401
    await sign_in(sites, there)
    assert (await there.post(f"{sites.book}/v1/sign-out", {"everywhere": True})).status == 204
    assert (await here.get(f"{sites.book}/v1/me")).status == 401
    assert BOOK.cookie not in there.jar[sites.book]


async def test_deleted_account_leaves_nothing_and_the_next_sign_in_makes_a_new_one(
    sites: Sites,
) -> None:
    browser = sites.browser()
    await sign_in(sites, browser)
    before = (await browser.get(f"{sites.book}/v1/me")).json()["account_id"]
    assert (await browser.post(f"{sites.book}/v1/me/delete", {})).status == 422
    assert (await browser.post(f"{sites.book}/v1/me/delete", {"confirm": True})).status == 204
    assert (await browser.get(f"{sites.book}/v1/me")).status == 401
    path = str(sites.service.database.engine.url.database)
    dump = "\n".join(sqlite3.connect(path).iterdump())
    assert before not in dump and "山田" not in dump
    await sign_in(sites, browser)
    assert (await browser.get(f"{sites.book}/v1/me")).json()["account_id"] != before


async def test_provider_that_is_away_is_told_as_such(town: Town) -> None:
    port, keys = free_port(), sign_in_keys()
    away = RunningProvider(f"http://127.0.0.1:{free_port()}/api/realms/main")
    rows = [away.row(CARD, CARD), away.row(CITY, CITY) | {"discover": True, "jwks_uri": ""}]
    table = ProviderTable.model_validate({"provider": rows})
    async with serving(town.service, table, keys, port, WallClock()) as sites:
        browser = sites.browser()
        page = await browser.get(f"{sites.book}/v1/sign-in/{CITY}?to=/x")
        assert problem(page) == "PROVIDER_UNREACHABLE"
        page = await browser.get(f"{sites.book}/v1/sign-in/nobody?to=/x")
        assert problem(page) == "UNKNOWN_PROVIDER"


async def test_public_key_alone_is_published(sites: Sites) -> None:
    told = (await sites.browser().get(f"{sites.book}/v1/sign-in/jwks.json")).json()
    (row,) = told["keys"]
    assert (row["kty"], row["crv"], row["alg"], row["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in row


async def test_what_is_asked_and_kept_is_told_beside_the_button(sites: Sites) -> None:
    told = (await sites.browser().get(f"{sites.book}/v1/sign-in/providers")).json()
    card = told["providers"][0]
    assert card["asks"] == ["name", "address", "birthdate"]
    assert (card["level"], card["name"]["ja"][:6]) == ("aal3", "マイナンバー")
