"""A person at the page, in a real Chromium: books, gets the key, opens a door, is refused.

Driven through the DevTools protocol; the neighbours are the fakes of stage_fakes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import web

from simulator.stage.neighbours import Neighbour, pool
from simulator.stage.site import Site
from simulator.stage.watch import Neighbours, Watch
from tests.simulator.stage_fakes import STAFF, Fakes, application, town_now

pytestmark = pytest.mark.slow

BOUND_S = 30
LOOK_S = 0.05
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0",
)  # fmt: skip


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "chromium is missing: make test installs it (packaging/apt.txt)"
    return found


@dataclass
class Page:
    """One tab."""

    socket: Any
    complaints: list[str] = field(default_factory=list)
    _last: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        mine = self._last
        await self.socket.send(json.dumps({"id": mine, "method": method, "params": parameters}))
        while True:
            said = json.loads(await asyncio.wait_for(self.socket.recv(), BOUND_S))
            self._note(said)
            if said.get("id") == mine:
                assert "error" not in said, said
                return said["result"]

    def _note(self, said: dict[str, Any]) -> None:
        entry = said.get("params", {}).get("entry", {})
        is_refusal = entry.get("source") == "network"  # a refused booking is a 409: no fault
        if said.get("method") == "Runtime.exceptionThrown" or (entry and not is_refusal):
            self.complaints.append(json.dumps(said["params"]))

    async def open(self, url: str, width: int = 1280) -> None:
        for domain in ("Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        await self.call("Page.navigate", url=url)

    async def js(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
            userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def when(self, expression: str) -> Any:
        """The value of `expression` once it has one that counts as true (an element is {})."""
        tried = f"(() => {{ try {{ return {expression}; }} catch {{ return null; }} }})()"
        deadline = time.monotonic() + BOUND_S
        while (value := await self.js(tried)) in (None, False, "", 0):
            assert time.monotonic() < deadline, f"{expression} is still {value!r}"
            await asyncio.sleep(LOOK_S)
        return value

    async def click(self, selector: str) -> None:
        """Click once it is there, in sight and enabled."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.when(f"{found} && {found}.checkVisibility() && !{found}.disabled")
        await self.js(f"{found}.click()")

    async def text(self, selector: str) -> str:
        return await self.js(f"document.querySelector({json.dumps(selector)})?.textContent")


@dataclass
class Scene:
    url: str
    page: Page
    fakes: Fakes
    status_file: Path


async def _serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _devtools(profile: Path) -> str:
    port_file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + BOUND_S
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < deadline:
            if port_file.exists() and (said := port_file.read_text().split()):
                async with http.get(f"http://127.0.0.1:{said[0]}/json") as answer:
                    for tab in await answer.json(content_type=None):
                        if tab["type"] == "page":
                            return tab["webSocketDebuggerUrl"]
            await asyncio.sleep(LOOK_S)
    raise AssertionError("chromium did not start")


@pytest.fixture
async def scene(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Scene]:
    fakes, profile = Fakes(), tmp_path / "profile"
    fake_runner, fake_url = await _serve(application(fakes))
    browser = await asyncio.create_subprocess_exec(
        chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    tasks = [asyncio.create_task(fakes.live())]
    try:
        async with (
            pool() as http,
            websockets.connect(await _devtools(profile), max_size=None) as socket,
        ):
            near = Neighbours(
                Neighbour(http, f"{fake_url}/cloud", STAFF), Neighbour(http, f"{fake_url}/phone"),
                Neighbour(http, f"{fake_url}/world"), tmp_path / "status.json",
            )  # fmt: skip
            watch = Watch(near, time.time)
            runner, url = await _serve(Site(near, watch).app())
            tasks += watch.tasks()
            yield Scene(url, Page(socket), fakes, tmp_path / "status.json")
            await runner.cleanup()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await fake_runner.cleanup()
        browser.kill()
        await browser.wait()


async def _book(page: Page) -> None:
    await page.when("document.querySelectorAll('#room option').length === 3")
    await page.click(".book-form .primary")
    await page.when("document.querySelector('#key-link').value")


async def test_person_books_claims_and_opens_the_door(scene: Scene) -> None:
    page, now = scene.page, int(town_now())
    older = {"id": "old", "room": "調理室", "lock_id": "lock-bb2"}
    scene.fakes.keys["佐藤"].append({**older, "starts_at": now - 9000, "ends_at": now - 8000})
    await page.open(f"{scene.url}/")
    await _book(page)
    await page.click(".ticket .primary")
    await page.when("document.querySelector('[name=key]:checked').value === 'b0'")
    await page.click(".unlock")

    answer = await page.when("document.querySelector('.answer[data-code=OPENED]')?.textContent")
    await page.click('[data-lock="lock-aa1"] [data-act="open"]')
    await page.when("document.querySelector('[data-lock=\"lock-aa1\"]').dataset.leaf === 'open'")

    assert "鍵が開きました" in answer
    assert "42 ミリ秒" in answer
    assert "解錠" in await page.when("document.querySelector('table.record tbody')?.textContent")
    assert page.complaints == []


async def test_person_is_told_why_the_door_stays_shut_in_each_language(scene: Scene) -> None:
    page, now = scene.page, int(town_now())
    key = {"id": "k", "room": "調理室", "lock_id": "lock-bb2"}
    scene.fakes.keys["佐藤"].append({**key, "starts_at": now + 700, "ends_at": now + 4000})
    await page.open(f"{scene.url}/")
    await page.click(".unlock")
    await page.when("document.querySelector('.answer[data-code=NOT_YET_VALID]')")

    for lang, words in (("ja", "あと12分で使えます"), ("ja-simple", "ぷん"), ("en", "in 12 min")):
        await page.click(f"button[data-lang='{lang}']")
        assert words in await page.text(".answer-head")
    await page.js(
        "(() => { const at = document.querySelector('#held-at'); at.value = 'lock-cc3'; })()"
    )
    await page.click(".unlock")
    await page.when("document.querySelector('.answer[data-code=WRONG_LOCK]')")

    assert scene.fakes.doors["lock-bb2"].bolt == scene.fakes.doors["lock-cc3"].bolt == 1.0
    assert page.complaints == []


async def test_taken_room_is_said_beside_the_form(scene: Scene) -> None:
    page = scene.page
    await page.open(f"{scene.url}/")
    await _book(page)
    await page.js("document.querySelector('#room').value = 'room-lock-aa1'")
    await page.js("document.querySelector('#room').dispatchEvent(new Event('change'))")
    await page.click(".book-form .primary")

    assert "別の予約" in await page.when("document.querySelector('.problem').textContent")


async def test_key_link_opens_nothing_until_a_person_presses(scene: Scene) -> None:
    page, now = scene.page, int(town_now())
    scene.fakes.bookings.append(
        {"booking_id": "b9", "room_id": "room-lock-cc3", "holder_name": "佐藤",
         "starts_at": now - 60, "ends_at": now + 600, "status": "confirmed"}
    )  # fmt: skip
    await page.open(f"{scene.url}/phone#SECRET-of-b9", width=390)
    link = await page.when("document.querySelector('#phone-link').value")
    before = [each for each in scene.fakes.asked if each.startswith("POST")]
    await page.click(".claim .primary")
    await page.when("document.querySelector('[name=key]:checked')")

    assert link == f"{scene.url}/phone#SECRET-of-b9"
    assert before == []
    assert not [each for each in scene.fakes.asked if "SECRET" in each]
    assert await page.js("location.hash") == ""


async def test_page_says_calmly_who_is_away_and_recovers_by_itself(scene: Scene) -> None:
    page = scene.page
    await page.open(f"{scene.url}/")
    await page.when("document.querySelectorAll('.door').length === 3")
    scene.fakes.mode["cloud"] = "down"
    notice = await page.when("document.querySelector('.notice[data-down=cloud]')?.textContent")
    doors = await page.js("document.querySelectorAll('.door').length")
    scene.fakes.mode["cloud"] = "up"
    await page.when("document.querySelector('[data-down=cloud]') === null")

    assert "つながりません" in notice
    assert doors == 3


async def test_killed_part_is_seen_coming_back(scene: Scene) -> None:
    page = scene.page
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(600)"
    )
    part = {"name": "gateway", "pid": victim.pid, "state": "ready", "restarts": 0}

    def write(**news: Any) -> None:
        notes = {"name": "demo", "pid": os.getpid(), "children": [{**part, **news}]}
        scene.status_file.write_text(json.dumps(notes))

    write()
    await page.open(f"{scene.url}/")
    await page.click("[data-part=gateway] button")
    ended = await asyncio.wait_for(victim.wait(), BOUND_S)
    write(pid=None, state="backoff", restarts=1)
    await page.when("document.querySelector('[data-part=gateway]').dataset.state === 'backoff'")
    write(pid=os.getpid(), state="ready", restarts=1)

    assert ended == -9
    assert "戻りました" in await page.when(
        "document.querySelector('[data-part=gateway] .back').textContent"
    )


@pytest.mark.parametrize("width", [320, 390, 640, 1280])
@pytest.mark.parametrize("lang", ["ja", "ja-simple", "en"])
async def test_nothing_sticks_out_and_targets_can_be_hit(
    scene: Scene, width: int, lang: str
) -> None:
    page = scene.page
    await page.open(f"{scene.url}/?lang={lang}", width=width)
    await page.when("document.querySelectorAll('.door').length === 3")

    assert await page.js("document.documentElement.scrollWidth <= innerWidth")
    small = await page.js(
        "[...document.querySelectorAll('button, select, input, summary, nav a, .tour a')]"
        ".filter((each) => each.checkVisibility() && !each.closest('label.choice'))"
        ".filter((each) => each.getBoundingClientRect().height < 44).map((each) => each.outerHTML)"
    )
    assert small == []
    assert await page.js("document.documentElement.lang") == ("en" if lang == "en" else "ja")
