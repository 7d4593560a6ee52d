"""A town with a policy for tests: one facility with rules and prices, a payment service."""

from __future__ import annotations

import json
from typing import Any

from cloud.booking import places
from cloud.booking.hours import moment_of
from cloud.booking.money import Office
from cloud.booking.payments import Hosted, providers
from cloud.booking.policy import read_policy
from cloud.booking.terms import Booker, Wanted
from cloud.models import Booking, Credential
from cloud.people.levels import Level
from tests.cloud.booking.strategies import DAY
from tests.cloud.support import Town

SECRET = b"a secret that the payment service and the town share"
CHECKOUT = "https://pay.example/checkout"
HOSTED = Hosted(CHECKOUT, "misaki", (SECRET,))
PRICES = {"resident": 300, "outside": 450, "commercial": 900}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
POLICY: dict[str, Any] = {
    "hours": {day: [["09:00", "21:00"]] for day in WEEKDAYS},
    "slot_minutes": 30,
    "shortest_minutes": 30,
    "longest_minutes": 240,
    "setup_minutes": 0,
    "cleaning_minutes": 30,
    "change_until_minutes": 60,
    "cancel_until_minutes": 0,
    "refunds": [
        {"minutes_before": 1440, "percent": 100},
        {"minutes_before": 0, "percent": 50},
    ],
    "quotas": {"open_per_person": 3, "holds_per_person": 2},
    "approval": {"people_over": 20},
    "fees": {"base": PRICES, "reductions": {"welfare": 100, "sports": 50}},
    "payments": {
        "methods": ["counter", "hosted", "invoice"],
        "key_before_paying": ["invoice"],
    },
}


def at(hours: float) -> int:
    """A time of the first day of tests, a Monday, in Tokyo."""
    return moment_of(DAY, int(hours * 60))


def put_policy(town: Town, facility_id: str = "main", **changes: Any) -> None:
    """Puts POLICY with changes into force."""
    with town.service.database.write() as session:
        house = places.facility_of(session, facility_id)
        policy = read_policy(json.dumps(POLICY | changes))
        places.apply_policy(session, house, policy, town.clock())


def office(town: Town) -> Office:
    """An office with a payment service."""
    service = town.service
    return Office(service.random_bytes, providers(HOSTED), "https://book.example/")


def booker(name: str = "a", level: Level = "aal2", resident: bool | None = True) -> Booker:
    """A resident who signed in."""
    return Booker(f"account:{name}", name, "", name, level, resident)


def wanted(start: float = 10, hours: float = 2, room_id: str = "room-1", **more: Any) -> Wanted:
    """A use on the first day."""
    more.setdefault("people", 5)
    return Wanted(room_id, at(start), at(start + hours), **more)


def live_keys(town: Town, booking_id: str) -> int:
    """How many credentials of a booking are not withdrawn, once the worker has done its part."""
    town.settle()
    with town.service.database.read() as session:
        return session.query(Credential).filter_by(booking_id=booking_id, revoked_at=None).count()


def row_of(town: Town, booking_id: str) -> Booking:
    """The booking as it is in the database."""
    with town.service.database.read() as session:
        return session.get_one(Booking, booking_id)
