"""The resident's key page as a person uses it: reads, presses, goes away, comes back.

Decides nothing about doors. Words are looked up in the texts that the page itself shows.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from playwright.async_api import Page, expect

import kannuki
from tests.browser.chromium import Visitor
from tests.browser.town import Door

TEXTS = Path(kannuki.__file__).resolve().parent / "texts"
GAP = "[\\s\u200b]*"
SAYS = ".says p"
OPENED_WITHIN_MS = 40_000  # on two busy cores, a relay goes through five programs


@cache
def texts(lang: str) -> dict[str, str]:
    """All words of a language."""
    found: dict[str, str] = json.loads((TEXTS / f"{lang}.json").read_text(encoding="utf-8"))
    return found


def words(code: str, lang: str = "ja") -> re.Pattern[str]:
    """A sentence as a page shows it, wherever it breaks lines; its places may hold anything."""
    parts = re.split(r"\{\w+\}", texts(lang)[code])
    broken = (GAP.join(re.escape(letter) for letter in "".join(part.split())) for part in parts)
    return re.compile(f"^{GAP}" + ".+".join(broken) + f"{GAP}$")


class KeyPage:
    """One person's key page."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def collect(self, link: str) -> None:
        """Follow the link that the resident was sent, and press the one button."""
        await self.page.goto(link)
        await self.claim()

    async def claim(self) -> None:
        """The one button of a link that was opened for the first time."""
        await self.page.click("#claim")
        await expect(self.page.locator("#gate")).to_be_visible()

    async def number(self) -> str:
        """What a person would press at the keypad."""
        await self.page.click("#pin-box summary")
        shown = await self.page.locator("#pin-box .pin-number").inner_text()
        return "".join(letter for letter in shown if letter.isdigit())

    async def press(self) -> None:
        """The big button."""
        await self.page.click("#gate")

    async def tells(self, code: str, lang: str = "ja") -> None:
        """Wait until the page says this, beside the button."""
        told = self.page.locator(SAYS)
        await expect(told).to_have_text(words(code, lang), timeout=OPENED_WITHIN_MS)

    async def kept_for_later(self) -> None:
        """Wait until page and key are there without signal: what a first visit leaves behind."""
        await self.page.wait_for_function(
            "navigator.serviceWorker?.ready.then((found) => found.active?.state === 'activated')"
        )

    async def come_back(self, path: str = "/") -> None:
        """Close the tab and open the page again, as from a bookmark or a sticker on a door."""
        origin = re.match(r"https?://[^/]+", self.page.url)
        assert origin is not None
        await self.page.close()
        self.visitor.page = await self.visitor.new_page()
        await self.page.goto(origin.group() + path)


async def with_key(visitor: Visitor, door: Door, link: str) -> KeyPage:
    """Somebody who has collected the key of a booking and stands before the door."""
    visitor.stand_before(door.device_name)
    person = KeyPage(visitor)
    await person.collect(link)
    return person
