"""The keypad: ten digits from whoever stands at the door, and patience that nobody can buy.

Decides when an entry is complete, when an attempt is looked at, how long the keypad rests after
wrong ones, and whether ten digits open this lock now. Does no I/O: the count of failures lies in
the journal's memory and is reached by ports. `at` is milliseconds that never run backwards.

Invariants: a failure is on record before anything is compared, so cutting the power saves no
guess; after a restart a rest begins anew, so it shortens none; a person is told the same of every
PIN that does not open, whether wrong, early, late or withdrawn.

    failures in a row     3      4      5       6 and more     100
    rest                  1 min  5 min  15 min  60 min         until staff clear it

The tenth digit completes an entry: every PIN has ten, and "then press #" is one more thing to get
wrong in the rain. "#" before that throws away what cannot be a PIN, like "*"; it is no attempt.
"""

from protocol import audit, lockstate, pin, reasons
from protocol.pin import Pin
from protocol.session import OK
from protocol.shim import Any, Callable
from protocol.timebound import TimeBound

CONFIRM, CLEAR = "#", "*"
ABANDONED_AFTER_MS = 10000
RESTS_MS = (60000, 300000, 900000, 3600000)  # after this many wrong and the following ones
FIRST_REST_AT = 3
ALARM_EVERY = 10
DISABLED_AT = 100
NEAR_S = 31 * 86400

_DIGITS = "0123456789"


class Attempt:
    """What came of ten digits: OK or a reason, the PIN's name when it has one, and events.

    events: tuples (audit event, code, source), for the journal. An opening is not among them: the
    lock records it with the name, as it records every opening, and that ends the row of failures.
    """

    def __init__(self, reason: int, name: bytes | None = None, events: Any = ()) -> None:
        self.reason = reason
        self.name = name
        self.events = list(events)


class Keypad:
    """`allowed`: whether this door takes PINs (may change at any time).

    Ports: `failures() -> int`, in a row, as the journal holds them; `count(n) -> bool` writes
    audit.PIN_ATTEMPT with value n, False when storage refused; `judge(digits) -> (reason, name)`.
    """

    def __init__(
        self, failures: Callable, count: Callable, judge: Callable, allowed: bool, at: int
    ) -> None:
        self.allowed = allowed
        self._failures = failures
        self._count = count
        self._judge = judge
        self._digits = ""
        self._pressed_at = at
        self._rests_until = at + rest_after(failures())

    def press(self, key: str, at: int) -> Attempt | None:
        """Take one key: "0".."9", "#" or "*". The attempt that it completed, or None."""
        self.tick(at)
        self._pressed_at = at
        if key in (CONFIRM, CLEAR):
            entered, self._digits = self._digits, ""
            return self._too_short(at) if key == CONFIRM and entered else None
        if len(key) != 1 or key not in _DIGITS:
            return None
        self._digits += key
        if len(self._digits) < pin.DIGITS:
            return None
        entered, self._digits = self._digits, ""
        return self.attempt(entered, at)

    def tick(self, at: int) -> None:
        """Forget an entry that was abandoned."""
        if at - self._pressed_at >= ABANDONED_AFTER_MS:
            self._digits = ""

    def attempt(self, digits: str, at: int) -> Attempt:
        """Judge ten digits, if the keypad listens at all."""
        closed = self._closed(at)
        if closed is not None:
            return closed
        if not is_pin(digits):
            return Attempt(reasons.PIN_REFUSED)
        failures = self._failures() + 1
        if not self._count(failures):
            return Attempt(reasons.STORAGE)
        reason, name = self._judge(digits)
        if reason == OK:
            return Attempt(OK, name)
        self._rests_until = at + rest_after(failures)
        return Attempt(reason, name, _alarms(failures))

    def state(self, at: int) -> int:
        """lockstate.KEYPAD_*."""
        if not self.allowed:
            return lockstate.KEYPAD_OFF
        if self._failures() >= DISABLED_AT:
            return lockstate.KEYPAD_DISABLED
        return lockstate.KEYPAD_WAITS if at < self._rests_until else lockstate.KEYPAD_READY

    def clear(self, at: int) -> None:
        """Staff cleared it, and the journal says so: no rest, no entry."""
        self._digits = ""
        self._rests_until = at

    def _closed(self, at: int) -> Attempt | None:
        reason = _CLOSED[self.state(at)]
        return None if reason is None else Attempt(reason)

    def _too_short(self, at: int) -> Attempt:
        return self._closed(at) or Attempt(reasons.PIN_REFUSED)


_CLOSED = {
    lockstate.KEYPAD_READY: None,
    lockstate.KEYPAD_WAITS: reasons.PIN_WAIT,
    lockstate.KEYPAD_DISABLED: reasons.PIN_DISABLED,
    lockstate.KEYPAD_OFF: reasons.PIN_NOT_HERE,
}


def rest_after(failures: int) -> int:
    """Milliseconds that the keypad rests after this many failures in a row."""
    if failures < FIRST_REST_AT:
        return 0
    return RESTS_MS[min(failures - FIRST_REST_AT, len(RESTS_MS) - 1)]


def is_pin(digits: str) -> bool:
    """Whether this has the form of a PIN."""
    return len(digits) == pin.DIGITS and all(c in _DIGITS for c in digits)


def judge_pin(
    digits: str,
    lock_id: str,
    kdks: dict,
    aes: Callable,
    now: TimeBound,
    doubt_s: int,
    status: Any,
) -> tuple:
    """(OK or PIN_REFUSED, name or None) of ten digits, under every live vault epoch.

    kdks: {vault epoch: kdk}; `aes` as in protocol.crypto.Crypto; doubt_s: 0 on a strict door;
    status: the StatusList in force. The name of a PIN that was refused is given when it is one that
    somebody may well have been given: its window lies within 31 days of now. For ten digits out of
    the air and one epoch that happens once in 3,739 times.
    """
    refused = None
    for kdk in kdks.values():
        found = pin.decode(aes(pin.pin_key(kdk)), lock_id, digits)
        if found is None:
            continue
        name = pin.name(lock_id, found)
        try:
            if _fits(found, now, doubt_s) and not status.lists(name):
                return OK, name
        except OSError:  # a list that cannot be read lets nobody pass
            return reasons.STORAGE, name
        if _is_near(found, now):
            refused = name
    return reasons.PIN_REFUSED, refused


def _fits(found: Pin, now: TimeBound, doubt_s: int) -> bool:
    """Whether its window is open: surely, or possibly at a door that bears this much doubt."""
    return found.fits(now, strict=now.doubt > doubt_s)


def _is_near(found: Pin, now: TimeBound) -> bool:
    if now.doubt > NEAR_S:
        return False
    return found.starts_at <= now.hi + NEAR_S and now.lo - NEAR_S <= found.ends_at


def _alarms(failures: int) -> list:
    events = []
    if failures % ALARM_EVERY == 0:
        events.append((audit.DOOR_LOCK_ALARM, audit.ALARM_WRONG_CODE, audit.SOURCE_KEYPAD))
    if failures == DISABLED_AT:
        events.append((audit.DOOR_LOCK_ALARM, audit.ALARM_KEYPAD_DISABLED, audit.SOURCE_KEYPAD))
    return events
