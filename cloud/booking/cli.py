"""`kannuki cloud policy | facility | closed-days | totals`: the office work of bookings.

Decides options and how answers look on a terminal. The deciding is done by the modules it calls.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy import delete

from cloud.booking import lines, places, totals
from cloud.booking.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from cloud.cli_options import FILE, TownService, json_option, town_options
from cloud.models import ClosedDay, Room
from cloud.people.levels import ORDER
from kannuki.errors import InputError

_FACILITY = click.option("--facility", default="main", show_default=True, help="The facility's id.")
_MAX_DAYS = 400


@click.group()
def policy() -> None:
    """How a facility lends its rooms: hours, prices, approval, all in one document."""


@policy.command("show")
@_FACILITY
@json_option
@town_options
def show_policy(service: TownService, facility: str, as_json: bool) -> None:
    """Print the policy in force, with every default spelled out."""
    with service.database.read() as session:
        house = places.facility_of(session, facility)
        found, version = places.policy_of(house), house.policy_version
    told = found.model_dump(mode="json", by_alias=True) if found is not None else None
    answer = {"facility_id": facility, "version": version, "policy": told}
    text = json.dumps(told, ensure_ascii=False, indent=2) if told else "no policy: lent as it comes"
    _tell(as_json, answer, text)


@policy.command("check")
@click.argument("file", type=FILE)
@json_option
def check_policy(file: Path, as_json: bool) -> None:
    """Check a policy without a town: whether it can be used, and what it comes to."""
    found = _read(file)
    told = {"ok": True, "policy": found.model_dump(mode="json", by_alias=True)}
    _tell(as_json, told, f"{file}: good; {len(found.rooms)} rooms have rules of their own")


@policy.command("apply")
@click.argument("file", type=FILE)
@_FACILITY
@json_option
@town_options
def apply_policy(service: TownService, file: Path, facility: str, as_json: bool) -> None:
    """Put a policy into force; bookings that were made stay as they are."""
    found = _read(file)
    with service.database.write() as session:
        house = places.facility_of(session, facility)
        changed = places.apply_policy(session, house, found, service.clock())
        version = house.policy_version
    answer = {"facility_id": facility, "version": version, "changed": changed}
    _tell(as_json, answer, f"{facility}: version {version}" + ("" if changed else ", as before"))


def _read(file: Path) -> Policy:
    try:
        with open(file, "rb") as opened:
            return read_policy(opened.read(MAX_POLICY_BYTES + 1))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", "check the path") from None
    except PolicyError as error:
        raise InputError(f"{file}: {error}", "nothing was changed; correct it") from None


@click.command("facility")
@click.argument("facility_id")
@click.option("--name", help="Its name in Japanese.")
@click.option("--name-simple", help="The same in easy Japanese.")
@click.option("--name-en", help="The same in English.")
@click.option("--address", help="Where it is.")
@click.option("--phone", help="Whom people phone.")
@click.option("--assurance", type=click.Choice(ORDER), help="Least level to book there.")
@click.option("--room", "room_ids", multiple=True, help="Put this room (id) into it. Repeatable.")
@json_option
@town_options
def facility(
    service: TownService,
    facility_id: str,
    name: str | None,
    name_simple: str | None,
    name_en: str | None,
    room_ids: tuple[str, ...],
    as_json: bool,
    **facts: str | None,
) -> None:
    """Add a facility, or change one; what is not named stays."""
    now = service.clock()
    with service.database.write() as session:
        known = session.get(places.Facility, (service.town, facility_id))
        names = {"ja": name or facility_id, "ja-simple": name_simple or "", "en": name_en or ""}
        house = known or places.add_facility(session, facility_id, names, now)
        if name is not None:
            house.names = places.words(names)
        for fact, value in facts.items():
            if value is not None:
                setattr(house, fact, value)
        for room_id in room_ids:
            room = session.get(Room, (service.town, room_id))
            if room is None:
                raise InputError(f"there is no room '{room_id}'", "see: kannuki cloud rooms")
            room.facility_id = facility_id
        house.updated_at = now
        session.flush()
        told = next(f for f in lines.facility_lines(session) if f["facility_id"] == facility_id)
    rooms = "  ".join(room["room_id"] for room in told["rooms"])
    _tell(as_json, told, f"{facility_id}  {told['name']['ja']}  {rooms}")


@click.command("closed-days")
@click.argument("days", nargs=-1, required=True)
@_FACILITY
@click.option("--room", "room_id", default="", help="Only this room (id).")
@click.option("--reason", default="", help="Why, for people.")
@click.option("--open", "is_open", is_flag=True, help="Lend again on these days.")
@json_option
@town_options
def closed_days(
    service: TownService,
    days: tuple[str, ...],
    facility: str,
    room_id: str,
    reason: str,
    is_open: bool,
    as_json: bool,
) -> None:
    """Close a facility or a room on DAYS: 2026-12-29 or 2026-12-29/2027-01-03."""
    wanted = [day.isoformat() for text in days for day in _days(text)]
    with service.database.write() as session:
        places.facility_of(session, facility)
        session.execute(
            delete(ClosedDay).where(
                ClosedDay.facility_id == facility,
                ClosedDay.room_id == room_id,
                ClosedDay.day.in_(wanted),
            )
        )
        if not is_open:
            session.add_all(
                ClosedDay(
                    facility_id=facility,
                    room_id=room_id,
                    day=day,
                    reason=reason,
                    created_at=service.clock(),
                )
                for day in sorted(set(wanted))
            )
    told = {"facility_id": facility, "days": sorted(set(wanted)), "open": is_open}
    _tell(as_json, told, f"{len(set(wanted))} days {'open' if is_open else 'closed'}")


def _days(text: str) -> list[date]:
    first, _, last = text.partition("/")
    try:
        start = date.fromisoformat(first)
        end = date.fromisoformat(last) if last else start
    except ValueError:
        raise InputError(f"'{text}' is no day", "for example 2026-12-29/2027-01-03") from None
    count = (end - start).days + 1
    if not 1 <= count <= _MAX_DAYS:
        raise InputError(f"'{text}' is {count} days", f"name between 1 and {_MAX_DAYS}")
    return [start + timedelta(days=number) for number in range(count)]


@click.command("totals")
@click.argument("month")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@town_options
def monthly_totals(service: TownService, month: str, as_csv: bool, as_json: bool) -> None:
    """A month's uses and yen by facility, MONTH as 2026-12."""
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise InputError(f"'{month}' is no month", "for example 2026-12") from None
    with service.database.read() as session:
        found = totals.monthly(session, first.year, first.month)
    text = "\n".join(
        f"{line['facility_id']}  {line['uses']} uses ({line['exempt_uses']} exempt)  "
        f"{line['settled_yen']} yen settled"
        for line in found
    )
    _tell(as_json, found, totals.as_csv(found).rstrip() if as_csv else text or "nothing")


def _tell(as_json: bool, answer: Any, text: str) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)
