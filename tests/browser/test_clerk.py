"""A clerk's day at the console, with real doors: never a key in the hand, and nobody left outside.

What the console's screens look like is tested apart; here a deed must be true at a door.
"""

from __future__ import annotations

import pytest_asyncio
from playwright.async_api import expect

from protocol import audit, reasons
from tests.browser.conftest import Welcome
from tests.browser.desk_page import Desk
from tests.browser.key_page import texts, with_key
from tests.browser.town import BrowserTown, Door


@pytest_asyncio.fixture(loop_scope="session")
async def desk(visit: Welcome, town: BrowserTown) -> Desk:
    """A clerk who is signed in."""
    found = Desk(await visit(), town)
    await found.join()
    return found


async def test_clerk_signs_out_and_in_again_with_the_passkey(desk: Desk) -> None:
    await desk.page.get_by_text("サインアウト").click()
    await expect(desk.page.locator("main button.button-big")).to_be_visible()
    await desk.sign_in()

    (passkey,) = await desk.authenticator.credentials()
    assert passkey["isResidentCredential"]
    assert passkey["signCount"] >= 1


async def test_invitation_serves_once(desk: Desk, visit: Welcome, town: BrowserTown) -> None:
    link = await town.invitation("田中", "clerk")
    first, second = Desk(await visit(), town), Desk(await visit(), town)
    await first.follow(link)
    await first.at("today")
    await second.follow(link)

    await expect(second.page.locator("main .alert-bad")).to_be_visible()


async def test_clerk_opens_for_a_booking_with_a_reason_that_stays_written_down(
    desk: Desk, town: BrowserTown, door: Door
) -> None:
    await town.key_link(door, 60)
    before = await door.witness()
    await desk.booking(town.last_booking, "open")
    await desk.open_the_door("phone_dead")

    await door.opened_by(before, audit.SOURCE_REMOTE)
    deeds = (await town.office.staff("GET", "actions?limit=20"))["actions"]
    why = texts("ja")["desk.open.reason.phone_dead"]
    assert [deed["name"] for deed in deeds if why in str(deed["detail"])] == ["中村"]


async def test_booking_at_the_counter_opens_by_the_number_on_the_slip(
    desk: Desk, town: BrowserTown, door: Door
) -> None:
    await desk.book(door, "岡田 ハル")
    (booking_id,) = await town.bookings_of("岡田 ハル")
    await desk.booking(booking_id, "slip")
    await desk.page.click("#slip-show")
    shown = await desk.page.locator(".slip .pin").inner_text()
    before = await door.witness()
    await door.touch("keys", keys="".join(letter for letter in shown if letter.isdigit()))

    await door.opened_by(before, audit.SOURCE_KEYPAD)


async def test_lost_phone_gets_a_new_key_and_the_old_one_dies_at_the_door(
    desk: Desk, visit: Welcome, town: BrowserTown, door: Door
) -> None:
    link = await town.key_link(door, 60)
    lost = await with_key(await visit(), door, link)
    await lost.kept_for_later()
    await lost.visitor.lose_signal()
    held = await town.list_version(door)
    await desk.booking(town.last_booking, "reissue")
    await desk.page.click("dialog[open] .button-bad")
    new_link = await desk.page.locator(".secret-link").inner_text()
    await town.list_reached(door, held)
    before = await door.witness()
    await lost.press()
    await lost.tells("REVOKED")
    await door.record_of(before, audit.LOCK_OPERATION_ERROR, audit.SOURCE_HOLDER, reasons.REVOKED)
    await door.stayed_shut(before)

    found = await with_key(await visit(), door, new_link)
    await found.press()
    await found.tells("OPENED")
    await door.opened_by(before, audit.SOURCE_HOLDER)


async def test_clerk_finds_the_opening_in_the_records_and_takes_the_table_along(
    desk: Desk, visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")
    await door.opened_by(before, audit.SOURCE_HOLDER)
    await desk.go("audit")
    await expect(desk.page.locator("main table").first).to_contain_text(door.room)
    async with desk.page.expect_download() as download:
        await desk.page.click("a[download]")

    table = (await (await download.value).path()).read_text(encoding="utf-8-sig")
    assert door.room in table
