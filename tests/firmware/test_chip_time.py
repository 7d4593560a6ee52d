"""Timekeeper, keypad and door on both runtimes: their arithmetic where integers are small."""

import unittest

from firmware.core.door import EXTEND, OFF, RETRACT, UNLOCKED, Door, Sensors
from firmware.core.keypad import Keypad, judge_pin
from firmware.core.timekeeper import TimeKeeper
from protocol import lockstate, pin, reasons, statuslist
from protocol.lockconfig import DoorConfig
from protocol.pin import Pin
from protocol.session import OK
from protocol.signedtime import SignedTime
from protocol.timebound import FOREVER, TimeBound

try:
    import cryptolib
except ImportError:
    cryptolib = None

LOCK = "kitaguch"
START = 1_800_000_000
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


class Rtc:
    def __init__(self, shown=None):
        self.shown = shown

    def read(self):
        return self.shown

    def set(self, unix_s):
        self.shown = unix_s


class Clock:
    """Milliseconds since boot, and the RTC that runs along."""

    def __init__(self, shown=None):
        self.ms = 0
        self.rtc = Rtc(shown)

    def __call__(self):
        return self.ms

    def wait(self, ms):
        before = self.ms // 1000
        self.ms += ms
        if self.rtc.shown is not None:
            self.rtc.shown += self.ms // 1000 - before


def says(t, error_s=0):
    return SignedTime(LOCK, bytes(16), t, error_s)


def aes(key):
    """AES of the runtime: MicroPython's cryptolib, or the PC's library."""
    if cryptolib is not None:
        return lambda block: cryptolib.aes(key, 1).encrypt(block)
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return lambda block: Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


class TestTimeKeeper(unittest.TestCase):
    def bound(self, keeper):
        now = keeper.now()
        return now.lo, now.hi

    def test_a_year_of_drift_is_exact(self):
        clock = Clock()
        keeper = TimeKeeper(clock, clock.rtc, 0, None)
        self.assertTrue(keeper.take(says(START), 0))
        clock.wait(YEAR_MS)
        year = START + 31_536_000
        self.assertEqual(self.bound(keeper), (year - 1577, year + 1577))

    def test_time_after_a_restart_follows_the_rtc(self):
        clock = Clock(START + 1000)
        keeper = TimeKeeper(clock, clock.rtc, 7, TimeBound(START - 2, START + 2))
        self.assertEqual(self.bound(keeper), (START + 997, START + 1000 + 6))
        clock.wait(1000)
        self.assertEqual(self.bound(keeper), (START + 998, START + 1000 + 7))

    def test_healthy_clock_rejects_what_lies_far_outside(self):
        clock = Clock()
        keeper = TimeKeeper(clock, clock.rtc, 7, None)
        keeper.take(says(START), 0)
        for t in (START - 3601, START + 3601, FOREVER - 1):
            self.assertFalse(keeper.take(says(t), 0))
            self.assertTrue(keeper.alarm_due())
        self.assertEqual(self.bound(keeper), (START, START))

    def test_day_in_ram_then_kept(self):
        clock = Clock()
        keeper = TimeKeeper(clock, clock.rtc, 7, None)
        keeper.take(says(START), 0)
        clock.wait(DAY_MS - 1)
        self.assertTrue(keeper.time_set_due() is None)
        clock.wait(1)
        bound = keeper.time_set_due()
        keeper.time_set_persisted()
        self.assertEqual(clock.rtc.read(), (bound.lo + bound.hi) // 2)
        self.assertTrue(keeper.checkpoint_due())

    def test_root_reset_may_lower_the_floor(self):
        clock = Clock()
        keeper = TimeKeeper(clock, clock.rtc, START + YEAR_MS // 1000, None)
        self.assertFalse(keeper.take(says(START), 0))
        bound = keeper.reset(says(START, 1), 0)
        self.assertEqual((bound.lo, bound.hi), (START - 1, START + 1))
        self.assertEqual(self.bound(keeper), (START - 1, START + 1))


class TestKeypad(unittest.TestCase):
    def test_a_typed_pin_opens_and_a_wrong_one_is_counted_first(self):
        kdks = {3: b"c" * 32}
        window = Pin(START, 8, 5)
        digits = pin.encode(aes(pin.pin_key(kdks[3])), LOCK, window)
        counted = []

        def judge(entered):
            now = TimeBound(START, START)
            return judge_pin(entered, LOCK, kdks, aes, now, 0, statuslist.empty(LOCK))

        def count(failures):
            counted.append(failures)
            return True

        keypad = Keypad(lambda: len(counted), count, judge, True, 0)
        for typed, reason in (("0000000000", reasons.PIN_REFUSED), (digits, OK)):
            for key in typed:
                attempt = keypad.press(key, 100)
            self.assertEqual(attempt.reason, reason)
        self.assertEqual(attempt.name, pin.name(LOCK, window))
        self.assertEqual(counted, [1, 2])
        keypad.attempt("0000000000", 200)
        self.assertEqual(keypad.state(200), lockstate.KEYPAD_WAITS)
        self.assertEqual(keypad.attempt(digits, 60_199).reason, reasons.PIN_WAIT)
        self.assertEqual(keypad.state(60_200), lockstate.KEYPAD_READY)


class TestDoor(unittest.TestCase):
    def test_a_hold_ends_at_its_time(self):
        extended = Sensors(True, False, True, False, False)
        retracted = Sensors(False, True, True, False, False)
        door = Door(DoorConfig(), extended, 0)
        door.hold_open(DAY_MS, 1, 0)
        self.assertEqual(door.drive, RETRACT)
        door.sense(retracted, 400)
        self.assertEqual((door.drive, door.state), (OFF, UNLOCKED))
        door.sense(retracted, 28_800_000 - 1)
        self.assertTrue(door.held_open and door.drive == OFF)
        door.sense(retracted, 28_800_000)
        self.assertTrue(not door.held_open and door.drive == EXTEND)


if __name__ == "__main__":
    unittest.main()
