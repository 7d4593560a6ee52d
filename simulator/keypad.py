"""A serial keypad beside a door, and the finger on it: no clock, no I/O.

Decides how fast keys go down, what goes over the wire and what the keypad shows; what keys mean is
the lock's business. The lock gives it power: without, it is dark and no key does anything.
Invariant: nothing that it tells says which keys were pressed. Bytes: docs/spec/pin.md.
"""

from dataclasses import dataclass, field

# The wire of the reference board: the firmware uses the same one.
PIN_TO_LOCK = 16
PIN_FROM_LOCK = 17
BAUDRATE = 9600
KEYS = "0123456789#*"
ANSWERS = {b"K": "accepted", b"G": "granted", b"R": "refused", b"W": "wait", b"O": "off"}

PAUSE_MS = 100.0
MAX_KEYS = 1000  # that a finger may still have to press
_BYTE_MS = 10_000 / BAUDRATE  # ten bits: no two keys follow closer than the wire allows


@dataclass
class Keypad:
    """`shown`: "dark", "ready" (nothing was typed yet) or the last of ANSWERS.

    `pressed`: keys that went over the wire, `answered`: bytes that came back, ever.
    """

    shown: str = "dark"
    pressed: int = 0
    answered: int = 0
    _waiting: str = ""
    _pause_ms: float = PAUSE_MS
    _next_in_ms: float = 0.0
    _said: bytearray = field(default_factory=bytearray)

    # --- the lock's side: power and wire

    def power_came(self) -> None:
        self.shown = "ready"

    def power_lost(self) -> None:
        self.shown, self._waiting = "dark", ""
        self._said.clear()

    def said(self) -> bytes:
        """What went over the wire since the last call."""
        said = bytes(self._said)
        self._said.clear()
        return said

    def hear(self, pin: int, baudrate: int, data: bytes) -> list[str]:
        """Show what the lock answers; another wire, another speed and other bytes show nothing."""
        if (pin, baudrate) != (PIN_FROM_LOCK, BAUDRATE):
            return []
        return [event for each in data for event in self._show(bytes([each]))]

    def _show(self, answer: bytes) -> list[str]:
        before, shown = self.shown, ANSWERS.get(answer)
        if shown is None:
            return []
        self.shown, self.answered = shown, self.answered + 1
        return [] if shown in (before, "accepted") else [f"keypad_{shown}"]

    # --- time and people

    def type(self, keys: str, pause_ms: float = PAUSE_MS) -> list[str]:
        """Somebody presses these keys, one every `pause_ms`, or as fast as the wire can (0)."""
        if self.shown == "dark":
            return ["keypad_dark"]
        self._waiting = (self._waiting + keys)[:MAX_KEYS]
        self._pause_ms = max(pause_ms, _BYTE_MS)
        return ["keypad_typed"]

    def step(self, dt_ms: float) -> None:
        self._next_in_ms -= dt_ms
        while self._waiting and self._next_in_ms <= 0:
            self._said += self._waiting[0].encode()
            self._waiting = self._waiting[1:]
            self.pressed += 1
            self._next_in_ms += self._pause_ms
        self._next_in_ms = max(0.0, self._next_in_ms)

    def as_json(self) -> dict[str, object]:
        return {
            "shown": self.shown,
            "typing": len(self._waiting),
            "pressed": self.pressed,
            "answered": self.answered,
        }
