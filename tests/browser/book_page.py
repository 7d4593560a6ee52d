"""The booking site as a resident uses it: signs in at a real provider, picks a room and a time.

Decides nothing: which times there are, and what a booking becomes, is the town's business.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from tests.browser.chromium import Visitor
from tests.browser.town import BrowserTown, Door


class BookPage:
    """One person at the booking site of a town."""

    def __init__(self, visitor: Visitor, town: BrowserTown) -> None:
        self.visitor = visitor
        self._town = town
        self._site = town.site("book")

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def sign_in(self, person: str) -> None:
        """With the card, at the provider's own page, and back."""
        self.visitor.forgive("/favicon.ico")  # of the provider's page
        await self.page.goto(f"{self._site}/sign-in/")
        await self.page.click("main a[href^='/v1/sign-in/']")
        await self.page.click(f"button[value={person}]")
        await self.page.wait_for_url(f"{self._site}/**")

    async def choose(self, door: Door) -> None:
        """The next free time of this door's room: from now on."""
        await self.page.goto(f"{self._site}/")
        await self.page.locator("button.window", has_text=door.room).first.click()
        await self.page.click("#choose-yes")
        await self.page.wait_for_url("**/reserve/**")

    async def fill_in(self, purpose: str) -> str:
        """What the form asks for; the booking's id."""
        await self.page.fill("#purpose", purpose)
        await self.page.click("main button[type=submit]")
        await self.page.wait_for_url("**/booking/**")
        (booking_id,) = parse_qs(urlsplit(self.page.url).query)["id"]
        self._town.will_cancel(booking_id)
        return booking_id

    async def to_the_key(self) -> None:
        """From the booking to the page that becomes the key."""
        await self.page.locator("main .button-big").first.click()
        await self.page.wait_for_url(f"{self._town.site('key')}/**")
        await expect(self.page.locator("#claim")).to_be_visible()
