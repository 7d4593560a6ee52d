"""One scan for all links: which locks are in the air, and the handle to connect to each.

Decides when to scan: always, except while somebody connects (BlueZ may refuse or starve a
connection during discovery). Survives the adapter and the Bluetooth service going away and coming
back: each scan is short, so that a dead bus shows, and a failed one is tried again, more slowly
each time, but so that a stick that is plugged in again is found within RETRY_MAX_S. Time in which
nobody may scan does not count against a lock that is looked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.radiofaults import Fault, classify
from kannuki.backoff import Backoff
from protocol import gatt

log = logging.getLogger(__name__)

FRESH_S = 20.0  # BlueZ forgets a device it has not heard for 30 s
REPORT_EVERY_S = 1.0
START_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0
SCAN_FOR_S = 15.0
RETRY_MAX_S = 10.0
LONGEST_FIND_S = 18.0  # pauses included; the machine gives up a connection after 25


@dataclass
class _Seen:
    device: BLEDevice
    seen_at: float
    reported_at: float


class Scanning:
    """`run` scans until cancelled; `on_seen(lock)` is called at most once a second per lock.

    `on_listening(is_on)`: from now on, or no longer, a lock that advertises would be heard.
    `on_radio(works)`: this computer's radio does not work, or does again.
    """

    def __init__(
        self,
        on_seen: Callable[[str], None],
        random: Callable[[], float],
        on_listening: Callable[[bool], None] = lambda is_on: None,
        on_radio: Callable[[bool], None] = lambda works: None,
    ) -> None:
        self._on_seen = on_seen
        self._on_listening = on_listening
        self._on_radio = on_radio
        self._random = random
        self._backoff = Backoff(first_s=0.5, max_s=RETRY_MAX_S)
        self.fault: Fault | None = None  # why nothing is heard, if nothing can be
        self._seen: dict[str, _Seen] = {}
        self._news = asyncio.Event()
        self._pauses = 0
        self._pauses_changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()

    async def run(self) -> None:
        """Keeps scanning."""
        failures = 0
        while True:
            await self._until(paused=False)
            task = asyncio.create_task(self._scan_once())
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
                await asyncio.wait({task})
                self._stopped.set()
            failures = failures + 1 if self._failed(task) else 0
            if failures:
                await asyncio.sleep(self._backoff.delay_s(failures, self._random()))

    async def find(self, lock: str, within_s: float) -> BLEDevice | None:
        """The handle of a lock seen lately, or seen within so much time of listening."""
        loop, left_s = asyncio.get_running_loop(), within_s
        try:
            async with asyncio.timeout(LONGEST_FIND_S):
                while (device := self._fresh(lock)) is None and left_s > 0:
                    await self._until(paused=False)
                    began_at = loop.time()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_s):
                            await self._something_new()
                    left_s -= loop.time() - began_at
                return device
        except TimeoutError:
            return None

    async def _something_new(self) -> None:
        """A sighting of any lock, or a pause."""
        self._news.clear()
        await self._news.wait()

    def forget(self, lock: str) -> None:
        """The handle is in doubt: wait for a new sighting."""
        self._seen.pop(lock, None)

    def remember(self, lock: str, device: BLEDevice) -> None:
        """The handle worked."""
        at = asyncio.get_running_loop().time()
        self._seen[lock] = _Seen(device, at, at)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No discovery inside."""
        self._pauses += 1
        self._pauses_changed.set()
        self._news.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self._stopped.wait()
            yield
        finally:
            self._pauses -= 1
            self._pauses_changed.set()

    async def _scan_once(self) -> None:
        if self._pauses:
            return
        self._stopped.clear()
        scanner = BleakScanner(self._on_advertisement, service_uuids=[gatt.SERVICE_UUID])
        async with asyncio.timeout(START_WITHIN_S):
            await scanner.start()
        self._works()
        self._on_listening(True)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SCAN_FOR_S):
                    await self._until(paused=True)
        finally:
            self._on_listening(False)
            async with asyncio.timeout(STOP_WITHIN_S):
                await scanner.stop()

    async def _until(self, paused: bool) -> None:
        while (self._pauses > 0) != paused:
            self._pauses_changed.clear()
            await self._pauses_changed.wait()

    def _on_advertisement(self, device: BLEDevice, data: AdvertisementData) -> None:
        lock = gatt.lock_id_in(data.local_name or device.name)
        if lock is None:
            return
        at = asyncio.get_running_loop().time()
        last = self._seen.get(lock)
        reported_at = last.reported_at if last else float("-inf")
        is_news = at - reported_at >= REPORT_EVERY_S
        self._seen[lock] = _Seen(device, at, at if is_news else reported_at)
        self._news.set()
        if is_news:
            self._on_seen(lock)

    def _fresh(self, lock: str) -> BLEDevice | None:
        seen = self._seen.get(lock)
        at = asyncio.get_running_loop().time()
        return seen.device if seen and at - seen.seen_at <= FRESH_S else None

    def _works(self) -> None:
        if self.fault is not None:
            log.warning("scanning again")
            self._on_radio(True)
        self.fault = None

    def _failed(self, task: asyncio.Task[None]) -> bool:
        """Whether a scan ended by a fault. Said aloud when it is news, not at every try."""
        if task.cancelled():
            return False
        error = task.exception()
        if error is None:
            return False
        fault = classify(error)
        level = logging.WARNING if fault is not self.fault else logging.DEBUG
        log.log(level, "cannot scan: %s (%s: %s)", fault.value, type(error).__name__, error)
        self.fault = fault
        self._on_radio(not fault.is_ours)
        return True
