"""The scripted run: a calendar comes in, doors open or refuse, the record comes home.

Decides what is tried and what must come of it. Every expectation that does not hold is kept as a
sentence; nothing is retried to make it look better. Who plays which part is decided in plan.py.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kannuki.errors import ExpectationFailed
from simulator.demo.office import Hands, Office, Refused, Residents
from simulator.demo.plan import SPARE_ROOMS, choose
from simulator.demo.town import PHONES, RunningTown
from simulator.waiting import until

log = logging.getLogger(__name__)

HOME_WITHIN_S = 20.0
DELIVERED_WITHIN_S = 20.0
POLL_S = 0.2
_HOUR_S = 3600


@dataclass
class Report:
    """What happened; `failures` are sentences, empty when every expectation held."""

    openings: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    audit: dict[str, Any] = field(default_factory=dict)
    imported: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    heads: dict[str, dict[int, str]] = field(default_factory=dict)  # lock: {seq: hash}

    def expect(self, holds: bool, sentence: str) -> bool:
        """Keep `sentence` when it does not hold."""
        if not holds:
            self.failures.append(sentence)
            log.error("expectation failed: %s", sentence)
        return holds


class Script:
    """One run in one town. `calendars`: (name, bytes), the first one begins the story.

    `rooms`: names of the rooms in which it plays.
    """

    def __init__(
        self, town: RunningTown, calendars: list[tuple[str, bytes]], rooms: tuple[str, ...]
    ) -> None:
        self.report = Report()
        self._places = set(rooms)
        self._town = town
        self._calendars = calendars
        secret = town.folder.staff_secret.read_text()
        self._office = Office(town.url("cloud"), secret)
        self._residents = Residents(town.url("phones"))
        self._hands = Hands(town.url("world"))
        self._rooms: dict[str, str] = {}  # room id -> lock id

    async def run(self) -> Report:
        """The whole story, in the order in which a town would see it."""
        await self._know_rooms()
        await self._import(*self._calendars[0])
        cast = await self._cast()
        keys = {part: await self._key_for(part, booking) for part, booking in cast.items()}
        await self._open_by_relay("relay", keys["relay"])
        await self._withdraw(cast["revoked"], keys["revoked"])
        await self._refused("revoked", keys["revoked"], "REVOKED")
        await self._refused("early", keys["early"], "NOT_YET_VALID")
        await self._wrong_room(keys["offline"], keys["relay"])
        await self._open_offline("offline", keys["offline"])
        await self._come_home()
        return self.report

    # --- bookings ---

    async def _know_rooms(self) -> None:
        """The rooms of this story; a folder that is used again may have others, too."""
        rows = await self._office.public("GET", "rooms")
        here = [row for row in rows if row["lock_id"] and row["name"] in self._places]
        self._rooms = {row["room_id"]: row["lock_id"] for row in here}

    async def _import(self, name: str, ics: bytes) -> None:
        try:
            path = f"calendar?room={quote(SPARE_ROOMS[0])}"  # for bookings that name no room
            found = await self._office.staff("POST", path, raw=ics)
        except Refused as refused:
            self.report.expect(False, f"the calendar {name} was not read: {refused.body}")
            return
        counts = {key: value for key, value in found.items() if key != "events"}
        self.report.imported.append({"file": name, **counts})
        log.info("%s: %s", name, counts)

    async def _cast(self) -> dict[str, dict[str, Any]]:
        """A booking for each part; the demo books what the calendar lacks."""
        bookings = await self._office.staff("GET", "bookings")
        now = self._now()
        cast = vars(choose(bookings, set(self._rooms), now))
        taken = {booking["room_id"] for booking in cast.values() if booking}
        for part, booking in cast.items():
            if booking is None:
                cast[part] = await self._book_somewhere(now, taken, part)
                taken.add(cast[part]["room_id"])
        return cast

    async def _book_somewhere(self, now: int, taken: set[str], part: str) -> dict[str, Any]:
        """A booking of the demo's own, in a room that no other part uses if there is one."""
        starts = (
            [now + hours * _HOUR_S for hours in range(3, 24)] if part == "early" else [now + 60]
        )
        for room in sorted(self._rooms, key=lambda room: room in taken):
            for starts_at in starts:
                booking = await self._try_to_book(room, starts_at)
                if booking is not None:
                    log.info("the calendar has nothing for the part '%s': booked it", part)
                    return {"room_id": room, **booking}
        raise ExpectationFailed(
            f"every room is taken: nothing is left for the part '{part}'",
            "start at another time: kannuki demo --at ...",
        )

    async def _try_to_book(self, room: str, starts_at: int) -> dict[str, Any] | None:
        """Half an hour, or as little as is free."""
        for minutes in (30, 10, 4):
            wish = {
                "room_id": room,
                "starts_at": starts_at,
                "ends_at": starts_at + minutes * 60,
                "holder_name": "デモ",
            }
            try:
                booking: dict[str, Any] = await self._office.public("POST", "bookings", wish)
            except Refused:
                continue
            return booking
        return None

    async def _key_for(self, part: str, booking: dict[str, Any]) -> dict[str, Any]:
        """The resident opens the key link on a phone while there is still a signal."""
        path = f"bookings/{booking['booking_id']}/key-link"
        link = (await self._office.staff("POST", path))["key_link"]
        phone = PHONES[("offline", "relay", "early", "revoked").index(part)]
        key = await self._residents.claim(phone, link)
        log.info("%s holds the key of %s", phone, key["room"])
        return {**key, "phone": phone}

    async def _withdraw(self, booking: dict[str, Any], key: dict[str, Any]) -> None:
        """Cancel by the second calendar if there is one, else at the counter; wait for the lock."""
        before = await self._list_version(key["lock_id"])
        for name, ics in self._calendars[1:]:
            await self._import(name, ics)
        if await self._status(booking) != "cancelled":
            await self._office.staff("POST", f"bookings/{booking['booking_id']}/cancel")
        told = await until(lambda: self._lock_knows(key["lock_id"], before), DELIVERED_WITHIN_S)
        self.report.expect(bool(told), "the lock never got the list of withdrawn keys")

    async def _status(self, booking: dict[str, Any]) -> str:
        rows = await self._office.staff("GET", "bookings")
        found = [b["status"] for b in rows if b["booking_id"] == booking["booking_id"]]
        return found[0] if found else "cancelled"

    async def _list_version(self, lock_id: str) -> int:
        fleet = await self._office.staff("GET", "fleet")
        return max(
            (r["version"] for r in fleet["status_lists"] if r["lock_id"] == lock_id), default=0
        )

    async def _lock_knows(self, lock_id: str, before: int) -> bool:
        """Whether the lock holds the newest status list, one that is newer than `before`."""
        fleet = await self._office.staff("GET", "fleet")
        lists = {row["lock_id"]: row for row in fleet["status_lists"]}
        return lock_id in lists and (
            lists[lock_id]["acknowledged_version"] >= lists[lock_id]["version"] > before
        )

    # --- doors ---

    async def _open_by_relay(self, part: str, key: dict[str, Any]) -> None:
        result = await self._residents.unlock(key["phone"], key, "relay")
        await self._opened(part, key, result)

    async def _open_offline(self, part: str, key: dict[str, Any]) -> None:
        """Broker and gateway are switched off: the phone stands alone before the door."""
        for name in ("gateway", "broker"):
            await self._town.stop_part(name)
        try:
            result = await self._residents.unlock(key["phone"], key, "offline")
            await self._opened(part, key, result)
        finally:
            for name in ("broker", "gateway"):
                await self._town.start_part(name)

    async def _opened(self, part: str, key: dict[str, Any], result: dict[str, Any]) -> None:
        lock_id = key["lock_id"]
        if not self.report.expect(
            result["granted"] and result["authentic"],
            f"{part}: {key['room']} should have opened, but: {result['code']}",
        ):
            return
        self._seen_head(lock_id, result)
        self.report.openings.append(
            {"lock": lock_id, "room": key["room"], "path": result["path"], "ms": result["ms"]}
        )
        moved = bool(await until(lambda: self._bolt_is_back(lock_id), 5.0))
        self.report.expect(moved, f"{part}: the bolt of {key['room']} did not move")
        walked = await self._hands.touch(lock_id, "open", for_ms=800)
        self.report.expect("opened" in walked, f"{part}: nobody could walk in: {walked}")
        log.info(
            "%s opened %s (%s, %.0f ms)", key["phone"], key["room"], result["path"], result["ms"]
        )

    async def _bolt_is_back(self, lock_id: str) -> bool:
        return bool((await self._hands.state())["doors"][lock_id]["unlocked"])

    async def _refused(self, part: str, key: dict[str, Any], reason: str) -> None:
        result = await self._residents.unlock(key["phone"], key, "offline")
        self._keep_refusal(part, key["lock_id"], result, reason, authentic=True)

    async def _wrong_room(self, key: dict[str, Any], other: dict[str, Any]) -> None:
        """The right key at the wrong door: the phone notices before it says anything secret."""
        if key["lock_id"] == other["lock_id"]:
            return
        result = await self._residents.unlock(key["phone"], key, "offline", other["lock_id"])
        self._keep_refusal("wrong room", other["lock_id"], result, "WRONG_LOCK", authentic=False)

    def _keep_refusal(
        self, part: str, lock_id: str, result: dict[str, Any], reason: str, authentic: bool
    ) -> None:
        told = result["texts"]
        self.report.expect(
            result["code"] == reason and result["authentic"] == authentic,
            f"{part}: expected {reason}, got {result['code']}",
        )
        self._seen_head(lock_id, result)
        self.report.refusals.append(
            {
                "lock": lock_id,
                "reason": result["code"],
                "ja": told["ja"],
                "ja-simple": told["ja-simple"],
                "en": told["en"],
            }
        )
        log.info("refused (%s): %s", part, told["ja"])

    def _seen_head(self, lock_id: str, result: dict[str, Any]) -> None:
        """The lock commits to its journal in every answer: the record must reach at least there."""
        if result["head_seq"]:
            self.report.heads.setdefault(lock_id, {})[result["head_seq"]] = result["head_hash"]

    # --- the record ---

    async def _come_home(self) -> None:
        """Wait until doors rest and every record that a lock has is in the cloud."""
        await until(self._doors_rest, HOME_WITHIN_S)
        home = bool(await until(self._all_home, HOME_WITHIN_S))
        self.report.expect(home, "the record did not come home in time")
        heads = await self._lock_heads()  # first: journals grow meanwhile
        heads = {lock: max(heads[lock], *seen, 0) for lock, seen in self._committed().items()}
        chains = {lock: await self._chain(lock, heads[lock]) for lock in heads}
        for lock_id, chain in chains.items():
            self.report.expect(
                _is_whole(chain, heads[lock_id], self.report.heads.get(lock_id, {})),
                f"the record of {lock_id} is not the one that the lock committed to",
            )
        alarms = [a["kind"] for a in await self._office.staff("GET", "alarms")]
        self.report.expect(not alarms, f"the cloud raised alarms: {alarms}")
        self.report.audit = {
            "lock": sum(heads.values()),
            "cloud": sum(len(chain) for chain in chains.values()),
            "chain_ok": not self.report.failures,
        }
        await self._check_record()

    def _committed(self) -> dict[str, dict[int, str]]:
        """{lock: {sequence number: hash}} of what locks committed to before people."""
        return {lock: self.report.heads.get(lock, {}) for lock in self._rooms.values()}

    async def _chain(self, lock_id: str, up_to: int | None = None) -> dict[int, str]:
        """{sequence number: hash} of what the cloud has of one lock."""
        lines = await self._office.staff("GET", f"audit?lock_id={lock_id}&limit=5000")
        last = max((line["seq"] for line in lines), default=0) if up_to is None else up_to
        return {line["seq"]: line["hash"] for line in lines if line["seq"] <= last}

    async def _lock_heads(self) -> dict[str, int]:
        """{lock: newest sequence number it told of under its MAC}."""
        fleet = await self._office.staff("GET", "fleet")
        return {
            r["lock_id"]: r["lock"]["head_seq"] if r["lock"] else 0
            for r in fleet["rooms"]
            if r["lock_id"]
        }

    async def _doors_rest(self) -> bool:
        doors = (await self._hands.state())["doors"]
        return all(door["locked"] and not door["moving"] for door in doors.values())

    async def _all_home(self) -> bool:
        """Without a gap: a piece that was lost with the broker's restart comes a little later."""
        heads = await self._lock_heads()
        for lock_id in self._rooms.values():
            seen = max(self.report.heads.get(lock_id, {0: ""}))
            newest = max(heads[lock_id], seen, 1)
            if not set(range(1, newest + 1)) <= (await self._chain(lock_id)).keys():
                return False
        return True

    async def _check_record(self) -> None:
        """Each opening and each refusal by a lock stands in the record, with who it was."""
        lines = await self._office.staff("GET", "audit?limit=500")
        for opening in self.report.openings:
            found = [
                line
                for line in lines
                if line["lock_id"] == opening["lock"] and line["result"] == "unlock" and line["who"]
            ]
            self.report.expect(bool(found), f"no record of the opening of {opening['room']}")
        for refusal in self.report.refusals:
            if refusal["reason"] == "WRONG_LOCK":
                continue  # nothing was presented, so the lock has nothing to record
            found = [line for line in lines if line["reason"] == refusal["reason"] and line["who"]]
            self.report.expect(bool(found), f"no record of the refusal {refusal['reason']}")

    def _now(self) -> int:
        return int(time.time()) + self._town.clock_offset_s


def _is_whole(chain: dict[int, str], head: int, committed: dict[int, str]) -> bool:
    """No gap from 1 to the head, and every hash that the lock committed to is the one kept."""
    return set(range(1, head + 1)) <= chain.keys() and all(
        chain.get(seq) == digest for seq, digest in committed.items()
    )


def default_calendars() -> list[tuple[str, bytes]]:
    """The two calendars that come with the project."""
    data = Path(__file__).resolve().parent.parent / "data"
    names = ("space-sharing.ics", "changes.ics")
    return [(name, (data / name).read_bytes()) for name in names]
