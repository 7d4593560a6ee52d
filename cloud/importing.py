"""Takes a calendar into the bookings: one transaction a file, one savepoint a booking.

Decides what news is: a later SEQUENCE, or the same with a later DTSTAMP, replaces; older news is
left out, in whatever order files come. A booking whose room is unknown or taken is refused with its
reason and the others get in; a change that collides leaves the old booking as it was. An instance
that its own series no longer has is cancelled; a UID that the file does not mention is left alone.
Invariant: importing the same file again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import bookings
from cloud.booking.states import EXTERNAL, OUTSIDE
from cloud.calendar import DAY_S, CalendarBooking, CalendarContent, Series
from cloud.database import town_of
from cloud.keyring.outbox import ask_for_keys
from cloud.models import CANCELLED, Booking, CalendarSeries, Room
from cloud.problems import Problem

MAX_IMPORTED_S = 31 * DAY_S
NEW, CHANGED, CANCEL, UNCHANGED, REFUSED = "new", "changed", "cancelled", "unchanged", "refused"
_SAME_NAME = (
    "holder_name",
    "holder_contact",
    "starts_at",
    "ends_at",
    "status",
    "uid",
    "recurrence_id",
    "sequence",
    "dtstamp",
)
# The other system took the money and knows whose booking it is.
_ELSEWHERE = {
    "payment_method": OUTSIDE,
    "payment_state": EXTERNAL,
    "channel": "calendar",
    "booked_by": "calendar",
}


@dataclass
class ImportReport:
    """What became of a file: counts, and a line for everything that is not unchanged."""

    counts: Counter[str] = field(default_factory=Counter)
    events: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    outside: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing was refused."""
        return self.counts[REFUSED] == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON; names no holder."""
        names = (NEW, CHANGED, CANCEL, UNCHANGED, REFUSED)
        return {name: self.counts[name] for name in names} | {
            "outside": self.outside,
            "events": self.events,
        }

    def note(self, item: CalendarBooking, outcome: str, booking_id: str | None) -> None:
        """Counts an outcome; tells of it unless nothing happened."""
        self.counts[outcome] += 1
        if outcome != UNCHANGED:
            self.events.append(_line(item, outcome) | {"booking_id": booking_id})
        if booking_id is not None and outcome != UNCHANGED:
            self.touched.add(booking_id)

    def refuse(self, item: CalendarBooking, problem: Problem) -> None:
        """Counts a refusal with its reason."""
        self.counts[REFUSED] += 1
        self.events.append(_line(item, REFUSED) | {"reason": problem.body()})


def _line(item: CalendarBooking, outcome: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "uid": item.uid,
        "recurrence_id": item.recurrence_id,
        "line": item.line,
        "room": item.room,
        "starts_at": item.starts_at,
        "ends_at": item.ends_at,
    }


def import_calendar(
    session: Session,
    content: CalendarContent,
    random_bytes: Callable[[int], bytes],
    now: int,
    default_room: str = "",
) -> ImportReport:
    """Brings the bookings in step with `content`, credentials too; the caller commits."""
    run = _Import(session, content, random_bytes, now, default_room)
    run.take()
    run.drop_vanished()
    ask_for_keys(session, run.report.touched, now)
    return run.report


class _Import:
    def __init__(
        self,
        session: Session,
        content: CalendarContent,
        random_bytes: Callable[[int], bytes],
        now: int,
        default_room: str,
    ) -> None:
        self.report = ImportReport(outside=content.outside)
        self._session = session
        self._content = content
        self._random_bytes = random_bytes
        self._now = now
        self._fallback_room = content.name or default_room
        self._default_room = default_room
        self._rooms = list(session.scalars(select(Room)))
        uids = {item.uid for item in content.bookings} | {s.uid for s in content.series}
        self._rows = self._load_rows(uids)
        self._series = self._load_series(uids)

    def take(self) -> None:
        """Cancellations first, then changes, then new ones; what collides is tried once more."""
        for event, code in self._content.unsupported:
            self.report.counts[REFUSED] += 1
            self.report.events.append(
                {
                    "outcome": REFUSED,
                    "uid": event.uid,
                    "line": event.line,
                    "reason": Problem(code).body(),
                }
            )
        waiting = sorted(self._content.bookings, key=self._turn)
        while waiting:
            refused = [(item, self._try(item)) for item in waiting]
            left = [(item, problem) for item, problem in refused if problem is not None]
            again = [item for item, problem in left if problem.code == "OVERLAP"]
            if len(left) == len(waiting) or not again:
                for item, problem in left:
                    self.report.refuse(item, problem)
                return
            for item, problem in left:
                if problem.code != "OVERLAP":
                    self.report.refuse(item, problem)
            waiting = again

    def drop_vanished(self) -> None:
        """Cancels what a series no longer has, and remembers how new its word was."""
        named = {(item.uid, item.recurrence_id) for item in self._content.bookings}
        for series in self._content.series:
            known = self._series.get(series.uid)
            if known is not None and (series.sequence, series.dtstamp) < known:
                continue
            for (uid, recurrence_id), row in self._rows.items():
                if uid == series.uid and (uid, recurrence_id) not in named:
                    self._drop(row, series)
            self._session.merge(
                CalendarSeries(
                    town=town_of(self._session),
                    uid=series.uid,
                    sequence=series.sequence,
                    dtstamp=series.dtstamp,
                )
            )

    def _turn(self, item: CalendarBooking) -> tuple[int, int, str]:
        known = (item.uid, item.recurrence_id) in self._rows
        order = 0 if item.status == CANCELLED else 1 if known else 2
        return order, item.starts_at, item.uid

    def _try(self, item: CalendarBooking) -> Problem | None:
        row = self._rows.get((item.uid, item.recurrence_id))
        if self._is_old_news(item, row):
            self.report.note(item, UNCHANGED, None)
            return None
        try:
            outcome = self._apply(item, row)
        except Problem as problem:
            return problem
        row = self._rows.get((item.uid, item.recurrence_id))
        self.report.note(item, outcome, row.booking_id if row else None)
        return None

    def _is_old_news(self, item: CalendarBooking, row: Booking | None) -> bool:
        age = (item.sequence, item.dtstamp)
        known = self._series.get(item.uid, (-1, -1))
        return age < known or (row is not None and age < (row.sequence, row.dtstamp))

    def _apply(self, item: CalendarBooking, row: Booking | None) -> str:
        if row is None and item.status == CANCELLED:
            self._remember_cancelled(item)
            return UNCHANGED
        if item.status == CANCELLED:
            assert row is not None
            was = row.status
            row.status, row.sequence, row.dtstamp = CANCELLED, item.sequence, item.dtstamp
            row.updated_at = self._now if was != CANCELLED else row.updated_at
            return UNCHANGED if was == CANCELLED else CANCEL
        room = self._room(item, row)
        if item.ends_at - item.starts_at > MAX_IMPORTED_S:
            raise Problem("TOO_LONG", hours=MAX_IMPORTED_S // 3600)
        return self._add(item, room) if row is None else self._change(item, row, room)

    def _room(self, item: CalendarBooking, row: Booking | None) -> Room:
        stored = row.room_id if row is not None and not item.room else None
        if stored is not None:
            return next(room for room in self._rooms if room.room_id == stored)
        text = item.room or self._fallback_room
        room = bookings.match_room(text, self._rooms)
        if room is None and not item.room:
            room = bookings.match_room(self._default_room, self._rooms)
        if room is None:
            raise bookings.unknown_room(self._session)
        return room

    def _add(self, item: CalendarBooking, room: Room) -> str:
        row = Booking(booking_id=bookings.new_id(self._random_bytes))
        values = {name: getattr(item, name) for name in _SAME_NAME} | {
            "room_id": room.room_id,
            "created_at": self._now,
            "updated_at": self._now,
            **_ELSEWHERE,
        }
        bookings.save_external(self._session, row, room, values)
        self._rows[item.uid, item.recurrence_id] = row
        return NEW

    def _change(self, item: CalendarBooking, row: Booking, room: Room) -> str:
        wanted = {
            "room_id": room.room_id,
            "holder_name": item.holder_name or row.holder_name,
            "holder_contact": item.holder_contact or row.holder_contact,
            "starts_at": item.starts_at,
            "ends_at": item.ends_at,
            "status": item.status,
        }
        age = {"sequence": item.sequence, "dtstamp": item.dtstamp}
        if all(getattr(row, name) == value for name, value in wanted.items()):
            row.sequence, row.dtstamp = item.sequence, item.dtstamp
            return UNCHANGED
        values = wanted | age | {"updated_at": self._now}
        bookings.save_external(self._session, row, room, values)
        return CHANGED

    def _remember_cancelled(self, item: CalendarBooking) -> None:
        """A cancelled instance of a booking not known yet: keeps older news from making it."""
        row = Booking(
            booking_id=bookings.new_id(self._random_bytes),
            holder_name="",
            holder_contact="",
            starts_at=item.starts_at,
            ends_at=item.ends_at,
            status=CANCELLED,
            uid=item.uid,
            recurrence_id=item.recurrence_id,
            sequence=item.sequence,
            dtstamp=item.dtstamp,
            created_at=self._now,
            updated_at=self._now,
            **_ELSEWHERE,
        )
        self._session.add(row)
        self._session.flush()
        self._rows[item.uid, item.recurrence_id] = row

    def _drop(self, row: Booking, series: Series) -> None:
        newer = (row.sequence, row.dtstamp) > (series.sequence, series.dtstamp)
        coming = self._now <= row.starts_at < self._content.closes_at
        if row.status == CANCELLED or newer or not coming:
            return
        row.status, row.updated_at = CANCELLED, self._now
        row.sequence, row.dtstamp = series.sequence, series.dtstamp
        self.report.counts[CANCEL] += 1
        self.report.touched.add(row.booking_id)
        self.report.events.append(
            {
                "outcome": CANCEL,
                "uid": row.uid,
                "recurrence_id": row.recurrence_id,
                "line": series.line,
                "starts_at": row.starts_at,
                "ends_at": row.ends_at,
                "booking_id": row.booking_id,
            }
        )

    def _load_rows(self, uids: set[str]) -> dict[tuple[str, str], Booking]:
        found: dict[tuple[str, str], Booking] = {}
        for chunk in _chunks(sorted(uids)):
            for row in self._session.scalars(select(Booking).where(Booking.uid.in_(chunk))):
                found[row.uid, row.recurrence_id] = row
        return found

    def _load_series(self, uids: set[str]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for chunk in _chunks(sorted(uids)):
            query = select(CalendarSeries).where(CalendarSeries.uid.in_(chunk))
            for row in self._session.scalars(query):
                found[row.uid] = (row.sequence, row.dtstamp)
        return found


def _chunks(values: list[str]) -> list[list[str]]:
    return [values[at : at + 500] for at in range(0, len(values), 500)]
