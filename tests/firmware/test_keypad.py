"""The keypad against hurried people, patient guessers and a lock whose power comes and goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import keypad as keypads
from firmware.core.keypad import Attempt, Keypad, judge_pin
from protocol import audit, lockstate, pin, reasons, statuslist
from protocol.pin import Pin
from protocol.session import OK
from protocol.timebound import TimeBound

LOCK = "kitaguch"
RIGHT, WRONG = "0123456789", "9876543210"
NAME = b"somebody"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_800_000_000
KDKS = {3: b"c" * 32, 4: b"d" * 32}
WRONG_CODE = (audit.DOOR_LOCK_ALARM, audit.ALARM_WRONG_CODE, audit.SOURCE_KEYPAD)
DISABLED = (audit.DOOR_LOCK_ALARM, audit.ALARM_KEYPAD_DISABLED, audit.SOURCE_KEYPAD)


class Lock:
    """A lock reduced to its keypad and the memory of its journal."""

    def __init__(self, failures: int = 0, allowed: bool = True) -> None:
        self.failures = failures
        self.allowed = allowed
        self.storage_works = True
        self.judged: list[tuple[str, int]] = []
        self.boot(0)

    def boot(self, at: int) -> None:
        self.keypad = Keypad(lambda: self.failures, self._count, self._judge, self.allowed, at)

    def attempt(self, digits: str, at: int) -> Attempt:
        attempt = self.keypad.attempt(digits, at)
        if attempt.reason == OK:
            self.failures = 0  # the record of the opening says so
        return attempt

    def _count(self, failures: int) -> bool:
        if self.storage_works:
            self.failures = failures
        return self.storage_works

    def _judge(self, digits: str) -> tuple[int, bytes | None]:
        self.judged.append((digits, self.failures))
        return (OK, NAME) if digits == RIGHT else (reasons.PIN_REFUSED, None)


def type_in(lock: Lock, keys: str, at: int = 0, step: int = 100) -> list[Attempt]:
    attempts = [lock.keypad.press(key, at + step * i) for i, key in enumerate(keys)]
    return [attempt for attempt in attempts if attempt is not None]


def reasons_of(attempts: list[Attempt]) -> list[int]:
    return [attempt.reason for attempt in attempts]


# --- keys ---


def test_tenth_digit_completes_the_entry() -> None:
    lock = Lock()
    assert type_in(lock, RIGHT[:9]) == []
    attempt = lock.keypad.press(RIGHT[9], 1000)
    assert attempt is not None and (attempt.reason, attempt.name) == (OK, NAME)
    assert lock.keypad.press("#", 1100) is None


def test_star_begins_again_and_other_keys_are_nothing() -> None:
    lock = Lock()
    assert reasons_of(type_in(lock, "987*" + "".join(RIGHT))) == [OK]
    for key in ("", "A", "12", "٣", "\0"):
        assert lock.keypad.press(key, 5000) is None
    assert lock.judged == [(RIGHT, 1)]


def test_too_short_entry_is_thrown_away_and_is_no_attempt() -> None:
    lock = Lock()
    assert reasons_of(type_in(lock, "123#")) == [reasons.PIN_REFUSED]
    assert reasons_of(type_in(lock, RIGHT, 1000)) == [OK]
    assert lock.judged == [(RIGHT, 1)]


def test_entry_is_abandoned_after_ten_seconds_between_keys() -> None:
    lock = Lock()
    assert type_in(lock, "01234", step=9_999) == []
    assert reasons_of(type_in(lock, "56789", 4 * 9_999 + 9_999, step=9_999)) == [OK]
    assert type_in(lock, "01234", 200_000) == []
    assert type_in(lock, "56789", 200_400 + 10_000) == []
    assert reasons_of(type_in(lock, "56789", 211_000)) == [reasons.PIN_REFUSED]


def test_abandoned_digits_do_not_lie_in_memory() -> None:
    lock = Lock()
    type_in(lock, "01234")
    lock.keypad.tick(400 + 9_999)
    assert "01234" in vars(lock.keypad).values()
    lock.keypad.tick(400 + 10_000)
    assert "01234" not in vars(lock.keypad).values()


@pytest.mark.parametrize("digits", ["", "123456789", "01234567890", "012345678٩", "012345678x"])
def test_what_is_no_pin_is_refused_and_not_counted(digits: str) -> None:
    lock = Lock()
    assert lock.attempt(digits, 0).reason == reasons.PIN_REFUSED
    assert lock.failures == 0 and lock.judged == []


# --- failures ---


def test_failure_is_on_record_before_the_pin_is_looked_at() -> None:
    lock = Lock()
    lock.attempt(WRONG, 0)
    lock.attempt(RIGHT, 0)
    assert lock.judged == [(WRONG, 1), (RIGHT, 2)]
    assert lock.failures == 0


def test_storage_that_fails_refuses_and_nothing_is_compared() -> None:
    lock = Lock()
    lock.storage_works = False
    attempt = lock.attempt(RIGHT, 0)
    assert (attempt.reason, attempt.events) == (reasons.STORAGE, [])
    assert lock.judged == []


REST_MINUTES = {3: 1, 4: 5, 5: 15}


@pytest.mark.parametrize("failures", range(1, 100))
def test_every_row_of_the_throttle(failures: int) -> None:
    rest = (0 if failures < 3 else REST_MINUTES.get(failures, 60)) * MINUTE
    lock = Lock(failures - 1)
    at = 7 * DAY
    assert lock.attempt(WRONG, at).reason == reasons.PIN_REFUSED
    for digits in (RIGHT, WRONG):
        for moment in (at, at + rest // 2, at + rest - 1):
            if rest:
                assert lock.keypad.state(moment) == lockstate.KEYPAD_WAITS
                assert lock.attempt(digits, moment).reason == reasons.PIN_WAIT
    assert lock.failures == failures and len(lock.judged) == 1
    assert lock.keypad.state(at + rest) == lockstate.KEYPAD_READY
    assert lock.attempt(RIGHT, at + rest).reason == OK


@pytest.mark.parametrize("failures", range(3, 100))
def test_rest_begins_anew_after_a_restart(failures: int) -> None:
    lock = Lock(failures)
    rest = REST_MINUTES.get(failures, 60) * MINUTE
    lock.boot(5000)
    assert lock.attempt(RIGHT, 5000 + rest - 1).reason == reasons.PIN_WAIT
    assert lock.attempt(RIGHT, 5000 + rest).reason == OK


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_two_wrong_ones_cost_nobody_any_time(failures: int) -> None:
    lock = Lock(failures)
    assert lock.attempt(RIGHT, 0).reason == OK


def test_right_pin_ends_the_row() -> None:
    lock = Lock(2)
    lock.attempt(RIGHT, 0)
    assert [lock.attempt(WRONG, 0).reason for _ in range(3)] == [reasons.PIN_REFUSED] * 3
    assert lock.attempt(WRONG, 0).reason == reasons.PIN_WAIT


def test_alarm_once_per_ten_in_a_row_and_at_the_hundredth_the_keypad_is_off() -> None:
    lock, at, alarms = Lock(), 0, {}
    for failures in range(1, 101):
        at += DAY
        attempt = lock.attempt(WRONG, at)
        assert attempt.reason == reasons.PIN_REFUSED
        alarms[failures] = attempt.events
    assert {n: e for n, e in alarms.items() if e} == {
        **{n: [WRONG_CODE] for n in range(10, 100, 10)},
        100: [WRONG_CODE, DISABLED],
    }
    assert lock.attempt(RIGHT, at + DAY).reason == reasons.PIN_DISABLED
    assert lock.keypad.state(at + DAY) == lockstate.KEYPAD_DISABLED


def test_disabled_keypad_stays_so_over_restarts_until_it_is_cleared() -> None:
    lock = Lock(100)
    lock.boot(0)
    assert lock.attempt(RIGHT, 30 * DAY).reason == reasons.PIN_DISABLED
    lock.keypad.clear(30 * DAY)
    assert lock.attempt(RIGHT, 30 * DAY).reason == reasons.PIN_DISABLED  # not on record yet
    lock.failures = 0
    lock.keypad.clear(30 * DAY)
    assert lock.attempt(RIGHT, 30 * DAY).reason == OK


def test_staff_end_a_rest_too() -> None:
    lock = Lock(6)
    type_in(lock, "0123")
    lock.failures = 0
    lock.keypad.clear(1000)
    assert reasons_of(type_in(lock, RIGHT, 1000)) == [OK]


def test_door_without_pins_says_so_and_counts_nothing() -> None:
    lock = Lock(allowed=False)
    assert lock.keypad.state(0) == lockstate.KEYPAD_OFF
    assert lock.attempt(RIGHT, 0).reason == reasons.PIN_NOT_HERE
    assert reasons_of(type_in(lock, "12#")) == [reasons.PIN_NOT_HERE]
    assert lock.failures == 0 and lock.judged == []
    lock.keypad.allowed = True
    assert lock.attempt(RIGHT, 0).reason == OK


# --- guessers ---


def guesses(until: int, after_each: Callable[[Lock, int], None]) -> tuple[list[int], Lock]:
    """When an attacker who never waits longer than he must gets a guess looked at."""
    lock, at, moments = Lock(), 0, []
    while at < until and lock.keypad.state(at) != lockstate.KEYPAD_DISABLED:
        if lock.keypad.state(at) == lockstate.KEYPAD_READY:
            lock.attempt(WRONG, at)
            moments.append(at)
            after_each(lock, at)
        else:
            at += MINUTE
    return moments, lock


@pytest.mark.parametrize("restarts", [False, True])
def test_guesser_has_29_guesses_in_a_day_and_100_in_all_with_or_without_restarts(
    restarts: bool,
) -> None:
    def after_each(lock: Lock, at: int) -> None:
        if restarts:
            lock.boot(at)

    moments, lock = guesses(30 * DAY, after_each)
    assert sum(at < DAY for at in moments) == 29
    assert sum(DAY <= at < 2 * DAY for at in moments) == 24
    assert len(moments) == 100 and lock.failures == 100
    assert moments[-1] == 21 * MINUTE + 94 * HOUR


def test_power_cut_while_a_pin_is_compared_saves_no_guess() -> None:
    lock = Lock(5)
    lock.boot(-DAY)

    def power_goes(digits: str) -> tuple[int, bytes | None]:
        raise KeyboardInterrupt

    lock.keypad._judge = power_goes
    with pytest.raises(KeyboardInterrupt):
        lock.attempt(WRONG, 0)
    lock.boot(0)
    assert lock.failures == 6
    assert lock.attempt(RIGHT, HOUR - 1).reason == reasons.PIN_WAIT


def test_restarting_the_lock_during_a_rest_only_lengthens_it() -> None:
    lock = Lock(6)
    for at in range(0, 5 * HOUR, 30 * MINUTE):
        lock.boot(at)
        assert lock.attempt(RIGHT, at + 29 * MINUTE).reason == reasons.PIN_WAIT


@given(
    keys=st.lists(st.tuples(st.sampled_from("0123456789#*"), st.integers(0, 20_000)), max_size=80)
)
def test_whatever_is_typed_only_ten_digits_in_a_row_are_ever_compared(keys: list) -> None:
    lock, at = Lock(), 0
    for key, pause in keys:
        at += pause
        lock.keypad.press(key, at)
        assert len(lock.keypad._digits) < pin.DIGITS
    assert all(keypads.is_pin(digits) for digits, _ in lock.judged)
    assert lock.failures == len(lock.judged)


# --- what ten digits say ---


def aes(key: bytes) -> Callable[[bytes], bytes]:
    return lambda block: Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def digits_of(window: Pin, epoch: int = 3) -> str:
    return pin.encode(aes(pin.pin_key(KDKS[epoch])), LOCK, window)


def judge(
    digits: str,
    lo: int,
    hi: int | None = None,
    doubt_s: int = 0,
    status: statuslist.StatusList | None = None,
) -> tuple[int, bytes | None]:
    now = TimeBound(lo, lo if hi is None else hi)
    status = statuslist.empty(LOCK) if status is None else status
    return judge_pin(digits, LOCK, KDKS, aes, now, doubt_s, status)


EVENING = Pin(START, 8, 5)
NAMED = pin.name(LOCK, EVENING)


@pytest.mark.parametrize("epoch", [3, 4])
def test_pin_of_either_live_epoch_opens_within_its_window(epoch: int) -> None:
    digits = digits_of(EVENING, epoch)
    assert judge(digits, START) == (OK, NAMED)
    assert judge(digits, EVENING.ends_at - 1) == (OK, NAMED)


@pytest.mark.parametrize("at", [START - 1, START + 7200])
def test_early_and_late_are_refused_alike_but_named_for_the_audit(at: int) -> None:
    assert judge(digits_of(EVENING), at) == (reasons.PIN_REFUSED, NAMED)


def test_strict_door_wants_the_whole_bound_inside() -> None:
    digits = digits_of(EVENING)
    assert judge(digits, START, EVENING.ends_at - 1) == (OK, NAMED)
    assert judge(digits, START - 1, START + 1)[0] == reasons.PIN_REFUSED
    assert judge(digits, EVENING.ends_at - 1, EVENING.ends_at)[0] == reasons.PIN_REFUSED


@pytest.mark.parametrize(
    ("doubt_s", "doubt", "opens"),
    [(60, 60, True), (60, 61, False), (900, 900, True), (3600, 900, True), (3600, 901, False)],
)
def test_other_doors_accept_overlap_while_they_doubt_no_more_than_they_may(
    doubt_s: int, doubt: int, opens: bool
) -> None:
    expected = OK if opens else reasons.PIN_REFUSED
    digits = digits_of(EVENING)
    assert judge(digits, START - doubt, START, doubt_s)[0] == expected
    assert judge(digits, EVENING.ends_at - 1, EVENING.ends_at - 1 + doubt, doubt_s)[0] == expected
    assert judge(digits, START - doubt - 1, START - 1, doubt_s)[0] == reasons.PIN_REFUSED


def test_withdrawn_pin_is_refused_and_its_neighbours_are_not() -> None:
    header, entries = statuslist.build(LOCK, 1, START, [(NAMED, EVENING.ends_at)])
    status = statuslist.in_memory(header, entries)
    assert judge(digits_of(EVENING), START, status=status) == (reasons.PIN_REFUSED, NAMED)
    other = Pin(START, 8, 6)
    assert judge(digits_of(other), START, status=status) == (OK, pin.name(LOCK, other))


def test_pin_of_another_lock_or_epoch_opens_nothing() -> None:
    elsewhere = pin.encode(aes(pin.pin_key(KDKS[3])), "minamigu", EVENING)
    before = pin.encode(aes(pin.pin_key(b"b" * 32)), LOCK, EVENING)
    for digits in (elsewhere, before):
        assert judge(digits, START) == (reasons.PIN_REFUSED, None)


def test_pin_opens_nothing_while_the_time_is_unknown() -> None:
    unknown = TimeBound(START).hi
    for doubt_s in (0, 3600):
        assert judge(digits_of(EVENING), START, unknown, doubt_s) == (reasons.PIN_REFUSED, None)


def test_random_digits_bear_a_name_once_in_3739_times() -> None:
    named = 0
    for quarters in pin.LENGTHS_QUARTERS:
        near = keypads.NEAR_S // pin.QUARTER_S
        for quarter in range(-near - 60, near + 60):
            window = Pin(START + quarter * pin.QUARTER_S, quarters, 0)
            named += pin.SERIALS * keypads._is_near(window, TimeBound(START, START))
    assert 10**pin.DIGITS // named == 3739


def test_list_that_cannot_be_read_lets_no_pin_pass() -> None:
    def fails(offset: int, size: int) -> bytes:
        raise OSError(5)

    header = statuslist.build(LOCK, 1, START, [(b"x" * 8, START)])[0]
    found = judge(digits_of(EVENING), START, status=statuslist.StatusList(header, fails))
    assert found == (reasons.STORAGE, pin.name(LOCK, EVENING))
