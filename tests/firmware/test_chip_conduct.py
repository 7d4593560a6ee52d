"""The vectors of what a lock makes of signed time and of status lists, on both runtimes."""

import unittest

from firmware.core.statusstore import StatusStore
from firmware.core.timekeeper import TimeKeeper
from protocol import cose, reasons, statuslist
from protocol.session import OK
from protocol.signedtime import SignedTime
from protocol.timebound import FOREVER, from_wire, to_wire
from tests.firmware.test_chip_fuzz import RamStorage
from tests.protocol.support import unhex, vectors


class StoppedRtc:
    def read(self):
        return None

    def set(self, unix_s):
        pass


def keeper(known):
    """A clock that stands still and knows [lo, hi]."""
    lo, hi = known
    made = TimeKeeper(lambda: 0, StoppedRtc(), lo, None)
    if hi is not None:
        middle = (lo + hi) // 2
        made.take(SignedTime("kitaguch", bytes(16), middle, hi - middle), 0)
        made.raise_lo(lo)
    return made


class TestTime(unittest.TestCase):
    def test_answers(self):
        for row in vectors("conduct")["answers"]:
            with self.subTest(row["why"]):
                clock = keeper(row["known"])
                self.assertEqual(to_wire(clock.now()), row["known"])
                answer = SignedTime("kitaguch", bytes(16), row["t"], row["error_s"])
                self.assertEqual(clock.take(answer, -row["under_way_ms"]), row["taken"])
                self.assertEqual(clock.alarm_due(), row["alarm"])
                self.assertEqual(to_wire(clock.now()), row["now"])

    def test_documents_that_are_carried(self):
        for row in vectors("conduct")["carried"]:
            with self.subTest(row["why"]):
                clock = keeper(row["known"])
                clock.raise_lo(row["issued_at"])
                self.assertEqual(to_wire(clock.now()), row["now"])


class TestOffers(unittest.TestCase):
    def test_lists_offered_to_a_lock(self):
        known = vectors("conduct")["offers"]
        kids = [unhex(kid) for kid in known["kids"]]
        for row in known["rows"]:
            with self.subTest(row["why"]):
                store = StatusStore(RamStorage(), known["lock_id"])
                self.assertEqual(offer(store, row, "held", kids), OK)
                self.assertEqual(offer(store, row, "brought", kids), row["reason"])
                self.assertEqual(store.current.version, row["held_then"])


def offer(store, row, name, kids):
    """The reason with which a list is answered; its signature is taken for granted."""
    payload = unhex(row[name])
    header, current = statuslist.decode(payload), store.current.header
    if header.version > current.version and not header.keeps(current, kids):
        return reasons.MALFORMED
    document = cose.encode(bytes(4), payload, bytes(64))
    entries = unhex(row[name + "_entries"])
    return store.take_part(document, 0, entries, row["lo"], lambda signed: True)[0]


class TestTheEndOfTime(unittest.TestCase):
    def test_lock_told_the_last_second_of_all_never_writes_for_ever(self):
        ticks = [0]
        clock = TimeKeeper(lambda: ticks[0], StoppedRtc(), 0, None)
        last = FOREVER - 1
        self.assertTrue(clock.take(SignedTime("kitaguch", bytes(16), last, 0), 0))
        ticks[0] = 86_400_000
        wire = to_wire(clock.now())
        self.assertEqual(wire, [last, None])
        self.assertEqual(to_wire(from_wire(*wire)), wire)
