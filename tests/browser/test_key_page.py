"""The resident's key page in Chromium: collecting, opening, no signal, languages, paper, secrets.

The town is the real service with a lock's real core behind its relay, and behind a radio of the
test's own (key_town.py). The pages' words are never evidence of an opening: the bolt is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, expect

from cloud import bookings, lists
from cloud.models import AuditRecord, SeenHead
from cloud.web import key_pages
from tests.browser import looks
from tests.browser.chromium import DESKTOP_WIDTH, FLAGS, PHONE_WIDTH, Visitor, welcome
from tests.browser.key_town import KeyTown, key_town
from tests.firmware.town import Town as Stand

LINE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36 Line/14.1.0/IAB"
)
NO_STORE = "delete window.indexedDB; delete Window.prototype.indexedDB"
LANGS = ("ja", "ja-simple", "en")
MINUTE_S = 60


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain_browser(playwright: Playwright, chromium: Path) -> AsyncIterator[Browser]:
    """Chromium without a Bluetooth of its own."""
    started = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
    yield started
    await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def town(tmp_path: Path) -> AsyncIterator[KeyTown]:
    async with key_town(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def person(plain_browser: Browser) -> AsyncIterator[Visitor]:
    """Somebody with a phone whose browser has no Bluetooth."""
    visitor = await welcome(plain_browser, PHONE_WIDTH, has_bluetooth=False)
    yield visitor
    await visitor.context.close()
    assert visitor.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def at_door(plain_browser: Browser, town: KeyTown) -> AsyncIterator[Visitor]:
    """Somebody whose phone speaks Bluetooth to the lock in front of them."""
    visitor = await welcome(plain_browser, PHONE_WIDTH)
    await town.give_radio(visitor.page)
    yield visitor
    await visitor.context.close()
    assert visitor.complaints == []


async def collect(visitor: Visitor, link: str) -> None:
    """Open the link and press the button."""
    await visitor.page.goto("about:blank")
    await visitor.page.goto(link)
    await visitor.page.click("#claim")
    await expect(visitor.page.locator("#gate")).to_be_visible()


async def state_is(visitor: Visitor, state: str) -> None:
    await expect(visitor.page.locator("#gate")).to_have_attribute("data-state", state)


async def press(visitor: Visitor) -> None:
    await visitor.page.click("#gate")


async def reads(visitor: Visitor, text: str, where: str = "main") -> None:
    await expect(visitor.page.locator(where)).to_contain_text(text)


async def until(visitor: Visitor, script: str, what: str) -> None:
    """Wait until `script`, an async function of the page, gives something true."""
    for _ in range(150):
        if await visitor.page.evaluate(script):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it never came to be that {what}")


async def is_ready_for_no_signal(visitor: Visitor) -> None:
    """The worker runs and has kept the page."""
    await visitor.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await visitor.page.wait_for_function("navigator.serviceWorker.controller !== null")


# --- collecting


async def test_looking_at_a_link_collects_nothing_and_a_press_does(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link()
    posts: list[str] = []
    person.page.on("request", lambda r: posts.append(r.method + r.url.split("/v1")[-1]))
    await person.page.goto(link)
    await expect(person.page.locator("#claim")).to_be_visible()
    await person.page.reload()
    await expect(person.page.locator("#claim")).to_be_visible()
    assert not [each for each in posts if each.startswith("POST")]
    await person.page.click("#claim")
    await state_is(person, "ready")
    assert [each for each in posts if each.startswith("POST")] == ["POST/keys/claim"]


async def test_the_secret_leaves_the_address_and_the_page_is_a_bookmark(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link()
    await collect(person, link)
    assert person.page.url == f"{town.origin}/"
    await person.page.goto("about:blank")
    await person.page.goto(f"{town.origin}/")
    await state_is(person, "ready")
    await reads(person, "第1会議室")


async def test_the_same_link_again_is_the_same_key_without_another_press(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link()
    await collect(person, link)
    await person.page.goto("about:blank")
    await person.page.goto(link)
    await state_is(person, "ready")
    assert person.page.url == f"{town.origin}/"
    assert await person.page.locator(".other").count() == 0


async def test_another_phone_is_told_why_and_what_helps(
    town: KeyTown, person: Visitor, plain_browser: Browser
) -> None:
    link = town.link()
    await collect(person, link)
    other = await welcome(plain_browser, PHONE_WIDTH, has_bluetooth=False)
    await other.page.goto(link)
    await other.page.click("#claim")
    await expect(other.page.locator(".says-bad")).to_be_visible()
    await expect(other.page.locator("#help-new-link")).to_be_visible()
    await expect(other.page.locator("#help-not-me")).to_be_visible()
    await other.context.close()
    assert other.complaints == []


async def test_a_key_that_cannot_be_collected_yet_says_from_when_and_keeps_the_link(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link(begins_in_s=5 * 86_400)
    await person.page.goto(link)
    await person.page.click("#claim")
    await reads(person, "から受け取れます")
    assert person.page.url == link


async def test_several_keys_what_opens_now_first(town: KeyTown, person: Visitor) -> None:
    await collect(person, town.link(begins_in_s=86_400))
    await collect(person, town.link())
    await person.page.goto(f"{town.origin}/")
    await state_is(person, "ready")
    await person.page.click(".other")
    await state_is(person, "early")
    await expect(person.page.locator(".other")).to_have_count(1)


# --- secrets


async def test_the_keys_cannot_be_exported_and_no_secret_lies_about(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link()
    secret = link.split("#")[1]
    await collect(person, link)
    await is_ready_for_no_signal(person)
    found = await person.page.evaluate(_KEPT)
    assert found["exports"] == ["InvalidAccessError"] * 2
    assert found["extractable"] == [False, False]
    ticket = found["ticket"]
    assert len(ticket) > 16
    for where in ("local", "session", "dom", "cookies", "cached", "history"):
        assert secret not in found[where], where
        assert ticket not in found[where], where
    assert "/v1/" not in found["cachedAddresses"]


_KEPT = """async () => {
  const request = indexedDB.open("kannuki-key");
  const database = await new Promise((done) => { request.onsuccess = () => done(request.result); });
  const all = (name) => new Promise((done) => {
    const asked = database.transaction(name).objectStore(name).getAll();
    asked.onsuccess = () => done(asked.result);
  });
  const [record] = await all("keys");
  const [device] = await all("devices");
  database.close();
  const keys = [record.credentials[0].key, device.pair.privateKey];
  const formats = ["raw", "pkcs8"];
  const exports = await Promise.all(keys.map((key, at) =>
    crypto.subtle.exportKey(formats[at], key).then(() => "exported", (error) => error.name)));
  let cached = "", cachedAddresses = "";
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const asked of await cache.keys()) {
      cachedAddresses += asked.url + " ";
      cached += asked.url + await (await cache.match(asked)).text();
    }
  }
  return {
    exports, extractable: keys.map((key) => key.extractable), ticket: record.ticket,
    local: JSON.stringify({ ...localStorage }), session: JSON.stringify({ ...sessionStorage }),
    dom: document.documentElement.outerHTML, cookies: document.cookie, cached, cachedAddresses,
    history: location.href + JSON.stringify(history.state),
  };
}"""


async def test_no_key_leads_into_another_site(town: KeyTown, person: Visitor) -> None:
    """The key page's store is its origin's alone, and the page may not be framed."""
    answer = await person.page.goto(f"{town.origin}/")
    assert answer is not None
    headers = await answer.all_headers()
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert "set-cookie" not in headers


# --- opening by relay


async def test_without_bluetooth_one_press_opens_by_relay(town: KeyTown, person: Visitor) -> None:
    await collect(person, town.link())
    await press(person)
    await state_is(person, "opened")
    await reads(person, "鍵が開きました")
    assert town.openings() == 1


async def test_locking_again_is_the_second_button(town: KeyTown, person: Visitor) -> None:
    await collect(person, town.link())
    await press(person)
    await state_is(person, "opened")
    assert town.openings() == 1
    await person.page.click("#lock")
    await reads(person, "鍵がかかりました")


async def test_before_its_time_the_button_explains_counts_down_and_opens_nothing(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link(begins_in_s=(10 + 12) * MINUTE_S - 30))
    await state_is(person, "early")
    await reads(person, "あと12分", "#gate")
    await press(person)
    await reads(person, "あと12分で使えます")
    assert town.relayed == {}
    assert town.openings() == 0


async def test_a_gateway_that_is_away_is_told_with_what_helps(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link())
    town.gateway(online=False)
    await press(person)
    await reads(person, "建物の通信が止まっています")
    assert town.openings() == 0
    town.gateway(online=True)
    await press(person)
    await state_is(person, "opened")


@pytest.mark.parametrize(
    ("error", "words"), [("UNREACHABLE", "連絡がつきません"), ("BUSY", "ほかの方")]
)
async def test_what_the_gateway_cannot_do_is_told_in_words(
    town: KeyTown, person: Visitor, error: str, words: str
) -> None:
    await collect(person, town.link())
    town.reached = error
    await press(person)
    await reads(person, words)
    await state_is(person, "ready")


async def test_a_cancelled_booking_is_told_and_the_key_can_be_removed(
    town: KeyTown, person: Visitor
) -> None:
    booking_id, link = town.booked()
    await collect(person, link)
    with town.service.database.write() as opened:
        booking = bookings.find(opened, booking_id)
        bookings.cancel(opened, booking, town.service.clock())
    await person.page.reload()
    await reads(person, "この予約は取り消されました")
    await state_is(person, "over")
    await press(person)
    assert town.openings() == 0
    await person.page.click("#tool-forget")
    await person.page.click("dialog .button-bad")
    await reads(person, "まだ鍵がありません")


async def test_a_booking_that_was_moved_brings_its_new_key_by_itself(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link())
    before = await person.page.evaluate(_KEPT)
    with town.service.database.write() as opened:
        lists.raise_least(opened, town.kid(), lists.EVERY_AUDIENCE, town.service.clock() + 1)
    town.pass_time(2)
    await person.page.reload()
    await reads(person, "鍵を新しくしました")
    after = await person.page.evaluate(_KEPT)
    assert before["ticket"] == after["ticket"]
    await press(person)
    await state_is(person, "opened")


# --- over Bluetooth


async def test_with_bluetooth_the_same_press_goes_straight_to_the_door(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    await press(at_door)
    await state_is(at_door, "opened")
    assert town.relayed == {}
    assert town.openings() == 1
    assert await at_door.page.evaluate("navigator.bluetooth.asked") == ["kannuki-aaaaaaaa"]


async def test_no_door_in_reach_offers_the_relay_and_takes_it_only_when_pressed(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    town.at_door = None
    await press(at_door)
    await expect(at_door.page.locator("#help-relay")).to_be_visible()
    assert town.openings() == 0
    await at_door.page.click("#help-relay")
    await state_is(at_door, "opened")
    assert town.openings() == 1


async def test_with_no_signal_the_page_opens_again_and_so_does_the_door(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    await is_ready_for_no_signal(at_door)
    await at_door.lose_signal()
    await at_door.page.reload()
    await state_is(at_door, "ready")
    await reads(at_door, "電波がありません")
    await press(at_door)
    await state_is(at_door, "opened")
    assert town.openings() == 1


async def test_what_was_carried_without_signal_comes_home_with_it(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    await is_ready_for_no_signal(at_door)
    await at_door.lose_signal()
    await press(at_door)
    await state_is(at_door, "opened")
    await until(at_door, _OUTBOX_HOLDS_MORE, "head and records are kept")
    assert town.stored(AuditRecord) == 0
    await at_door.find_signal()
    await until(at_door, _OUTBOX_EMPTY, "all is handed in")
    assert town.stored(AuditRecord) > 0
    assert town.stored(SeenHead) > 0


_OUTBOX_COUNT = """async () => {
  const request = indexedDB.open("kannuki-key");
  const database = await new Promise((done) => { request.onsuccess = () => done(request.result); });
  const asked = database.transaction("outbox").objectStore("outbox").count();
  const count = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  database.close();
  return count;
}"""
_OUTBOX_HOLDS_MORE = f"async () => (await ({_OUTBOX_COUNT})()) > 1"
_OUTBOX_EMPTY = f"async () => (await ({_OUTBOX_COUNT})()) === 0"


async def test_the_phone_brings_the_lock_the_news_that_another_key_is_withdrawn(
    town: KeyTown, at_door: Visitor
) -> None:
    """Fetched while there was signal, carried to a lock that hears of it no other way."""
    other_id, _ = town.booked(begins_in_s=2 * 3600)
    town.settle()
    await collect(at_door, town.link())
    with town.service.database.write() as opened:
        booking = bookings.find(opened, other_id)
        bookings.cancel(opened, booking, town.service.clock())
    town.settle()
    town.pass_time(700)
    await at_door.page.reload()
    await until(at_door, _HAS_STATUS, "the newest list is kept")
    await is_ready_for_no_signal(at_door)
    assert town.street.lock.core.statuses.current.version == 0
    await at_door.lose_signal()
    await press(at_door)
    await state_is(at_door, "opened")
    await until(at_door, _OUTBOX_HOLDS_MORE, "head and records are kept")
    assert town.street.lock.core.statuses.current.version > 0


_HAS_STATUS = """async () => {
  const request = indexedDB.open("kannuki-key");
  const database = await new Promise((done) => { request.onsuccess = () => done(request.result); });
  const asked = database.transaction("documents").objectStore("documents").getAll();
  const rows = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  database.close();
  return rows.some((row) => row.told.status && row.told.status.version > 0);
}"""


async def test_a_withdrawn_key_is_refused_by_the_lock_and_told(
    town: KeyTown, at_door: Visitor
) -> None:
    booking_id, link = town.booked()
    await collect(at_door, link)
    await is_ready_for_no_signal(at_door)
    with town.service.database.write() as opened:
        booking = bookings.find(opened, booking_id)
        bookings.cancel(opened, booking, town.service.clock())
    town.settle()
    town.street.carry()
    await at_door.lose_signal()
    await press(at_door)
    await reads(at_door, "取り消されています")
    await state_is(at_door, "over")
    assert town.openings() == 0


async def test_another_door_names_the_right_room(town: KeyTown, at_door: Visitor) -> None:
    await collect(at_door, town.link())
    town.stranger = Stand("bbbbbbbb")
    await press(at_door)
    await reads(at_door, "この鍵で開くのは「第1会議室」です")
    assert town.openings() == 0


async def test_no_signal_and_no_bluetooth_is_told_before_any_press(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link())
    await is_ready_for_no_signal(person)
    await person.lose_signal()
    await person.page.reload()
    await reads(person, "電波の届く所で")
    await press(person)
    await reads(person, "今はこの電話から開けられません")
    assert town.openings() == 0


async def test_a_lock_in_doubt_about_the_time_hears_it_from_the_phone(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    town.lose_time()
    await press(at_door)
    await state_is(at_door, "opened")
    assert town.openings() == 1


async def test_without_signal_a_lock_in_doubt_stays_shut_and_the_page_says_why(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    await is_ready_for_no_signal(at_door)
    town.lose_time()
    await at_door.lose_signal()
    await press(at_door)
    await reads(at_door, "ドアの時計を合わせています。")
    await expect(at_door.page.locator("#help-pin")).to_be_visible()
    assert town.openings() == 0


async def test_a_bolt_that_sticks_is_told_and_not_called_open(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link())
    town.street.lock.door.jam(0.5)
    await press(at_door)
    await reads(at_door, "鍵が途中で止まりました")
    await state_is(at_door, "ready")
    assert town.openings() == 0


async def test_a_phone_with_a_wrong_clock_may_try_and_hears_it_from_the_lock(
    town: KeyTown, at_door: Visitor
) -> None:
    await collect(at_door, town.link(begins_in_s=3600))
    await is_ready_for_no_signal(at_door)
    await at_door.lose_signal()
    await at_door.page.reload()
    await state_is(at_door, "early")
    await press(at_door)
    await at_door.page.click("#help-try")
    await reads(at_door, "分で使えます")
    assert await at_door.page.evaluate("navigator.bluetooth.asked.length") == 1
    assert town.openings() == 0


# --- giving away, giving back


async def test_another_phone_takes_the_key_over_by_a_link_that_was_asked_for(
    town: KeyTown, person: Visitor, plain_browser: Browser
) -> None:
    await collect(person, town.link())
    await person.page.click("#tool-hand-over")
    await person.page.click("dialog .button:not(.button-second)")
    shown = person.page.locator(".link-text")
    await expect(shown).to_be_visible()
    link = await shown.inner_text()
    picture = person.page.locator(".qr img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("(img) => img.naturalWidth") > 0
    other = await welcome(plain_browser, PHONE_WIDTH, has_bluetooth=False)
    await collect(other, link)
    await state_is(other, "ready")
    await person.page.reload()
    await reads(person, "この鍵はもう使えません")
    await other.context.close()


async def test_it_was_not_me_stops_the_key_of_whoever_collected_first(
    town: KeyTown, person: Visitor, plain_browser: Browser
) -> None:
    link = town.link()
    thief = await welcome(plain_browser, PHONE_WIDTH, has_bluetooth=False)
    await collect(thief, link)
    await person.page.goto(link)
    await person.page.click("#claim")
    await person.page.click("#help-not-me")
    await person.page.click("dialog .button-bad")
    await reads(person, "鍵を止めて", "dialog")
    town.street.carry()
    await press(thief)
    await expect(thief.page.locator(".says-bad")).to_be_visible()
    assert town.openings() == 0
    await thief.context.close()


async def test_the_resident_cancels_after_being_asked(town: KeyTown, person: Visitor) -> None:
    await collect(person, town.link())
    await person.page.click("#tool-cancel")
    await person.page.click("dialog .button-second")
    await state_is(person, "ready")
    await person.page.click("#tool-cancel")
    await person.page.click("dialog .button-bad")
    await reads(person, "この予約は取り消されました")


async def test_paper_has_room_time_and_number_and_never_the_link(
    town: KeyTown, person: Visitor
) -> None:
    link = town.link()
    await collect(person, link)
    groups = person.page.locator("#pin-box .pin-group")
    number = "".join(await groups.all_text_contents())
    assert len(number) == 10
    await person.page.emulate_media(media="print")
    slip = person.page.locator(".slip")
    await expect(slip).to_be_visible()
    await expect(person.page.locator("#gate")).to_be_hidden()
    paper = await slip.inner_text()
    assert "第1会議室" in paper
    assert "2026年12月5日（土）" in paper
    assert number in paper.replace(" ", "").replace("\n", "")
    assert link.split("#")[1] not in await person.page.content()


# --- doors, apps, languages


async def test_a_sticker_leads_to_the_visitors_own_key_and_else_explains_the_door(
    town: KeyTown, person: Visitor
) -> None:
    await person.page.goto(f"{town.origin}/d/aaaaaaaa")
    await expect(person.page.locator("h1")).to_have_text("第1会議室")
    await expect(person.page.locator(".door-words")).to_have_count(3)
    assert [await each.get_attribute("lang") for each in await person.page.locator(
        ".door-words").all()] == ["ja", "ja", "en"]  # fmt: skip
    await collect(person, town.link())
    await person.page.goto(f"{town.origin}/d/aaaaaaaa")
    await state_is(person, "ready")


async def test_a_sticker_of_an_unknown_door_says_so(town: KeyTown, person: Visitor) -> None:
    await person.page.goto(f"{town.origin}/d/zzzzzzzz")
    await reads(person, "案内は見つかりませんでした")


async def test_inside_another_app_the_page_says_where_to_open_it(
    town: KeyTown, plain_browser: Browser
) -> None:
    inside = await welcome(plain_browser, PHONE_WIDTH, has_bluetooth=False, user_agent=LINE)
    link = town.link()
    await inside.page.goto(link)
    await reads(inside, "LINEの中の画面")
    way_out = await inside.page.locator("a.button-big").get_attribute("href")
    assert way_out == link.replace("/#", "/?openExternalBrowser=1#")
    await expect(inside.page.locator("#claim")).to_be_hidden()
    await inside.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await inside.page.click("#copy-link")
    await reads(inside, "コピーしました")
    assert await inside.page.evaluate("navigator.clipboard.readText()") == link
    await inside.page.click("#stay")
    await inside.page.click("#claim")
    await state_is(inside, "ready")
    await inside.context.close()
    assert inside.complaints == []


async def test_a_browser_that_keeps_no_keys_is_told_before_anything_is_collected(
    town: KeyTown, person: Visitor
) -> None:
    await person.context.add_init_script(
        "delete window.indexedDB; delete Window.prototype.indexedDB"
    )
    await person.page.goto(town.link())
    await reads(person, "鍵をしまっておくことができません")
    await expect(person.page.locator("#claim")).to_be_hidden()


async def test_the_language_is_chosen_once_and_works_without_signal(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link())
    await person.page.click("#language-en")
    await reads(person, "Unlock", "#gate")
    assert await person.page.evaluate("document.documentElement.lang") == "en"
    await is_ready_for_no_signal(person)
    await person.lose_signal()
    await person.page.reload()
    await reads(person, "Unlock", "#gate")
    await person.page.click("#language-ja-simple")
    await reads(person, "あける", "#gate")
    assert await person.page.evaluate("document.documentElement.lang") == "ja"


# --- for everyone


async def screens(town: KeyTown, visitor: Visitor) -> AsyncIterator[str]:
    """Every screen of the page, one after another."""
    page = visitor.page
    await page.goto(f"{town.origin}/")
    await expect(page.locator("#help-new-link")).to_be_visible()
    yield "empty"
    await page.goto(f"{town.origin}/d/aaaaaaaa")
    await expect(page.locator(".door-words")).to_have_count(3)
    yield "door"
    await page.goto(town.link(begins_in_s=7200))
    await expect(page.locator("#claim")).to_be_visible()
    yield "claim"
    await page.click("#claim")
    await state_is(visitor, "early")
    yield "early"
    await collect(visitor, town.link())
    await page.locator("#pin-box summary").click()
    yield "ready"
    town.reached = "UNREACHABLE"
    await press(visitor)
    await expect(page.locator(".says-bad")).to_be_visible()
    yield "refused"
    town.reached = None
    await press(visitor)
    await state_is(visitor, "opened")
    yield "opened"
    await page.click("#tool-hand-over")
    await page.click("dialog .button:not(.button-second)")
    await expect(page.locator(".qr img")).to_be_visible()
    yield "hand-over"
    await page.goto(f"{town.origin}/?other#{'x' * 24}")
    await page.click("#claim")
    await expect(page.locator(".says-bad")).to_be_visible()
    yield "unknown-link"


@pytest.mark.parametrize("lang", LANGS)
async def test_every_screen_is_for_everyone(town: KeyTown, person: Visitor, lang: str) -> None:
    await person.page.goto(f"{town.origin}/?lang={lang}")
    await expect(person.page.locator("h1")).to_be_visible()
    async for name in screens(town, person):
        await looks.picture(person.page, f"key-{name}-{lang}", PHONE_WIDTH)
        await looks.picture(person.page, f"key-{name}-{lang}", DESKTOP_WIDTH)
        await looks.axe(person.page, lang)
        await looks.fits(person.page)
        await looks.targets_can_be_hit(person.page)
        await looks.walk_by_keyboard(person.page)


async def test_all_of_it_by_keyboard(town: KeyTown, person: Visitor) -> None:
    await person.page.goto(town.link())
    await expect(person.page.locator("#claim")).to_be_visible()
    await person.page.focus("#claim")
    await person.page.keyboard.press("Enter")
    await state_is(person, "ready")
    for _ in range(12):
        await person.page.keyboard.press("Tab")
        if await person.page.evaluate("document.activeElement.id") == "gate":
            break
    await person.page.keyboard.press("Space")
    await state_is(person, "opened")
    assert await person.page.evaluate("document.activeElement.id") == "gate"
    assert town.openings() == 1


async def test_what_a_press_brings_is_spoken_and_the_countdown_is_not(
    town: KeyTown, person: Visitor
) -> None:
    await collect(person, town.link(begins_in_s=30 * MINUTE_S - 30))
    live = person.page.locator("body > [role=status]")
    await press(person)
    await expect(live).to_contain_text("あと20分で使えます")
    gate = await person.page.locator("#gate").element_handle()
    assert gate is not None
    assert await gate.evaluate("(node) => node.isConnected")


def test_the_workers_list_names_files_that_are_there_and_its_version_follows_them() -> None:
    source = key_pages.worker_source()
    kept = json.loads(source.split("const PRECACHE = ")[1].split(";\n")[0])
    files: dict[str, Any] = dict(key_pages._kept_files())
    assert set(kept["files"]) == set(files)
    assert all(file.is_file() for file in files.values())
    assert {"/", "/app.js", "/texts/ja.json", "/shared/base.css"} <= set(files)
    assert not [name for name in files if name.startswith("/v1/") or name.endswith("sw.js")]
