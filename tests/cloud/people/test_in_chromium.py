"""The same in a real browser: cookies as Chromium keeps them, passkeys as its authenticator makes.

No page of ours is needed: scripts run in the origin of the site, as its pages' will.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from cloud.people import staff
from cloud.people.principals import Grant, machine
from cloud.people.sessions import BOOK, DESK
from cloud.web.cookies import ATTEMPT
from kannuki.parts import require_program
from tests.cloud.people.support import Sites
from tests.cloud.people.test_sign_in import CARD, Surroundings, open_sites, open_surroundings
from tests.cloud.support import Town

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ASK = """async ([method, path, body]) => {
  const init = { method, headers: body === null ? {} : { 'Content-Type': 'application/json' } };
  if (body !== null) init.body = JSON.stringify(body);
  const answer = await fetch(path, init);
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}"""
ELSEWHERE = """([url, init]) => fetch(url, init).then(() => 'read', () => 'refused')"""
CREATE = """async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
}"""
GET = """async (options) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}"""
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_surroundings(tmp_path_factory.mktemp("provider")) as surroundings:
        yield surroundings


@asynccontextmanager
async def chromium() -> AsyncIterator[BrowserContext]:
    program: Path = require_program("chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=str(program), args=["--no-sandbox", "--disable-gpu"]
        )
        context = await browser.new_context()
        yield context
        await context.close()
        await browser.close()


async def ask(page: Page, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = await page.evaluate(ASK, [method, path, body])
    return answer


async def test_resident_signs_in_and_out_and_no_script_sees_the_cookie(
    town: Town, around: Surroundings
) -> None:
    async with open_sites(town, around) as sites, chromium() as context:
        page = await context.new_page()
        await page.goto(f"{sites.book}/v1/sign-in/{CARD}?to=/v1/town")
        await page.get_by_role("button", name="山田 花子").click()
        await page.wait_for_url(f"{sites.book}/v1/town")
        kept = {cookie["name"]: cookie for cookie in await context.cookies(sites.book)}
        for name in (BOOK.cookie, ATTEMPT):
            cookie = kept[name]
            assert (cookie["secure"], cookie["httpOnly"], cookie["path"]) == (True, True, "/")
            assert cookie["sameSite"] == "Lax"
        assert await page.evaluate("document.cookie") == ""
        me = await ask(page, "GET", "/v1/me")
        assert (me["body"]["name"], me["body"]["level"]) == ("山田 花子", "aal3")
        assert (await ask(page, "POST", "/v1/sign-out", {}))["status"] == 204
        assert (await ask(page, "GET", "/v1/me"))["status"] == 401


async def test_page_of_another_site_neither_signs_out_nor_reads(
    town: Town, around: Surroundings
) -> None:
    async with open_sites(town, around) as sites, chromium() as context:
        page = await context.new_page()
        await page.goto(f"{sites.book}/v1/sign-in/{CARD}?to=/v1/town")
        await page.get_by_role("button", name="山田 花子").click()
        await page.wait_for_url(f"{sites.book}/v1/town")
        other = await context.new_page()
        await other.goto(f"{around.provider.issuer}/.well-known/openid-configuration")
        for method, path in (("GET", "me"), ("POST", "sign-out")):
            asked = [f"{sites.book}/v1/{path}", {"method": method, "credentials": "include"}]
            outcome = await other.evaluate(ELSEWHERE, asked)
            assert outcome == "refused"
        assert (await ask(page, "GET", "/v1/me"))["status"] == 200


async def test_staff_join_and_come_back_with_a_passkey_of_chromium(
    town: Town, around: Surroundings
) -> None:
    async with open_sites(town, around) as sites, chromium() as context:
        secret = invited(sites)
        page = await context.new_page()
        await page.goto(f"{sites.console}/v1/town")
        session = await context.new_cdp_session(page)
        await session.send("WebAuthn.enable", {"enableUI": False})
        await session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        start = await ask(page, "POST", "/v1/staff/passkeys/challenge", {"invite": secret})
        credential = await page.evaluate(CREATE, start["body"]["options"])
        body = {"invite": secret, "credential": credential, "label": "窓口"}
        joined = await ask(page, "POST", "/v1/staff/passkeys/register", body)
        assert joined["status"] == 200, joined
        assert joined["body"]["may"]["staff.change"] == "*"
        kept = {cookie["name"]: cookie for cookie in await context.cookies(sites.console)}
        assert kept[DESK.cookie]["sameSite"] == "Strict" and kept[DESK.cookie]["httpOnly"]
        assert (await ask(page, "POST", "/v1/staff/session/end", {}))["status"] == 204
        assert (await ask(page, "GET", "/v1/staff/me"))["status"] == 401
        for _ in range(2):  # its counter rises
            start = await ask(page, "POST", "/v1/staff/session/challenge")
            assertion = await page.evaluate(GET, start["body"]["options"])
            entered = await ask(page, "POST", "/v1/staff/session/assert", {"credential": assertion})
            assert entered["status"] == 200, entered
        assert (await ask(page, "GET", "/v1/staff/me"))["body"]["name"] == "田中"


def invited(sites: Sites) -> str:
    service = sites.service
    with service.database.write() as session:
        return staff.invite(
            session,
            machine(service.town),
            "田中",
            [Grant("manager")],
            service.random_bytes,
            service.clock(),
        )[1]
