"""From a booking to an open door, in a real browser, on the resident's key page.

Over Web Bluetooth, by relay, and with no signal; and every refusal that a resident can meet at a
door. What counts is the bolt and what the lock wrote down itself.
"""

from __future__ import annotations

from playwright.async_api import expect

from protocol import audit, reasons
from tests.browser.book_page import BookPage
from tests.browser.conftest import Welcome
from tests.browser.key_page import OPENED_WITHIN_MS, KeyPage, with_key
from tests.browser.town import BrowserTown, Door

HOUR = 3600
CLOCK_AHEAD = "{ const now = Date.now; Date.now = () => now() + 2 * 3600 * 1000; }"


async def refused_by(door: Door, reason: int, before) -> audit.Record:
    """The lock's own record of a refusal, brought home by the gateway."""
    return await door.record_of(before, audit.LOCK_OPERATION_ERROR, audit.SOURCE_HOLDER, reason)


# --- the one thing that matters most


async def test_resident_signs_in_books_and_opens_the_door(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    """All of it in one browser: provider, booking site, key page, Web Bluetooth."""
    visitor = await visit(width=360)
    booking = BookPage(visitor, town)
    await booking.sign_in("hanako")
    await booking.choose(door)
    await booking.fill_in("俳句の会")
    await booking.to_the_key()
    visitor.stand_before(door.device_name)
    person = KeyPage(visitor)
    await person.claim()
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")

    await door.opened_by(before, audit.SOURCE_HOLDER)


async def test_booking_becomes_an_open_door_over_web_bluetooth(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(width=360), door, await town.key_link(door, 60))
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")

    await door.opened_by(before, audit.SOURCE_HOLDER)
    assert person.visitor.chooser.picked == [door.device_name]


async def test_browser_without_bluetooth_opens_by_relay_by_itself(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    visitor = await visit(width=360, has_bluetooth=False)
    person = await with_key(visitor, door, await town.key_link(door, 60))
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")

    await door.opened_by(before, audit.SOURCE_REMOTE)
    assert visitor.chooser.picked == []


async def test_key_opens_with_no_signal_and_the_phone_carries_the_record_home(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(width=360), door, await town.key_link(door, 60))
    await person.kept_for_later()
    await town.switch_off("gateway")
    await person.visitor.lose_signal()
    await person.come_back()
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")
    await door.bolt_is("unlocked")
    assert await door.wrote_since(before) == []  # nobody could have told the town yet

    await person.visitor.find_signal()
    await door.opened_by(before, audit.SOURCE_HOLDER)


async def test_second_opening_asks_for_no_device_again(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    for _ in range(2):
        before = await door.witness()
        await person.press()
        await person.tells("OPENED")
        await door.opened_by(before, audit.SOURCE_HOLDER)
        await door.bolt_is("locked")

    assert len(person.visitor.chooser.picked) == 1


async def test_person_locks_the_door_again(visit: Welcome, town: BrowserTown, door: Door) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await person.press()
    await person.tells("OPENED")
    before = await door.witness()
    await person.page.click("#lock")
    await person.tells("LOCKED")

    await door.bolt_is("locked")
    await door.record_of(before, audit.LOCK_OPERATION, audit.SOURCE_HOLDER, audit.OPERATION_LOCK)


# --- refusals


async def test_withdrawn_key_is_refused_by_the_lock_even_to_a_phone_that_does_not_know(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await person.kept_for_later()
    await person.visitor.lose_signal()
    before = await door.witness()
    await town.withdraw(door)
    await person.press()
    await person.tells("REVOKED")

    await refused_by(door, reasons.REVOKED, before)
    await door.stayed_shut(before)


async def test_early_key_says_how_long_it_takes_and_does_not_ask_the_lock(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, HOUR))
    before = await door.witness()
    await person.press()
    await person.tells("NOT_YET_VALID")

    assert person.visitor.chooser.picked == []
    await door.stayed_shut(before)


async def test_lock_refuses_an_early_key_to_a_phone_whose_clock_is_ahead(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 2 * HOUR))
    await person.kept_for_later()
    await person.visitor.lose_signal()
    await person.visitor.context.add_init_script(CLOCK_AHEAD)
    await person.come_back()
    before = await door.witness()
    await person.press()
    await expect(person.page.locator("#gate")).to_have_attribute("aria-busy", "true")
    await expect(person.page.locator("#gate")).to_have_attribute(
        "aria-busy", "false", timeout=OPENED_WITHIN_MS
    )

    assert "開きました" not in await person.visitor.text()
    await refused_by(door, reasons.NOT_YET_VALID, before)
    await door.stayed_shut(before)


async def test_key_before_the_wrong_door_opens_neither(
    visit: Welcome, town: BrowserTown, door: Door, other_door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    here, there = await other_door.witness(), await door.witness()
    await person.come_back(f"/d/{other_door.lock_id}")
    await expect(person.page.locator("h1")).to_contain_text(other_door.room)

    await other_door.stayed_shut(here)
    await door.stayed_shut(there)


async def test_sticker_on_the_right_door_leads_to_the_key(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await person.come_back(f"/d/{door.lock_id}")
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")

    await door.opened_by(before, audit.SOURCE_HOLDER)


async def test_page_brings_the_time_to_a_lock_that_lost_it(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await town.switch_off("gateway")
    await door.lose_time()
    before = await door.witness()
    await person.press()
    await person.tells("OPENED")

    await door.opened_by(before, audit.SOURCE_HOLDER)


async def test_lock_without_the_time_says_so_to_a_phone_without_signal(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await person.kept_for_later()
    await town.switch_off("gateway")
    await door.lose_time()
    await person.visitor.lose_signal()
    before = await door.witness()
    await person.press()
    await person.tells("TIME_UNKNOWN")

    await door.stayed_shut(before)


async def test_number_from_the_page_opens_at_the_keypad_for_a_hand_without_a_phone(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(width=360), door, await town.key_link(door, 60))
    number = await person.number()
    before = await door.witness()
    await door.touch("keys", keys=number)

    await door.opened_by(before, audit.SOURCE_KEYPAD)


async def test_jammed_bolt_is_told_and_not_called_open(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await door.touch("jam", at=0.5)
    try:
        await person.press()
        await person.tells("JAMMED")
    finally:
        await door.touch("unjam")


async def test_lock_without_power_is_out_of_reach_and_the_page_offers_other_ways(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    person = await with_key(await visit(), door, await town.key_link(door, 60))
    await person.press()
    await person.tells("OPENED")
    await door.switch_off()
    await person.press()
    await person.tells("UNREACHABLE")

    await expect(person.page.locator("#help-relay")).to_be_visible()
