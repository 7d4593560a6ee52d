"""The browser's own Web Bluetooth reaches the real firmware, with none of our pages in between.

What fails here is the bench (browser, chooser, simulated org.bluez, virtual lock), not a page.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from protocol import audit, frames, session
from simulator.phone.opening import REAL, attempt
from simulator.phone.service import Service
from simulator.phone.wallet import Key, Wallet
from tests.browser.chromium import Visitor
from tests.browser.conftest import Welcome
from tests.browser.town import BrowserTown, Door

MAX_WRITE = 185 - 3


class PageLink:
    """simulator.phone.opening.Transport over a page with nothing but a link."""

    def __init__(self, visitor: Visitor) -> None:
        self._page = visitor.page
        self._reassembler = frames.Reassembler()

    async def send(self, message: bytes) -> None:
        for fragment in frames.fragment(message, MAX_WRITE):
            await self._page.evaluate("(bytes) => link.write(bytes)", list(fragment))

    async def receive(self) -> bytes:
        while True:
            fragment = bytes(await self._page.evaluate("link.receive()"))
            message = self._reassembler.push(fragment)
            if message is not None:
                return message


@pytest.fixture
def page_url(static_url: str) -> str:
    return f"{static_url}/link.html"


async def connect(visitor: Visitor, url: str, door: Door) -> PageLink:
    visitor.stand_before(door.device_name)
    await visitor.page.goto(url)
    await visitor.page.click("#connect")
    await expect(visitor.page.locator("#state")).to_have_text("connected")
    return PageLink(visitor)


async def claimed(town: BrowserTown, door: Door, folder: Path) -> Key:
    """A key for this door, as a phone holds it."""
    link = await town.key_link(door, begins_in_s=60)
    wallet = Wallet(folder / "wallet.json")
    (key,) = await Service(town.running.url("cloud")).claim(wallet, link)
    return key


async def test_lock_greets_the_browser_with_a_challenge(
    visit: Welcome, page_url: str, door: Door
) -> None:
    visitor = await visit()
    link = await connect(visitor, page_url, door)
    await link.send(session.encode_hello())
    kind, body = session.split(await link.receive())

    assert kind == session.CHALLENGE
    assert session.decode_challenge(body).lock_id == door.lock_id
    assert visitor.chooser.picked == [door.device_name]


async def test_bytes_through_the_browser_open_the_door(
    visit: Welcome, page_url: str, town: BrowserTown, door: Door, tmp_path: Path
) -> None:
    key = await claimed(town, door, tmp_path)
    visitor, before = await visit(), await door.witness()
    link = await connect(visitor, page_url, door)
    result = await attempt(link, key.credential(), session.COMMAND_UNLOCK, around=REAL)

    assert (result.code, result.authentic) == ("OPENED", True)
    record = await door.opened_by(before, audit.SOURCE_HOLDER)
    assert record.subject is not None
    assert record.subject.hex() == key.id


async def test_random_bytes_from_a_page_open_nothing_and_the_lock_goes_on(
    visit: Welcome, page_url: str, door: Door
) -> None:
    before = await door.witness()
    visitor = await visit()
    await connect(visitor, page_url, door)
    await visitor.page.evaluate("(bytes) => link.write(bytes)", list(os.urandom(100)))
    again = await connect(visitor, page_url, door)
    await again.send(session.encode_hello())

    assert session.split(await again.receive())[0] == session.CHALLENGE
    await door.stayed_shut(before)


async def test_page_learns_at_once_when_the_lock_loses_its_power(
    visit: Welcome, page_url: str, door: Door
) -> None:
    visitor = await visit()
    await connect(visitor, page_url, door)
    await door.switch_off()
    await expect(visitor.page.locator("#state")).to_have_text("gone")
    await door.switch_on()

    await connect(visitor, page_url, door)


async def test_closed_tab_frees_the_lock(visit: Welcome, page_url: str, door: Door) -> None:
    visitor = await visit()
    await connect(visitor, page_url, door)
    await visitor.page.close()

    await left_alone(door)


async def left_alone(door: Door) -> None:
    async def free() -> bool:
        return not (await door.state())["links"]

    await door.when(free, "nobody is connected")


async def test_person_who_closes_the_chooser_is_connected_to_nothing(
    visit: Welcome, page_url: str, door: Door
) -> None:
    await left_alone(door)  # by the visitor before
    visitor = await visit()
    visitor.stand_before(None)
    await visitor.page.goto(page_url)
    await visitor.page.click("#connect")

    await expect(visitor.page.locator("#state")).to_have_text("NotFoundError")
    assert not (await door.state())["links"]
