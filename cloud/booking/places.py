"""Facilities and rooms as they stand in the database, with the rules that count for each room.

Decides how a room finds its rules (facility's policy, room's override; none: lent without rules),
and on which days a room is closed. Changes of a policy keep its version; bookings that were made
under the one before stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.booking.policy import Policy, PolicyError, Rules, read_policy, write_policy
from cloud.database import town_of
from cloud.models import MAIN, ClosedDay, Facility, Room
from cloud.people.levels import Level
from cloud.problems import Problem

MAIN_NAMES = {"ja": "町の施設", "ja-simple": "まちの しせつ", "en": "Town rooms"}


@dataclass(frozen=True)
class Place:
    """A room, its house and its rules (None: lent without rules)."""

    room: Room
    facility: Facility
    rules: Rules | None
    closed: frozenset[date]

    @property
    def assurance(self) -> Level:
        """How well the town has to know whoever books here."""
        own = self.rules.assurance if self.rules is not None else None
        return own if own is not None else self.facility.assurance  # type: ignore[return-value]


def place_of(session: Session, room_id: str, days: Iterable[date] = ()) -> Place:
    """The room with what counts on these days. Raises Problem UNKNOWN_ROOM."""
    room = session.get(Room, (town_of(session), room_id))
    if room is None:
        names = session.scalars(select(Room.name).order_by(Room.room_id)).all()
        raise Problem("UNKNOWN_ROOM", rooms="、".join(names) or "-")
    facility = facility_of(session, room.facility_id)
    closed = closed_days(session, [room], days).get(room.room_id, frozenset())
    return Place(room, facility, rules_in(facility, room.room_id), closed)


def rules_of(session: Session, room: Room) -> Rules | None:
    """What counts in a room."""
    return rules_in(facility_of(session, room.facility_id), room.room_id)


def rules_in(facility: Facility, room_id: str) -> Rules | None:
    """What counts in a room of this facility."""
    return _rules(facility.policy, room_id) if facility.policy is not None else None


def policy_of(facility: Facility) -> Policy | None:
    """The facility's policy, if it has one."""
    return _policy(facility.policy) if facility.policy is not None else None


def facility_of(session: Session, facility_id: str) -> Facility:
    """The facility. Raises Problem UNKNOWN_FACILITY."""
    found = session.get(Facility, (town_of(session), facility_id))
    if found is None:
        raise Problem("UNKNOWN_FACILITY")
    return found


def add_facility(session: Session, facility_id: str, names: dict[str, str], now: int) -> Facility:
    """A new facility without a policy. Raises Problem EXISTS_ALREADY."""
    if session.get(Facility, (town_of(session), facility_id)) is not None:
        raise Problem("EXISTS_ALREADY")
    facility = Facility(
        facility_id=facility_id,
        names=words(names),
        address="",
        find="{}",
        phone="",
        assurance="none",
        active=True,
        policy=None,
        policy_version=0,
        created_at=now,
        updated_at=now,
    )
    session.add(facility)
    session.flush()
    return facility


def main_facility(session: Session, now: int = 0) -> Facility:
    """The facility of rooms that nobody put into another; made when it is missing."""
    known = session.get(Facility, (town_of(session), MAIN))
    return known or add_facility(session, MAIN, MAIN_NAMES, now)


def apply_policy(session: Session, facility: Facility, policy: Policy, now: int) -> bool:
    """Puts a policy into force for bookings from now on; False when it was already.

    Raises Problem BAD_POLICY when it speaks of rooms that the facility does not have.
    """
    rooms = set(
        session.scalars(select(Room.room_id).where(Room.facility_id == facility.facility_id))
    )
    strangers = sorted(set(policy.rooms) - rooms)
    if strangers:
        raise Problem("BAD_POLICY", what=f"rooms: {', '.join(strangers)}?")
    text = write_policy(policy)
    if facility.policy == text:
        return False
    facility.policy, facility.updated_at = text, now
    facility.policy_version += 1
    session.flush()
    return True


def checked_policy(text: str | bytes) -> Policy:
    """The policy in a text. Raises Problem BAD_POLICY with the place that is wrong."""
    try:
        return read_policy(text)
    except PolicyError as error:
        raise Problem("BAD_POLICY", what=str(error)[:300]) from None


def closed_days(
    session: Session, rooms: Iterable[Room], days: Iterable[date]
) -> dict[str, frozenset[date]]:
    """{room_id: days on which it is closed, with its facility or alone}, in one query."""
    rooms, texts = list(rooms), sorted(day.isoformat() for day in days)
    if not texts or not rooms:
        return {}
    query = select(ClosedDay).where(
        ClosedDay.day.in_(texts), ClosedDay.facility_id.in_({room.facility_id for room in rooms})
    )
    rows = session.scalars(query).all()
    return {
        room.room_id: frozenset(
            date.fromisoformat(row.day)
            for row in rows
            if row.facility_id == room.facility_id and row.room_id in ("", room.room_id)
        )
        for room in rooms
    }


def words(told: dict[str, str]) -> str:
    """Words in languages as a column keeps them."""
    return json.dumps({lang: text for lang, text in told.items() if text}, ensure_ascii=False)


def in_languages(column: str, otherwise: str = "") -> dict[str, str]:
    """A column of words, every language filled: with Japanese where one is missing."""
    told = json.loads(column)
    japanese = told.get("ja", otherwise)
    return {lang: told.get(lang, japanese) for lang in ("ja", "ja-simple", "en")}


@lru_cache(maxsize=256)
def _policy(text: str) -> Policy:
    return read_policy(text)


@lru_cache(maxsize=2048)
def _rules(text: str, room_id: str) -> Rules:
    return _policy(text).rules_for(room_id)
