"""A person with the system's Chromium, driven by Playwright: pages, the chooser of Bluetooth
devices, signal that goes away.

Decides what counts as a fault of a page: an error on its console, an exception that nobody caught,
a breach of its own content policy, a file that is missing. A refusal by the town's API is no fault.
The radio is real to the browser: it speaks D-Bus to `org.bluez` of a simulated computer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    BrowserType,
    CDPSession,
    ConsoleMessage,
    Page,
    WebError,
    expect,
)
from playwright.async_api import Error as PlaywrightError

BOUND_MS = 30_000
expect.set_options(timeout=BOUND_MS)  # a bound for a busy machine; what is there passes at once
PHONE_WIDTH, DESKTOP_WIDTH, HEIGHT = 360, 1280, 800
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-features=WebBluetooth",
)
NO_BLUETOOTH = "delete Navigator.prototype.bluetooth"
NETWORK_NOTE = "Failed to load resource"


async def launch(kind: BrowserType, program: Path, environment: Mapping[str, str]) -> Browser:
    """Chromium with the Bluetooth of the computer in `environment`."""
    return await kind.launch(
        executable_path=program, headless=True, args=list(FLAGS), env=dict(environment)
    )


class Chooser:
    """Answers the browser's device chooser as a person would: picks what stands before them.

    Each prompt is answered exactly once; a second answer would end the browser. A prompt with
    nothing to pick stays open: the list grows while the browser scans.
    """

    def __init__(self) -> None:
        self.wanted: str | None = None
        self.cancels = True  # who expects no chooser closes it
        self.picked: list[str] = []
        self.offered: set[str] = set()
        self._answered: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def attend(self, session: CDPSession) -> None:
        """Watch one page."""
        session.on("DeviceAccess.deviceRequestPrompted", lambda e: self._prompted(session, e))
        await session.send("DeviceAccess.enable")

    def _prompted(self, session: CDPSession, event: dict[str, Any]) -> None:
        self.offered.update(each["name"] for each in event["devices"])
        if event["id"] in self._answered:
            return
        found = [each for each in event["devices"] if each["name"] == self.wanted]
        if self.cancels:
            self._answer(session, "cancelPrompt", id=event["id"])
        elif found:
            self.picked.append(found[0]["name"])
            self._answer(session, "selectPrompt", id=event["id"], deviceId=found[0]["id"])

    def _answer(self, session: CDPSession, how: str, **parameters: Any) -> None:
        self._answered.add(parameters["id"])
        task = asyncio.ensure_future(_send(session, f"DeviceAccess.{how}", parameters))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _send(session: CDPSession, method: str, parameters: dict[str, Any]) -> None:
    try:
        await session.send(method, parameters)
    except PlaywrightError:
        return  # the page was closed meanwhile; the test that needed it fails by itself


class Visitor:
    """One person: a browser profile of their own with one page, and what went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.chooser = Chooser()
        self.page: Page
        self.complaints: list[str] = []
        self._forgiven: list[re.Pattern[str]] = []
        self._is_offline = False
        context.set_default_timeout(BOUND_MS)
        context.on("console", self._note)
        context.on("weberror", self._note_exception)

    async def arrive(self) -> Visitor:
        """Open the first page."""
        self.page = await self.new_page()
        return self

    async def new_page(self) -> Page:
        """Another tab of the same person."""
        page = await self.context.new_page()
        await self.chooser.attend(await self.context.new_cdp_session(page))
        return page

    def stand_before(self, device_name: str | None) -> None:
        """Which device the person picks when the browser asks; None: they close the chooser."""
        self.chooser.wanted, self.chooser.cancels = device_name, device_name is None

    async def lose_signal(self) -> None:
        """No network at all, for pages and for service workers; Bluetooth stays."""
        self._is_offline = True
        await self.context.set_offline(True)

    async def find_signal(self) -> None:
        """The network is back."""
        await self.context.set_offline(False)
        self._is_offline = False

    async def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        return await self.page.locator(selector).first.inner_text()

    def forgive(self, pattern: str) -> None:
        """A complaint that this test provokes."""
        self._forgiven.append(re.compile(pattern))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        where = str(message.location.get("url", ""))
        if message.text.startswith(NETWORK_NOTE) and self._is_no_fault(where):
            return
        self._complain(f"{message.text} ({where})")

    def _is_no_fault(self, url: str) -> bool:
        return self._is_offline or urlsplit(url).path.startswith("/v1/")

    def _note_exception(self, error: WebError) -> None:
        self._complain(f"uncaught: {error.error}")

    def _complain(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in self._forgiven):
            self.complaints.append(text)


async def welcome(
    browser: Browser,
    width: int = DESKTOP_WIDTH,
    locale: str = "ja-JP",
    has_bluetooth: bool = True,
    **options: Any,
) -> Visitor:
    """A new person; without Bluetooth it is as in a browser that never heard of it."""
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        locale=locale,
        timezone_id="Asia/Tokyo",
        **options,
    )
    if not has_bluetooth:
        await context.add_init_script(NO_BLUETOOTH)
    return await Visitor(context).arrive()
