"""The door: a motor bolt with two end stops, a leaf contact, an exit button and a case switch.

Decides which way the motor turns and when something is wrong; drives no pin and reads no clock.
`at` is milliseconds that never run backwards. Methods return events, tuples
(audit event, code, source), for the journal. Invariants: the motor is off whenever the bolt rests;
it never runs longer than travel_timeout_ms; a restart turns nothing until the sensors are read
and never retracts the bolt; a hold-open ends at its time at the latest, and at a restart.

A locking that a holder asked for is on record before the bolt moves (firmware/core/access.py), so
its arrival is not reported again; the door's own relocking and a hand's are.

    LOCKED --unlock--> UNLOCKING --end stop--> UNLOCKED --relock_after_ms, leaf shut--> LOCKING
    LOCKING --end stop--> LOCKED          LOCKING --leaf opened--> UNLOCKING
    UNLOCKING, LOCKING --timeout--> JAMMED --command or retry--> UNLOCKING, LOCKING

While held open the relock time never comes and a jammed bolt is drawn back, not thrown. Locking
by command or by hand ends the hold: a door that was locked on purpose does not open by itself.
"""

from protocol import audit, reasons
from protocol.lockconfig import DoorConfig
from protocol.shim import Any

LOCKED, UNLOCKING, UNLOCKED, LOCKING, JAMMED = range(5)
OFF, EXTEND, RETRACT = range(3)

_ON_RECORD = (audit.SOURCE_HOLDER, audit.SOURCE_REMOTE)


class Sensors:
    """What the switches say: bolt_extended, bolt_retracted, closed, exit_pressed, case_open."""

    def __init__(
        self, extended: bool, retracted: bool, closed: bool, exit_pressed: bool, case_open: bool
    ) -> None:
        self.extended = extended
        self.retracted = retracted
        self.closed = closed
        self.exit_pressed = exit_pressed
        self.case_open = case_open


class Door:
    """`drive` is OFF, EXTEND or RETRACT: what the motor must do now; `held_open`: on purpose."""

    def __init__(self, config: DoorConfig, sensors: Sensors, at: int) -> None:
        self.drive = OFF
        self.sensors = sensors
        self._config = config
        self._source = audit.SOURCE_NONE
        self._opened_at = at
        self._held = False
        self.held_open = False
        self._held_open_until = at
        self._relock_at = at + config.relock_after_ms
        self._deadline = at + config.jam_retry_ms
        self._jam_reported = False
        self.state = LOCKED if sensors.extended else UNLOCKED if sensors.retracted else JAMMED

    def unlock(self, source: int, at: int) -> list:
        """Retract the bolt, or keep it retracted for another relock time."""
        self._relock_at = at + self._config.relock_after_ms
        if self.state in (UNLOCKED, UNLOCKING):
            return []
        self._move(UNLOCKING, source, at)
        return []

    def hold_open(self, until_ms: int, source: int, at: int) -> list:
        """Retract the bolt and leave it so until `until_ms`, for max_hold_s at the most."""
        return self._hold(min(until_ms, at + self._config.max_hold_s * 1000), source, at)

    def evacuate(self, until_ms: int, source: int, at: int) -> list:
        """Hold open until `until_ms`, with an alarm and whatever max_hold_s says."""
        alarm = (audit.DOOR_LOCK_ALARM, audit.ALARM_EVACUATION, source)
        return [alarm] + self._hold(until_ms, source, at)

    def configure(self, config: DoorConfig) -> None:
        """Behave so from now on; what was begun ends as it began."""
        self._config = config

    def lock(self, source: int, at: int) -> list:
        """Extend the bolt as soon as the leaf is shut."""
        self._end_hold(at)
        self._relock_at = at
        if self.state in (UNLOCKED, JAMMED) and self.sensors.closed:
            self._move(LOCKING, source, at)
        return []

    def sense(self, sensors: Sensors, at: int) -> list:
        """Take new readings and let time pass: at most one step of the machine, all alarms."""
        before, self.sensors = self.sensors, sensors
        if self.held_open and at >= self._held_open_until:
            self._end_hold(at)
        events = self._alarms(before, at)
        step = (self._locked, self._unlocking, self._unlocked, self._locking, self._jammed)
        return events + step[self.state](at)

    # --- one method per state ---

    def _locked(self, at: int) -> list:
        if not self.sensors.extended:
            self._rest(UNLOCKED)
            self._relock_at = at + self._config.relock_after_ms
            return [(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_MANUAL)]
        return []

    def _unlocking(self, at: int) -> list:
        if self.sensors.retracted:
            self._rest(UNLOCKED)
            self._relock_at = at + self._config.relock_after_ms
            return []
        return self._jam_if_late(at)

    def _unlocked(self, at: int) -> list:
        if self.sensors.extended:
            self._end_hold(at)
            self._rest(LOCKED)
            return [(audit.LOCK_OPERATION, audit.OPERATION_LOCK, audit.SOURCE_MANUAL)]
        if not self.sensors.closed:
            self._relock_at = max(self._relock_at, at + self._config.settle_ms)
        elif at >= self._relock_at and not self.held_open:
            self._move(LOCKING, audit.SOURCE_AUTO, at)
        return []

    def _locking(self, at: int) -> list:
        if not self.sensors.closed:
            self._move(UNLOCKING, audit.SOURCE_AUTO, at)
            return []
        if self.sensors.extended:
            self._rest(LOCKED)
            if self._source in _ON_RECORD:
                return []
            return [(audit.LOCK_OPERATION, audit.OPERATION_LOCK, self._source)]
        return self._jam_if_late(at)

    def _jammed(self, at: int) -> list:
        extended = self.sensors.extended and not self.held_open  # held open: drawn back again
        if extended or self.sensors.retracted:
            self._rest(LOCKED if extended else UNLOCKED)
            self._relock_at = at + self._config.relock_after_ms
        elif at >= self._deadline and self.held_open:
            self._move(UNLOCKING, audit.SOURCE_AUTO, at)
        elif at >= self._deadline and self.sensors.closed:
            self._move(LOCKING, audit.SOURCE_AUTO, at)
        return []

    # --- helpers ---

    def _hold(self, until_ms: int, source: int, at: int) -> list:
        """The later of two holds counts; one that is over before it began is an unlocking."""
        if until_ms > at:
            until_ms = max(until_ms, self._held_open_until if self.held_open else at)
            self.held_open, self._held_open_until = True, until_ms
        return self.unlock(source, at)

    def _end_hold(self, at: int) -> None:
        """Relock as if the bolt had been drawn back for nobody; a leaf is held from now on."""
        if self.held_open:
            self.held_open = self._held = False
            self._relock_at = self._opened_at = at

    def _move(self, state: int, source: int, at: int) -> None:
        self.state = state
        self.drive = RETRACT if state == UNLOCKING else EXTEND
        self._source = source
        self._deadline = at + self._config.travel_timeout_ms

    def _rest(self, state: int) -> None:
        self.state = state
        self.drive = OFF
        self._jam_reported = False

    def _jam_if_late(self, at: int) -> list:
        if at < self._deadline:
            return []
        source = self._source
        self.state, self.drive = JAMMED, OFF
        self._deadline = at + self._config.jam_retry_ms
        if self._jam_reported:
            return []
        self._jam_reported = True
        return [
            (audit.LOCK_OPERATION_ERROR, reasons.JAMMED, source),
            (audit.DOOR_LOCK_ALARM, audit.ALARM_JAMMED, source),
        ]

    def _alarms(self, before: Any, at: int) -> list:
        now = self.sensors
        events = []
        if now.closed != before.closed:
            events += self._leaf_moved(now, at)
        elif not now.closed and not self._held and not self.held_open:
            events += self._held_if_long(at)
        if now.case_open and not before.case_open:
            events.append((audit.DOOR_LOCK_ALARM, audit.ALARM_TAMPER, audit.SOURCE_NONE))
        if now.exit_pressed and not before.exit_pressed:
            already = self.state in (UNLOCKED, UNLOCKING)
            self.unlock(audit.SOURCE_BUTTON, at)
            if not already:
                events.append((audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_BUTTON))
        return events

    def _leaf_moved(self, now: Any, at: int) -> list:
        self._opened_at, self._held = at, False
        code = audit.DOOR_CLOSED if now.closed else audit.DOOR_OPEN
        events = [(audit.DOOR_STATE, code, audit.SOURCE_NONE)]
        if not now.closed and self.state == LOCKED and now.extended:
            events.append((audit.DOOR_LOCK_ALARM, audit.ALARM_FORCED, audit.SOURCE_NONE))
        return events

    def _held_if_long(self, at: int) -> list:
        if at - self._opened_at < self._config.held_after_ms:
            return []
        self._held = True
        return [(audit.DOOR_LOCK_ALARM, audit.ALARM_HELD, audit.SOURCE_NONE)]
