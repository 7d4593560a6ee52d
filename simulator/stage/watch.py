"""Keeps looking at the neighbours and tells listeners when the picture changed.

Decides how often to look: at once when nudged (somebody did something, a door moved), often while
somebody watches, seldom otherwise. A neighbour that is away keeps its last picture and is marked
so; looking never ends. Time is read by the clock given.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.stage import parts, view
from simulator.stage.neighbours import Neighbour, pause

BUSY_S, WATCHED_S, IDLE_S = 0.1, 1.0, 5.0
RECORDS = 200


@dataclass(frozen=True)
class Neighbours:
    """Who is looked at."""

    cloud: Neighbour
    phone: Neighbour
    world: Neighbour
    status_file: Path


class Watch:
    """The latest picture; `now_s` gives this machine's Unix seconds."""

    def __init__(self, neighbours: Neighbours, now_s: Callable[[], float]) -> None:
        self._near, self._now_s = neighbours, now_s
        self._said: dict[str, Any] = {}
        self._up: dict[str, bool | None] = dict.fromkeys(("cloud", "phone", "world", "parts"))
        self._offset_s = 0.0
        self._nudges = {name: asyncio.Event() for name in self._up}
        self._listeners: set[asyncio.Event] = set()
        self._seen = ""

    def tasks(self) -> list[asyncio.Task[None]]:
        """Starts looking, for ever."""
        loops = [self._keep_looking(name, look) for name, look in self._looks().items()]
        return [asyncio.create_task(each) for each in (*loops, self._follow_world())]

    def _looks(self) -> dict[str, Callable[[], Any]]:
        return {
            "cloud": self._look_at_cloud,
            "phone": self._look_at_phone,
            "world": self._look_at_world,
            "parts": self._look_at_parts,
        }

    async def _keep_looking(self, name: str, look: Callable[[], Any]) -> None:
        while True:
            self._up[name] = await look()
            self._tell()
            await pause(self._nudges[name], self._patience_s(name))

    def _patience_s(self, name: str) -> float:
        if not self._listeners:
            return IDLE_S
        is_busy = name == "world" and view.is_restless(self._said.get("world"))
        return BUSY_S if is_busy else WATCHED_S

    async def _look_at_cloud(self) -> bool:
        asked = {
            "town": ("/v1/town", False),
            "rooms": ("/v1/rooms", False),
            "bookings": ("/v1/staff/bookings", True),
            "audit": (f"/v1/staff/audit?limit={RECORDS}", True),
            "alarms": ("/v1/staff/alarms", True),
        }
        cloud = self._near.cloud
        answers = await asyncio.gather(*(cloud.look(path, staff) for path, staff in asked.values()))
        for name, answer in zip(asked, answers, strict=True):
            if answer is not None and answer.is_ok:
                self._said[name] = answer.body
        return all(answer is not None and answer.is_ok for answer in answers[:2])

    async def _look_at_phone(self) -> bool:
        return await self._look(self._near.phone, "phone")

    async def _look_at_world(self) -> bool:
        is_up = await self._look(self._near.world, "world")
        now = view.town_now(self._said.get("world") if is_up else None, self._said.get("town"))
        if now is not None:
            self._offset_s = now - self._now_s()
        return is_up

    async def _look(self, neighbour: Neighbour, name: str) -> bool:
        answer = await neighbour.look("/state")
        if answer is None or not answer.is_ok or not isinstance(answer.body, dict):
            return False
        self._said[name] = answer.body
        return True

    async def _look_at_parts(self) -> bool:
        notes = await asyncio.to_thread(parts.read_status, self._near.status_file)
        if notes is not None:
            self._said["parts"] = notes
        return notes is not None

    async def _follow_world(self) -> None:
        while True:
            async for line in self._near.world.listen("/events"):
                if line.startswith("data:"):
                    self.nudge("world")
            await asyncio.sleep(WATCHED_S)

    def nudge(self, *names: str) -> None:
        """Something happened there: look at once."""
        for name in names:
            self._nudges[name].set()

    def _tell(self) -> None:
        seen = json.dumps(self._picture(), sort_keys=True)
        if seen != self._seen:
            self._seen = seen
            for listener in self._listeners:
                listener.set()

    def listen(self) -> asyncio.Event:
        """An event that is set whenever the picture changed."""
        listener = asyncio.Event()
        self._listeners.add(listener)
        self.nudge(*self._nudges)
        return listener

    def unlisten(self, listener: asyncio.Event) -> None:
        self._listeners.discard(listener)

    def picture(self) -> dict[str, Any]:
        """Everything the page shows, with the town's time of this moment."""
        return {"now": round(self._now_s() + self._offset_s, 1), **self._picture()}

    def _picture(self) -> dict[str, Any]:
        said = self._said
        town, world = said.get("town"), said.get("world")
        return {
            "up": self._up,
            "town": view.text(town.get("name")) if isinstance(town, dict) else "",
            "gateways": view.gateways(town),
            "rooms": view.rooms(said.get("rooms"), world),
            "happenings": view.happenings(world),
            "bookings": view.bookings(said.get("bookings")),
            "record": view.record(said.get("audit"), said.get("alarms")),
            "phones": view.phones(said.get("phone")),
            "parts": parts.parts_of(said.get("parts")),
        }
