"""The clerk's console as a clerk uses it: a passkey, today's bookings, what is done for a resident.

Decides nothing; what a clerk may do is the town's business.
"""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.chromium import Visitor
from tests.browser.key_page import words
from tests.browser.passkeys import Authenticator, authenticator_of
from tests.browser.town import BrowserTown, Door

HOLD_MS = 1600  # the button that opens wants to be held a little longer than a second


class Desk:
    """One member of staff at the console."""

    def __init__(self, visitor: Visitor, town: BrowserTown) -> None:
        self.visitor = visitor
        self._town = town
        self.authenticator: Authenticator

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def join(self, role: str = "manager", name: str = "中村") -> None:
        """Follow an invitation and make a passkey; this signs in."""
        await self.follow(await self._town.invitation(name, role))
        await self.at("today")

    async def follow(self, invitation: str) -> None:
        """Make a passkey on this computer by an invitation."""
        self.authenticator = await authenticator_of(self.page)
        await self.page.goto(invitation)
        await self.page.click("main button.button-big")

    async def sign_in(self) -> None:
        """With the passkey that this computer has."""
        await self.page.goto(f"{self._town.site('console')}/")
        await self.page.click("main button.button-big")
        await expect(self.page.locator("nav a[href='#/today']")).to_be_visible()

    async def go(self, place: str) -> None:
        """A place of the console, such as "fleet" or "bookings/ab12"."""
        await self.page.goto(f"{self._town.site('console')}/#/{place}")
        await self.at(place.split("/")[0])

    async def at(self, place: str) -> None:
        """Wait until that place is shown."""
        await self.page.wait_for_url(re.compile(f"#/{place}"))
        await expect(self.page.locator("main h1").first).to_be_visible()

    async def booking(self, booking_id: str, deed: str) -> None:
        """Open a booking and begin to do something about it."""
        await self.go(f"bookings/{booking_id}")
        await self.page.click(f"#deed-{deed}")

    async def book(self, door: Door, name: str) -> str:
        """The next free time of a room for somebody at the counter; the link that is told once."""
        await self.go("book")
        await self.page.locator("main form button[type=submit]").first.click()
        room = self.page.locator("section", has=self.page.locator("h3", has_text=door.room))
        await room.locator("button").first.click()
        await self.page.fill("#book-name", name)
        await self.page.click("main form button[type=submit].button-big")
        link = await self.page.locator(".secret-link").inner_text()
        for booking_id in await self._town.bookings_of(name):
            self._town.will_cancel(booking_id)
        return link

    async def open_the_door(self, reason: str) -> None:
        """In the dialog: say why, and hold the button until it acts."""
        await self.page.select_option("#open-reason", reason)
        await self.page.locator("dialog button.hold").hover()
        await self.page.mouse.down()
        await self.page.wait_for_timeout(HOLD_MS)
        await self.page.mouse.up()
        done = self.page.locator("dialog [role=status]")
        await expect(done).to_have_text(words("desk.open.done"), timeout=40_000)
