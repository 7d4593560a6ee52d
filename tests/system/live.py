"""One whole town that runs beside the tests: the demo's programs, with keys for every door.

Decides what "recovered", "home" and "not reset" mean for tests that kill parts of it. Every head
that a lock commits to in an answer is remembered: nothing of it may be missing in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kannuki.supervisor import Supervisor
from protocol import audit
from simulator import waiting
from simulator.demo.office import Hands, Office, Refused, Residents, call
from simulator.demo.plan import Plan
from simulator.demo.setup import Folder, prepare
from simulator.demo.town import RunningTown

ROOMS = ("第1会議室", "和室", "音楽室")
OFFSET_S = 40 * 86400  # the town lives forty days ahead of the PC
WITHIN_S = 60.0
PHONE = "試験さん"


async def until(
    condition: Callable[[], Awaitable[Any]], what: str, within_s: float = WITHIN_S
) -> Any:
    """The first true value of `condition`; fails the test when none comes in time."""
    found = await waiting.until(condition, within_s)
    assert found, f"not within {within_s} s: {what}"
    return found


class LiveTown:
    """Use as an async context manager. `keys`: one valid key per lock, all on one phone."""

    room_names = ROOMS
    make_running = RunningTown

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        self.supervisor = Supervisor("system-test", root, root / "registry")
        self.committed: dict[str, dict[int, str]] = {}
        self.keys: dict[str, dict[str, Any]] = {}

    async def __aenter__(self) -> LiveTown:
        plan = Plan(int(time.time()) + OFFSET_S, self.room_names)
        self.rooms = await asyncio.to_thread(prepare, self.folder, plan, OFFSET_S)
        self.town = self.make_running(self.supervisor, self.folder, self.rooms, OFFSET_S)
        try:
            await self.town.start()
            self.office = Office(self.town.url("cloud"), self.folder.staff_secret.read_text())
            self.residents = Residents(self.town.url("phones"))
            self.hands = Hands(self.town.url("world"))
            for room in await self.office.public("GET", "rooms"):
                self.keys[room["lock_id"]] = await self._key(room["room_id"], 60, 6 * 3600)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.supervisor.stop()
        self.town.clean_up()

    @property
    def locks(self) -> list[str]:
        return sorted(self.keys)

    def now(self) -> int:
        """The town's time."""
        return int(time.time()) + OFFSET_S

    async def _key(self, room_id: str, begins: int, lasts: int) -> dict[str, Any]:
        booking = await self.book(room_id, begins, lasts)
        return await self.residents.claim(PHONE, booking["key_link"])

    async def book(self, room_id: str, begins: int, lasts: int) -> dict[str, Any]:
        """A booking that begins in so many seconds. Raises Refused."""
        starts = self.now() + begins
        wish = {
            "room_id": room_id,
            "starts_at": starts,
            "ends_at": starts + lasts,
            "holder_name": "試験",
        }
        return await self.office.public("POST", "bookings", wish)

    # --- opening ---

    async def unlock(self, lock_id: str, path: str) -> dict[str, Any]:
        """What the phone tells; a head that the lock proved is remembered."""
        result = await self.residents.unlock(PHONE, self.keys[lock_id], path)
        assert all(result["texts"][lang] for lang in ("ja", "ja-simple", "en")), result
        if result["authentic"] and result["head_seq"]:
            self.committed.setdefault(lock_id, {})[result["head_seq"]] = result["head_hash"]
        return result

    async def opens_offline(self, lock_id: str) -> None:
        """The phone alone, at the first try."""
        result = await self.unlock(lock_id, "offline")
        assert (result["code"], result["authentic"]) == ("OPENED", True), result

    async def locks_again(self, lock_id: str) -> None:
        """The person locks the door, rather than waiting until it does so by itself."""
        body = {"key": self.keys[lock_id]["id"], "path": "offline", "command": "lock"}
        url = f"{self.town.url('phones')}/phones/{PHONE}/unlock"
        assert (await call("POST", url, body))["code"] == "LOCKED"

    async def relay_works_again(self, lock_id: str) -> None:
        """A person presses again and again until the whole loop is back."""

        async def granted() -> bool:
            return (await self.unlock(lock_id, "relay"))["granted"]

        await until(granted, f"{lock_id} opens by relay")

    # --- doors ---

    async def diary(self, after: int = 0) -> list[dict[str, Any]]:
        """What physically happened after that number. Fails when some of it is no longer told."""
        state = await self.hands.state()
        log = state["log"]
        assert not log or log[0]["seq"] <= after + 1 or after == 0, "the diary is too short"
        return [each for each in log if each["seq"] > after]

    async def mark(self) -> int:
        """The number of the latest happening."""
        seq: int = (await self.hands.state())["seq"]
        return seq

    async def doors_rest(self) -> None:
        """Every bolt is thrown and still."""

        async def rest() -> bool:
            doors = (await self.hands.state())["doors"].values()
            return all(door["locked"] and not door["moving"] and door["chip"] for door in doors)

        await until(rest, "every door is locked and rests")

    # --- programs ---

    def kill(self, *names: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to programs that run."""
        for name in names:
            pid = self.supervisor.children[name].pid
            assert pid is not None, f"{name} does not run"
            os.kill(pid, number)

    async def kill_for_good(self, *names: str) -> None:
        """Killed, and kept from being started again until `revive`."""
        self.kill(*names)
        for name in names:
            await self.supervisor.stop_child(name)

    async def revive(self, *names: str) -> None:
        for name in names:
            await self.supervisor.start_child(name)

    def restarts(self, name: str) -> int:
        return self.supervisor.children[name].restarts

    async def is_back(self, name: str, restarts_before: int) -> None:
        """It was started again, and is ready."""
        child = self.supervisor.children[name]

        async def again() -> bool:
            return child.restarts > restarts_before and child.state == "ready"

        await until(again, f"{name} runs again")

    async def all_ready(self) -> None:
        """Every program runs."""

        async def ready() -> bool:
            return all(c.state == "ready" for c in self.supervisor.children.values())

        await until(ready, "every program runs")

    # --- the record ---

    def chain(self, lock_id: str) -> dict[int, str]:
        """{seq: hash} of the cloud's records of one lock; fails when it is no unbroken chain."""
        rows = self._records(lock_id)
        assert len({epoch for epoch, _, _ in rows}) <= 1, "the journal began anew"
        assert len({seq for _, seq, _ in rows}) == len(rows), "a record came home twice"
        if rows:
            audit.check_run([raw for *_, raw in rows], 1, audit.genesis(lock_id, rows[0][0]))
        return {seq: audit.record_hash(raw).hex() for _, seq, raw in rows}

    def _records(self, lock_id: str) -> list[tuple[int, int, bytes]]:
        uri = f"file:{self.folder.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return database.execute(
                "SELECT journal_epoch, seq, raw FROM audit_records WHERE lock_id = ? ORDER BY seq",
                (lock_id,),
            ).fetchall()

    async def record_is_home(self) -> None:
        """All that locks committed to is in the cloud, unbroken, each once; no lock alarms."""
        await self.doors_rest()

        async def home() -> bool:
            try:
                chains = {lock_id: self.chain(lock_id) for lock_id in self.locks}
            except audit.AuditError:
                return False  # a piece in the middle is still on its way
            return all(
                chains[lock_id].keys() >= heads.keys() for lock_id, heads in self.committed.items()
            )

        await until(home, "the record comes home")
        for lock_id, heads in self.committed.items():
            chain = self.chain(lock_id)
            assert {seq: chain[seq] for seq in heads} == heads
        alarms = await self.office.staff("GET", "alarms")
        of_locks = [alarm for alarm in alarms if alarm["device"] in self.keys]
        told = [alarm for alarm in of_locks if alarm["kind"] != "GATEWAY_GARBAGE"]  # tests talk it
        assert told == [], told

    async def facts(self) -> dict[str, Any]:
        """What no kill may take back."""
        fleet = await self.office.staff("GET", "fleet")
        return {
            "bookings": {
                (b["booking_id"], b["status"], b["starts_at"])
                for b in await self.office.staff("GET", "bookings?limit=5000")
            },
            "lists": {row["lock_id"]: row["acknowledged_version"] for row in fleet["status_lists"]},
            "records": {lock_id: len(self._records(lock_id)) for lock_id in self.locks},
        }

    async def nothing_was_reset(self, before: dict[str, Any]) -> None:
        """Compares with `facts` of before."""
        now = await self.facts()
        assert now["bookings"] >= before["bookings"]
        for kind in ("lists", "records"):
            assert all(now[kind][lock] >= value for lock, value in before[kind].items()), kind


__all__ = ["PHONE", "LiveTown", "Refused", "until"]
