"""A door with a motor bolt, made of rules: no clock, no I/O. `step(dt_ms)` lets time pass.

Decides what a bolt, a leaf and a person's hand can do to each other; what they did comes back as
event names. Does not decide who may open: that is the lock's business.

Bolt: 0.0 retracted .. 1.0 extended; an end-stop switch closes at each end. Both motor outputs at
once stall it. A jammed bolt stops where the jam is and stays there until freed.
Leaf: opens by hand only when the bolt is fully retracted, or by force. Shuts only when the bolt
is fully retracted: a bolt thrown while the leaf is open keeps it from closing, as in reality.
The keypad beside it has its own rules (`simulator.keypad`).
Invariant: without force the leaf never goes from shut to open unless the bolt is at 0.0.
"""

from dataclasses import dataclass, field

from simulator.keypad import Keypad

# GPIO numbers of the reference board: the firmware uses the same ones.
PIN_MOTOR_EXTEND = 25  # out
PIN_MOTOR_RETRACT = 26  # out
PIN_SIGNAL = 27  # out, LED and buzzer
PIN_BOLT_EXTENDED = 32  # in, 1 = at the end stop
PIN_BOLT_RETRACTED = 33  # in, 1 = at the end stop
PIN_DOOR_CLOSED = 34  # in, 1 = closed
PIN_REX = 35  # in, 1 = pressed
PIN_TAMPER = 39  # in, 1 = case open
PIN_BATTERY = 36  # in, a voltage: 255 = 3.3 V; a third of the battery's
BATTERY_EMPTY, BATTERY_FULL = 109, 155  # 1.41 V and 2.01 V
OUTPUT_PINS = (PIN_MOTOR_EXTEND, PIN_MOTOR_RETRACT, PIN_SIGNAL)

REX_PRESS_MS = 300
TRAVEL_MS = 400


@dataclass
class Door:
    """One door. Every method returns the names of what happened, in order."""

    travel_ms: float = TRAVEL_MS
    bolt: float = 1.0
    is_open: bool = False
    jam_at: float | None = None
    tamper: bool = False
    battery: float | None = None  # per cent left; None: on mains
    levels: dict[int, int] = field(default_factory=lambda: dict.fromkeys(OUTPUT_PINS, 0))
    keypad: Keypad = field(default_factory=Keypad)
    _rex_left_ms: float = 0.0
    _closes_in_ms: float | None = None
    _was_moving: bool = False
    _blocked: bool = False
    _strained: bool = False

    # --- the lock's side: pins

    def drive(self, pin: int, level: int) -> list[str]:
        """Set an output pin; other pins are connected to nothing."""
        if pin not in self.levels or self.levels[pin] == (level and 1):
            return []
        self.levels[pin] = 1 if level else 0
        if pin == PIN_SIGNAL:
            return ["signal_on" if level else "signal_off"]
        self._strained = False
        return []

    def inputs(self) -> dict[int, int]:
        return {
            PIN_BOLT_EXTENDED: int(self.bolt == 1.0),
            PIN_BOLT_RETRACTED: int(self.bolt == 0.0),
            PIN_DOOR_CLOSED: int(not self.is_open),
            PIN_REX: int(self._rex_left_ms > 0),
            PIN_TAMPER: int(self.tamper),
            PIN_BATTERY: self._battery_level(),
        }

    def _battery_level(self) -> int:
        if self.battery is None:
            return 0
        step = (BATTERY_FULL - BATTERY_EMPTY) / 100
        return round(BATTERY_EMPTY + step * min(100.0, max(0.0, self.battery)))

    def power_lost(self) -> list[str]:
        self.keypad.power_lost()
        return [name for pin in OUTPUT_PINS for name in self.drive(pin, 0)]

    # --- time

    def step(self, dt_ms: float) -> list[str]:
        self.keypad.step(dt_ms)
        return self._move_bolt(dt_ms) + self._pass_time(dt_ms)

    @property
    def _direction(self) -> int:
        return self.levels[PIN_MOTOR_EXTEND] - self.levels[PIN_MOTOR_RETRACT]

    @property
    def is_moving(self) -> bool:
        return self._was_moving

    @property
    def is_jammed(self) -> bool:
        return self.jam_at is not None and self.bolt == self.jam_at

    def _move_bolt(self, dt_ms: float) -> list[str]:
        if self.levels[PIN_MOTOR_EXTEND] and self.levels[PIN_MOTOR_RETRACT]:
            return self._rest() + self._strain("motor_stalled")
        if self._direction and self.is_jammed:
            return self._rest() + self._strain("bolt_jammed")
        target = self._reachable(self.bolt + self._direction * dt_ms / self.travel_ms)
        if target == self.bolt:
            return self._rest()
        events = [] if self._was_moving else ["bolt_moving"]
        self.bolt, self._was_moving = target, True
        return events + (self._rest() if target in (0.0, 1.0) else [])

    def _reachable(self, wanted: float) -> float:
        wanted = min(1.0, max(0.0, wanted))
        jam = self.jam_at
        if jam is not None and min(self.bolt, wanted) <= jam <= max(self.bolt, wanted):
            return jam
        return wanted

    def _rest(self) -> list[str]:
        if not self._was_moving:
            return []
        self._was_moving = False
        ends = {0.0: "bolt_retracted", 1.0: "bolt_extended"}
        return ["bolt_moved"] + ([ends[self.bolt]] if self.bolt in ends else [])

    def _strain(self, name: str) -> list[str]:
        if self._strained:
            return []
        self._strained = True
        return [name]

    def _pass_time(self, dt_ms: float) -> list[str]:
        self._rex_left_ms = max(0.0, self._rex_left_ms - dt_ms)
        if self._closes_in_ms is None:
            return []
        self._closes_in_ms = max(0.0, self._closes_in_ms - dt_ms)
        return self.close() if self._closes_in_ms == 0.0 else []

    # --- people

    def pull_handle(self) -> list[str]:
        """Somebody tries the door and leaves it open when it gives way."""
        if self.is_open:
            return []
        if self.bolt != 0.0:
            return ["handle_rattled"]
        self.is_open, self._closes_in_ms = True, None
        return ["opened"]

    def push_open(self, for_ms: float) -> list[str]:
        """Somebody goes through; the closer shuts the leaf after `for_ms`."""
        events = self.pull_handle()
        if self.is_open:
            self._closes_in_ms, self._blocked = for_ms, False
        return events

    def close(self) -> list[str]:
        """Somebody, or the closer, shuts the leaf; a thrown bolt keeps it from shutting."""
        if not self.is_open:
            return []
        if self.bolt != 0.0:
            told, self._blocked = self._blocked, self._closes_in_ms is not None
            return [] if told and self._closes_in_ms is not None else ["close_blocked"]
        self.is_open, self._closes_in_ms, self._blocked = False, None, False
        return ["closed"]

    def force(self) -> list[str]:
        """Somebody breaks the leaf open, whatever the bolt does."""
        if self.is_open:
            return []
        self.is_open, self._closes_in_ms = True, None
        return ["forced"] if self.bolt != 0.0 else ["opened"]

    def press_rex(self, for_ms: float = REX_PRESS_MS) -> list[str]:
        self._rex_left_ms = for_ms
        return ["rex_pressed"]

    def set_tamper(self, is_case_open: bool) -> list[str]:
        if self.tamper == is_case_open:
            return []
        self.tamper = is_case_open
        return ["case_opened" if is_case_open else "case_closed"]

    def set_battery(self, percent: float | None) -> list[str]:
        """Somebody puts in other cells, or mains."""
        if self.battery == percent:
            return []
        self.battery = percent
        return ["battery_changed"]

    def jam(self, at: float | None = None) -> list[str]:
        """Something gets in the bolt's way at `at` (0..1), or right where it is."""
        self.jam_at = self.bolt if at is None else min(1.0, max(0.0, at))
        self._strained = False
        return ["jam_placed"]

    def unjam(self) -> list[str]:
        if self.jam_at is None:
            return []
        self.jam_at = None
        return ["jam_removed"]
