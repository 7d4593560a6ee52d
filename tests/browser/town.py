"""The town that the browser visits: the demo's programs with the real firmware behind every door,
and the computer on which the browser has its Bluetooth.

Decides what a test may say of a door: what the bolt did, and what the lock itself wrote down. The
pages' own words are never evidence of an opening.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from click.testing import CliRunner

from cloud.cli import cloud
from kannuki.supervisor import Supervisor
from protocol import audit, gatt
from simulator import waiting
from simulator.demo.office import Hands, Office, call
from simulator.demo.plan import Plan
from simulator.demo.setup import Folder, prepare
from simulator.demo.town import RunningTown
from tests.cloud.people.provider import running_provider

ROOMS = ("第1会議室", "和室", "音楽室")
LIMITS = ("--limits", "100")  # every person of every test comes from this one machine
SLOT_S = 300
CLIENT = "kannuki-misaki"
ALWAYS = [["00:00", "24:00"]]
# A room can be booked from the next five minutes on, and its key opens ten minutes earlier: so a
# test that books need not wait, whatever the time of day.
POLICY = {
    "hours": {day: ALWAYS for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
    "slot_minutes": 5,
    "shortest_minutes": 5,
    "longest_minutes": 720,
}
BROWSER_ADDRESS = "F0:00:00:00:00:09"
WITHIN_S = 60.0


async def until(
    condition: Callable[[], Awaitable[Any]], what: str, within_s: float = WITHIN_S
) -> Any:
    """The first true value of `condition`; fails the test when none comes in time."""
    found = await waiting.until(condition, within_s)
    assert found, f"not within {within_s} s: {what}"
    return found


@dataclass(frozen=True)
class Witness:
    """What a door and its lock had done when a test began; see `Door`."""

    happened: int
    seq: int


class Door:
    """One door of the town, as a person in front of it sees it."""

    def __init__(self, town: BrowserTown, room: str, lock_id: str) -> None:
        self._town = town
        self.room = room
        self.lock_id = lock_id
        self.device_name = gatt.advertised_name(lock_id)

    async def state(self) -> dict[str, Any]:
        """Bolt, leaf and chip as the simulated world has them."""
        state: dict[str, Any] = (await self._town.hands.state())["doors"][self.lock_id]
        return state

    async def bolt_is(self, where: str) -> None:
        """Wait until the bolt is "locked" or "unlocked", and still."""

        async def rests() -> bool:
            state = await self.state()
            return bool(state[where]) and not state["moving"]

        await until(rests, f"the bolt of {self.room} is {where}")

    async def when(self, condition: Callable[[], Awaitable[Any]], what: str) -> None:
        """Wait until `condition` holds of this door."""
        await until(condition, f"{self.room}: {what}")

    async def witness(self) -> Witness:
        """Remember what has happened so far, before something is tried."""
        happened = (await self._town.hands.state())["seq"]
        return Witness(happened, max(await self._records(), default=0))

    async def moved_since(self, before: Witness) -> list[str]:
        """What physically happened at this door since."""
        log = (await self._town.hands.state())["log"]
        mine = [each for each in log if each["door"] == self.lock_id]
        return [each["event"] for each in mine if each["seq"] > before.happened]

    async def wrote_since(self, before: Witness) -> list[audit.Record]:
        """What the lock has written down since, as far as it has come home to the town."""
        return [record for seq, record in (await self._records()).items() if seq > before.seq]

    async def record_of(
        self, before: Witness, event: int, source: int, code: int | None = None
    ) -> audit.Record:
        """The lock's own record of what was tried, once it is home."""

        async def home() -> audit.Record | None:
            for record in await self.wrote_since(before):
                same = record.event == event and record.source == source
                if same and code in (None, record.code):
                    return record
            return None

        found: audit.Record = await until(home, f"{self.room} wrote event {event} from {source}")
        return found

    async def opened_by(self, before: Witness, source: int) -> audit.Record:
        """Evidence of an opening: the bolt came back and the lock says for whom and how."""
        record = await self.record_of(before, audit.LOCK_OPERATION, source, audit.OPERATION_UNLOCK)

        async def drew_back() -> bool:
            return "bolt_retracted" in await self.moved_since(before)

        await until(drew_back, f"the bolt of {self.room} draws back")
        return record

    async def stayed_shut(self, before: Witness) -> None:
        """Fails when the bolt has moved since."""
        state = await self.state()
        assert state["locked"], state
        moved = await self.moved_since(before)
        assert not [event for event in moved if event.startswith("bolt_")], moved

    async def _records(self) -> dict[int, audit.Record]:
        rows = await asyncio.to_thread(self._town.raw_records, self.lock_id)
        return {seq: audit.decode_record(raw) for seq, raw in rows}

    # --- what a test does to it

    async def touch(self, action: str, **options: Any) -> None:
        """A person's hand: see simulator.world.control.ACTIONS."""
        await self._town.hands.touch(self.lock_id, action, **options)

    async def switch_off(self) -> None:
        """The lock loses its power."""
        await self._town.switch_off(f"lock-{self.lock_id}")

    async def switch_on(self) -> None:
        """It boots again."""
        await self._town.switch_on(f"lock-{self.lock_id}")

    async def lose_time(self) -> None:
        """The clock's battery is dead and the power was cut: the lock does not know the time."""
        await self.switch_off()
        await call("POST", f"{self._town.running.url('world')}/boards/{self.lock_id}/rtc",
                   {"lost": True})  # fmt: skip
        await self.switch_on()


class BrowserTown:
    """Use as an async context manager. `computer`: the environment of the browser."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        self.supervisor = Supervisor("browser-test", root, root / "registry")
        self.computer: dict[str, str] = {}
        self._children = contextlib.ExitStack()
        self._queue: list[Door] = []
        self._booked: list[str] = []
        self._stopped: set[str] = set()

    async def __aenter__(self) -> BrowserTown:
        plan = Plan(int(time.time()), ROOMS)
        locks = await asyncio.to_thread(prepare, self.folder, plan, 0)
        self.running = RunningTown(self.supervisor, self.folder, locks, 0)
        try:
            sign_in = await asyncio.to_thread(self._start_provider)
            await self.running.start(with_guests=False, cloud_options=(*LIMITS, *sign_in))
            self.computer = await self.running.start_computer("browser", BROWSER_ADDRESS)
        except BaseException:
            await self.__aexit__()
            raise
        secret = self.folder.staff_secret.read_text()
        self.office = Office(self.running.url("cloud"), secret)
        await self.office.staff("PUT", "facilities/main/policy", POLICY)
        self.hands = Hands(self.running.url("world"))
        self._queue = [Door(self, room, lock_id) for room, lock_id in locks.items()]
        return self

    def _start_provider(self) -> tuple[str, ...]:
        """A real OpenID provider that knows this town; options for the town's service."""
        made = CliRunner().invoke(
            cloud, ["sign-in-key", "--keys-dir", str(self.folder.keys), "--json"]
        )
        assert made.exit_code == 0, made.output
        site = self.site("book")
        client = {
            "client_id": CLIENT,
            "redirect_uris": [f"{site}/v1/sign-in/callback"],
            "jwks": json.loads(made.output)["jwks"],
        }
        provider = self._children.enter_context(running_provider([client]))
        table = self.folder.root / "providers.json"
        table.write_text(json.dumps({"provider": [provider.row("my-number", CLIENT)]}))
        return "--providers", str(table), "--sign-in-key", json.loads(made.output)["file"]

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self._children.close)
        await self.supervisor.stop()
        self.running.clean_up()

    def site(self, name: str) -> str:
        """The origin of one of the town's sites: book, key, console."""
        return self.running.site(name)

    async def headers(self, site: str, path: str = "/") -> Mapping[str, str]:
        """The headers of an answer of that site. Names below localhost are the browser's own."""
        host = {"Host": urlsplit(self.site(site)).netloc}
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.running.url('cloud')}{path}", headers=host) as answer,
        ):
            return answer.headers

    def now(self) -> int:
        """The town's time is the browser's."""
        return int(time.time())

    async def key_link(self, door: Door, begins_in_s: int, lasts_s: int = 3600) -> str:
        """A booking by telephone, confirmed at once; the link that the resident is sent."""
        rooms = await self.office.public("GET", "rooms")
        room_id = next(row["room_id"] for row in rooms if row["lock_id"] == door.lock_id)
        starts_at = -(-(self.now() + begins_in_s) // SLOT_S) * SLOT_S
        wish = {
            "room_id": room_id,
            "starts_at": starts_at,
            "ends_at": starts_at + lasts_s,
            "holder_name": "試験",
            "channel": "phone",
            "outside_hours": True,  # whatever the time of day is
        }
        booking = await self.office.staff("POST", "bookings", wish)
        self._booked.append(booking["booking_id"])
        path = f"bookings/{booking['booking_id']}/key-link"
        link: str = (await self.office.staff("POST", path))["key_link"]
        return link

    def will_cancel(self, booking_id: str) -> None:
        """A booking that a test made by itself; it is gone when the test has ended."""
        self._booked.append(booking_id)

    async def withdraw(self, door: Door) -> None:
        """Cancel the last booking that was made; the lock knows it when this returns."""
        held = await self.list_version(door)
        await self.office.staff("POST", f"bookings/{self._booked.pop()}/cancel")
        await self.list_reached(door, held)

    async def list_version(self, door: Door) -> int:
        """The newest status list for this door's lock, whether it has it or not."""
        return (await self._list_of(door))["version"]

    async def list_reached(self, door: Door, after: int) -> None:
        """Wait until there is a newer list than `after`, and the lock holds it."""

        async def known() -> bool:
            now = await self._list_of(door)
            return bool(now["acknowledged_version"] == now["version"] > after)

        await until(known, f"the lock of {door.room} has the newest list")

    # --- people

    @property
    def last_booking(self) -> str:
        """The id of the booking that was made last."""
        return self._booked[-1]

    async def bookings_of(self, name: str) -> list[str]:
        """Ids of the living bookings of somebody."""
        rows = await self.office.staff("GET", "bookings")
        mine = [row for row in rows if row["holder_name"] == name]
        return [row["booking_id"] for row in mine if row["status"] != "cancelled"]

    async def invitation(self, name: str, role: str) -> str:
        """A link by which a new member of staff makes a passkey."""
        wish = {"name": name, "grants": [{"role": role}]}
        link: str = (await self.office.staff("POST", "people", wish))["invite_link"]
        return link

    async def _list_of(self, door: Door) -> dict[str, int]:
        """Which status list there is for this door's lock, and which one it has acknowledged."""
        fleet = await self.office.staff("GET", "fleet")
        rows = [row for row in fleet["status_lists"] if row["lock_id"] == door.lock_id]
        return rows[0] if rows else {"version": 0, "acknowledged_version": 0}

    async def switch_off(self, part: str) -> None:
        """Stop a program: "gateway", "cloud", a lock; it stays off until the test ends."""
        self._stopped.add(part)
        await self.running.stop_part(part)

    async def switch_on(self, part: str) -> None:
        """Start it again."""
        await self.running.start_part(part)
        self._stopped.discard(part)

    async def as_before(self) -> None:
        """Every program runs and no booking of this test is left."""
        for part in sorted(self._stopped):
            await self.switch_on(part)
        await self.all_ready()
        while self._booked:
            await self.office.staff("POST", f"bookings/{self._booked.pop()}/cancel")

    async def free_door(self, but: Door | None = None) -> Door:
        """A door that is locked and rests, the one that has rested longest, and never `but`.

        A door that a test opened locks by itself after seconds, so the next test takes another.
        """

        async def resting() -> Door | None:
            states = (await self.hands.state())["doors"]
            for door in self._queue:
                state = states[door.lock_id]
                rests = state["locked"] and not state["moving"] and state["chip"]
                if rests and door is not but:
                    return door
            return None

        door: Door = await until(resting, "some door is locked and rests")
        self._queue.remove(door)
        self._queue.append(door)
        return door

    async def all_ready(self) -> None:
        """Every program runs."""

        async def ready() -> bool:
            return all(child.state == "ready" for child in self.supervisor.children.values())

        await until(ready, "every program runs")

    def raw_records(self, lock_id: str) -> list[tuple[int, bytes]]:
        """What the town's database has of a lock's journal."""
        uri = f"file:{self.folder.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return database.execute(
                "SELECT seq, raw FROM audit_records WHERE lock_id = ? ORDER BY seq", (lock_id,)
            ).fetchall()
