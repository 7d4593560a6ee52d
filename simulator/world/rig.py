"""Doors wired to boards, people's hands, and the diary of everything that physically happened.

Decides how physics events are recorded and who may listen; the physics is in `simulator.door`.
Invariant: happenings are numbered without gaps; a door outlives the chip that drives it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.door import Door
from simulator.keypad import BAUDRATE, PIN_TO_LOCK

DIARY_LENGTH = 2000
MAX_DOORS = 500


@dataclass(frozen=True)
class Happening:
    """Something that physically happened at a door. `at` is the world's Unix time."""

    seq: int
    at: float
    door: str
    event: str
    bolt: float

    def as_json(self) -> dict[str, object]:
        return {
            "seq": self.seq,
            "at": round(self.at, 3),
            "door": self.door,
            "event": self.event,
            "bolt": round(self.bolt, 3),
        }


@dataclass
class Rig:
    """One door, its board's wiring, and how often people did what to it."""

    name: str
    record: Callable[[str, str, float], None]
    door: Door = field(default_factory=Door)
    chip: bool = False
    boots: int = 0
    hands: Counter[str] = field(default_factory=Counter)

    def inputs(self) -> dict[int, int]:
        return self.door.inputs()

    def drive(self, pin: int, level: int) -> None:
        self._happened(self.door.drive(pin, level))

    def said(self) -> list[tuple[int, int, bytes]]:
        keys = self.door.keypad.said()
        return [(PIN_TO_LOCK, BAUDRATE, keys)] if keys else []

    def hear(self, pin: int, baudrate: int, data: bytes) -> None:
        self._happened(self.door.keypad.hear(pin, baudrate, data))

    def chip_came(self) -> None:
        self.door.keypad.power_came()
        self.chip, self.boots = True, self.boots + 1
        self._happened(["chip_started"])

    def chip_went(self, why: str) -> None:
        self.chip = False
        self._happened([*self.door.power_lost(), "chip_gone"])

    def step(self, dt_ms: float) -> None:
        self._happened(self.door.step(dt_ms))

    def act(self, action: str, do: Callable[[Door], list[str]]) -> list[str]:
        """A person does something; returns what happened at once."""
        events = do(self.door)
        self.hands[action] += 1
        self._happened(events)
        return events

    def _happened(self, events: list[str]) -> None:
        for event in events:
            self.record(self.name, event, self.door.bolt)

    def as_json(self) -> dict[str, object]:
        door = self.door
        locked = door.bolt == 1.0 and not door.is_open
        return {
            "bolt": round(door.bolt, 3),
            "leaf": "open" if door.is_open else "closed",
            "locked": locked,
            "unlocked": door.bolt == 0.0,
            "moving": door.is_moving,
            "jammed": door.is_jammed,
            "tamper": door.tamper,
            "keypad": door.keypad.as_json(),
            "outputs": dict(door.levels),
            "inputs": door.inputs(),
            "chip": self.chip,
            "boots": self.boots,
            "hands": dict(self.hands),
        }


class Town:
    """All doors. `now_s` gives the world's Unix time."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.rigs: dict[str, Rig] = {}
        self.diary: deque[Happening] = deque(maxlen=DIARY_LENGTH)
        self.last_seq = 0
        self._listeners: set[asyncio.Queue[Happening]] = set()

    def rig_of(self, name: str) -> Rig:
        """The door of that board; a board never seen before gets a new, locked door."""
        if name not in self.rigs:
            if len(self.rigs) >= MAX_DOORS:
                raise ValueError(f"more than {MAX_DOORS} doors")
            self.rigs[name] = Rig(name, self._record)
        return self.rigs[name]

    def step(self, dt_ms: float) -> None:
        for rig in self.rigs.values():
            rig.step(dt_ms)

    def _record(self, door: str, event: str, bolt: float) -> None:
        self.last_seq += 1
        happening = Happening(self.last_seq, self._now_s(), door, event, bolt)
        self.diary.append(happening)
        for queue in list(self._listeners):
            if queue.full():
                self._listeners.discard(queue)  # a listener that does not read misses out
            else:
                queue.put_nowait(happening)

    def since(self, seq: int) -> list[Happening]:
        return [each for each in self.diary if each.seq > seq]

    def listen(self) -> asyncio.Queue[Happening]:
        queue: asyncio.Queue[Happening] = asyncio.Queue(DIARY_LENGTH)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[Happening]) -> None:
        self._listeners.discard(queue)
