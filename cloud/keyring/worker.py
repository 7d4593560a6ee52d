"""Fulfils what bookings asked of their keys, and sends the letters: the outbox's other end.

Each step is one transaction that leaves the next one asked for, so the process may be stopped
between any two: settle (issue, withdraw, publish the list), make a letter's link, send, note it as
sent. A booking that cannot be settled is put off alone, with an alarm, and delays nobody else.
`KeySteps` is what there is to do and reads no clock but the service's; `KeyWorker` is the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from cloud.alarms import clear_alarm, raise_alarm
from cloud.credentials import settle_one
from cloud.keyring import delivery, letters, outbox
from cloud.keyring.delivery import DueLetter
from cloud.keyring.mail import Letter, Mailer, MailFailed, MailRefused
from cloud.keyring.pinplan import PAD_S
from cloud.lists import drop_dead_rows, publish_lists
from cloud.models import Booking, KeyWork
from cloud.service import TownService

log = logging.getLogger(__name__)
AT_ONCE = 25  # tokens of one transaction: some milliseconds of the one write lock
BACK_FILL_AT_ONCE = 500
POLL_S = 1.0
SWEEP_EVERY_S = 600
RETRY_FAULT_S = 2.0
_ALARM = "KEY_NOT_ISSUED"


@dataclass
class KeySteps:
    """One step at a time. `mailer`: None where the town sends no letters."""

    service: TownService
    town_name: str
    mailer: Mailer | None = None
    at_once: int = AT_ONCE
    counts: Counter[str] = field(default_factory=Counter)

    def step(self) -> bool:
        """Does the next thing; False when there was nothing to do."""
        return self.settle() or self.deliver()

    def settle(self) -> bool:
        """One batch of bookings, in one transaction."""
        database, now = self.service.database, self.service.clock()
        with database.read() as session:
            if not outbox.has_due(session, now):
                return False
        with database.write() as session:
            touched: set[str] = set()
            for row in outbox.due(session, now, self.at_once):
                touched |= self._settle_one(session, row, now)
            publish_lists(session, self.service.signers, touched, now)
        return True

    def deliver(self) -> bool:
        """One letter: its link (if any) is committed, then it is sent, then that is noted."""
        if self.mailer is None:
            return False
        database = self.service.database
        with database.read() as session:
            if not delivery.has_due(session, self.service.clock()):
                return False
        with database.write() as session:
            due = delivery.next_letter(session, self.service.random_bytes, self.service.clock())
            letter = self._letter(session, due) if due is not None else None
        if due is not None and letter is not None:
            self._send(self.mailer, due, letter)
        return True

    def sweep(self) -> bool:
        """Asks for keys that nobody asked for; True when there may be more of them."""
        now = self.service.clock()
        with self.service.database.write() as session:
            found = outbox.ask_for_missing(session, now, PAD_S, BACK_FILL_AT_ONCE)
            made = self.service.keyset.keyset
            drop_dead_rows(session, made.keys.keys(), made.version)
        return found == BACK_FILL_AT_ONCE

    def drain(self) -> None:
        """Everything there is to do now."""
        while self.step():
            pass

    def _settle_one(self, session: Session, row: KeyWork, now: int) -> set[str]:
        booking_id, wanted = row.booking_id, row.wanted
        booking = session.get_one(Booking, booking_id)
        place = booking.room_id or ""
        try:
            with session.begin_nested():
                touched = settle_one(session, self.service.signers, booking_id, now)
                if self.mailer is not None:
                    delivery.ask_news(session, booking, now)
        except Exception as error:  # noqa: BLE001 - one booking must not hold up all others
            log.error("keys of %s: %s", booking_id, type(error).__name__, exc_info=error)
            self.counts["faults"] += 1
            outbox.put_off(row, now)
            raise_alarm(session, _ALARM, place, booking_id, now)
            return set()
        if row.attempts:
            clear_alarm(session, _ALARM, place, booking_id)
        row.done, row.attempts = wanted, 0
        self.counts["settled"] += 1
        return touched

    def _letter(self, session: Session, due: DueLetter) -> Letter:
        told = letters.Told(
            town=self.town_name,
            link=self.service.key_link(due.secret) if due.secret is not None else None,
            pin=letters.pin_for(session, self.service, due) if self.service.mail_pins else None,
        )
        return letters.compose(session, due, told, self.service.random_bytes, self.service.clock())

    def _send(self, mailer: Mailer, due: DueLetter, letter: Letter) -> None:
        try:
            mailer.send(letter)
        except MailFailed as error:
            log.warning("a letter did not go out (%s); it will be tried again", error)
            self.counts["mail_failed"] += 1
            with self.service.database.write() as session:
                delivery.note_failed(session, due)
            return
        except MailRefused as error:
            log.warning("a letter was refused (%s)", error)
            self.counts["mail_refused"] += 1
            with self.service.database.write() as session:
                delivery.note_refused(session, due, self.service.clock())
            return
        with self.service.database.write() as session:
            delivery.note_sent(session, due, self.service.clock())
        self.counts["mail_sent"] += 1


class KeyWorker:
    """Runs beside the HTTP server. `on_settled` is called when there may be lists to send.

    Letters have a loop of their own: a mail server that hangs keeps no key waiting.
    """

    def __init__(self, steps: KeySteps, on_settled: Callable[[], None]) -> None:
        self._steps = steps
        self._on_settled = on_settled
        self._wish = asyncio.Event()
        self._letter = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def poke(self) -> None:
        """Something was asked for: look now. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    async def run(self) -> None:
        """Until cancelled. What nobody asked for is looked for first, and now and then."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep())
            tasks.create_task(self._work(self._steps.settle, self._wish))
            tasks.create_task(self._work(self._steps.deliver, self._letter))

    def _wake(self) -> None:
        self._wish.set()
        self._letter.set()

    async def _work(self, step: Callable[[], bool], wake: asyncio.Event) -> None:
        while True:
            try:
                busy = await asyncio.to_thread(step)
            except Exception:  # noqa: BLE001 - the database is away: what was asked for waits in it
                log.exception("a step of the keys failed")
                await asyncio.sleep(RETRY_FAULT_S)
                continue
            if not busy:
                await _pause(wake)
            elif step == self._steps.settle:
                self._on_settled()
                self._letter.set()

    async def _sweep(self) -> None:
        while True:
            try:
                more = await asyncio.to_thread(self._steps.sweep)
            except Exception:  # noqa: BLE001 - as above
                log.exception("looking for missing keys failed")
                more = False
            self._wake()
            await asyncio.sleep(0.1 if more else SWEEP_EVERY_S)


async def _pause(wake: asyncio.Event) -> None:
    """Until poked; other processes ask, too, so never for long."""
    try:
        async with asyncio.timeout(POLL_S):
            await wake.wait()
    except TimeoutError:
        return
    wake.clear()
