"""The protocol's modules alone, in the real browser, against the real firmware.

A page with three buttons stands in for the key page: what fails here is a module, not a screen.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Route, expect

from protocol import audit, timebound
from tests.browser.chromium import Visitor
from tests.browser.conftest import Welcome
from tests.browser.town import BrowserTown, Door

PAGES = Path(__file__).resolve().parent / "pages"
KINDS = {".html": "text/html", ".js": "text/javascript"}


async def holder_page(visitor: Visitor, town: BrowserTown, link: str) -> None:
    """A page of the key site that the town does not have; everything else is the town's."""
    policy = (await town.headers("key"))["content-security-policy"]

    async def answer(route: Route) -> None:
        file = PAGES / Path(urlsplit(route.request.url).path).name
        headers = {"content-type": KINDS[file.suffix], "content-security-policy": policy}
        await route.fulfill(body=file.read_text(encoding="utf-8"), headers=headers)

    await visitor.context.route("**/bench/*", answer)
    await visitor.page.goto(f"{town.site('key')}/bench/holder.html#{link.partition('#')[2]}")


async def press(visitor: Visitor, button: str, answer: str) -> None:
    await visitor.page.click(f"#{button}")
    await expect(visitor.page.locator("#answer")).to_have_text(answer)


async def with_key(
    visitor: Visitor, town: BrowserTown, door: Door, begins_in_s: int = 60
) -> Visitor:
    """A person with a claimed key for this door, who stands before it."""
    visitor.stand_before(door.device_name)
    await holder_page(visitor, town, await town.key_link(door, begins_in_s))
    await press(visitor, "claim", "CLAIMED")
    return visitor


async def test_booking_opens_the_door_over_web_bluetooth_and_the_record_goes_home_with_the_page(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    visitor = await with_key(await visit(), town, door)
    before = await door.witness()
    await press(visitor, "bluetooth", "OPENED")
    await door.opened_by(before, audit.SOURCE_HOLDER)
    carried = await (await visitor.page.wait_for_function("carried()")).json_value()

    assert carried["head"]
    assert carried["stopped"] is None


async def test_booking_opens_the_door_by_relay(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    visitor = await with_key(await visit(has_bluetooth=False), town, door)
    before = await door.witness()
    await press(visitor, "relay", "OPENED")

    await door.opened_by(before, audit.SOURCE_REMOTE)


async def test_key_at_another_lock_is_noticed_before_anything_is_presented(
    visit: Welcome, town: BrowserTown, door: Door, other_door: Door
) -> None:
    visitor = await with_key(await visit(), town, door)
    visitor.stand_before(other_door.device_name)
    here, there = await other_door.witness(), await door.witness()
    await visitor.page.evaluate(
        "(lockId) => { document.body.dataset.door = lockId; }", other_door.lock_id
    )
    await press(visitor, "bluetooth", "WRONG_LOCK")

    await other_door.stayed_shut(here)
    await door.stayed_shut(there)


async def test_lock_that_lost_the_time_is_told_it_by_the_page_and_opens(
    visit: Welcome, town: BrowserTown, door: Door
) -> None:
    visitor = await with_key(await visit(), town, door)
    await town.switch_off("gateway")
    await door.lose_time()
    before = await door.witness()
    await visitor.page.evaluate("document.body.dataset.alone = 'yes'")
    await press(visitor, "bluetooth", "TIME_UNKNOWN")
    await door.stayed_shut(before)
    await visitor.page.evaluate("delete document.body.dataset.alone")
    await press(visitor, "bluetooth", "OPENED")

    await door.bolt_is("unlocked")
    record = await door.record_of(before, audit.LOCK_OPERATION, audit.SOURCE_HOLDER)
    assert record.time.hi != timebound.FOREVER
