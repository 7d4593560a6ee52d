"""`kannuki cloud`: serve the town, and the office work that needs no browser.

Decides options and how answers look on a terminal. The deciding is done by the modules it calls.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from cloud import bookings, keylinks, reports, trust
from cloud.booking.cli import closed_days, facility, monthly_totals, policy
from cloud.calendar import CalendarError, read_calendar
from cloud.cli_options import FILE, TownService, database_option, json_option, town_options
from cloud.clock import system_clock
from cloud.database import Database, database_url, open_database
from cloud.database import migrate as migrate_database
from cloud.ical_events import MAX_FILE_BYTES
from cloud.importing import ImportReport, import_calendar
from cloud.lock_cli import check_journal, door, revoke_before
from cloud.models import Room
from cloud.people.cli import list_actions, sign_in_key, staff
from cloud.race import race
from cloud.serve import serve
from cloud.sticker_cli import door_sticker
from cloud.vault_cli import serve_vault
from kannuki.enrolment import EnrolmentFile, FileError, read_file, write_file
from kannuki.errors import EXIT_FAILED, EXIT_OK, InputError
from kannuki.settings import write_secret_file

TOWN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@click.group()
def cloud() -> None:
    """Serve the town: bookings, keys, the pages."""


@cloud.command()
@database_option
def migrate(database: str) -> None:
    """Bring the database to this program's version (makes an empty one)."""
    db = Database(database_url(database))
    click.echo(f"version {migrate_database(db)}")
    db.close()


@cloud.command("add-town")
@click.argument("town")
@click.option("--name", default="", help="The town's name for people.")
@database_option
def add_town(database: str, town: str, name: str) -> None:
    """Take another town into the database, or change the name of one."""
    if not TOWN_ID.fullmatch(town):
        raise InputError(f"'{town}' is no town's id", "use a-z, 0-9 and hyphens, at most 32")
    db = Database(database_url(database))
    migrate_database(db)
    db.add_town(town, name, system_clock()())
    db.close()
    click.echo(town)


@cloud.command("add-room")
@click.argument("name")
@click.option("--id", "room_id", help="Short id; else room-1, room-2, ...")
@json_option
@town_options
def add_room(service: TownService, name: str, room_id: str | None, as_json: bool) -> None:
    """Add a room that the town lends."""
    with service.database.write() as session:
        room = bookings.add_room(session, name, room_id)
    _tell(as_json, {"room_id": room.room_id, "name": room.name}, f"{room.room_id}  {room.name}")


@cloud.command("rooms")
@database_option
@json_option
def list_rooms(database: str, as_json: bool) -> None:
    """List the rooms and which lock hangs where."""
    db = open_database(database, create=False)
    with db.read() as session:
        lines = reports.room_lines(session)
    db.close()
    _tell(
        as_json,
        lines,
        "\n".join(f"{r['room_id']}  {r['lock_id'] or '-':8}  {r['name']}" for r in lines),
    )


@cloud.command("add-lock")
@click.argument("enrolment", type=FILE)
@click.option("--room", "room_name", required=True, help="Name or id of the room.")
@json_option
@town_options
def add_lock(service: TownService, enrolment: Path, room_name: str, as_json: bool) -> None:
    """Hang an enrolled lock at a room; bookings there get keys for it."""
    told = _read_enrolment(service, enrolment)
    with service.database.write() as session:
        rooms = list(session.scalars(select(Room)))
        room = bookings.match_room(room_name, rooms)
        if room is None:
            raise bookings.unknown_room(session)
        bookings.hang_lock(session, service.signers, told, room, service.clock())
    answer = {"lock_id": told.lock_id, "room_id": room.room_id}
    _tell(as_json, answer, f"{told.lock_id} hangs at {room.name}")


def _read_enrolment(service: TownService, path: Path) -> EnrolmentFile:
    try:
        told = read_file(path, EnrolmentFile)
    except FileError as error:
        raise InputError(str(error), "make one with: kannuki provision enrol") from None
    if told.town != service.town:
        raise InputError(f"{path} was made for the town '{told.town}'", "enrol the lock again")
    return told


@cloud.command("import")
@click.argument("calendar", type=FILE)
@click.option("--room", "default_room", default="", help="Room of events that name none.")
@click.option("--links-file", type=FILE, help="Write key links of new bookings here (0600).")
@json_option
@town_options
def import_file(
    service: TownService, calendar: Path, default_room: str, links_file: Path | None, as_json: bool
) -> int:
    """Take an iCalendar file (.ics) into the bookings; again, nothing changes.

    Room: LOCATION, else the calendar's name, else --room. Holder: ATTENDEE, ORGANIZER, CONTACT or
    SUMMARY. Exit code 1 when single events were refused, 2 when the file cannot be used.
    """
    ics = _read_calendar_file(calendar)
    links: list[dict[str, Any]] = []
    try:
        content = read_calendar(ics, service.clock())
    except CalendarError as error:
        raise InputError(f"{calendar}: {error}", "nothing was imported; correct it") from None
    with service.database.write() as session:
        report = import_calendar(
            session, content, service.random_bytes, service.clock(), default_room
        )
        if links_file is not None:
            links = _links_of_new(service, session, report)
            _write_links(links_file, links)
    _tell(as_json, report.as_dict(), _report_text(report))
    return EXIT_OK if report.is_complete else EXIT_FAILED


def _read_calendar_file(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from None


def _links_of_new(service: TownService, session: Any, report: ImportReport) -> list[dict[str, Any]]:
    links = []
    for event in report.events:
        if event["outcome"] != "new":
            continue
        booking = bookings.find(session, event["booking_id"])
        if booking.status != "confirmed":
            continue
        secret = keylinks.new_link(
            session, service.signers, booking, service.random_bytes, service.clock()
        )
        told = {name: event[name] for name in ("booking_id", "uid", "recurrence_id", "starts_at")}
        links.append(told | {"room_id": booking.room_id, "key_link": service.key_link(secret)})
    return links


def _write_links(path: Path, links: list[dict[str, Any]]) -> None:
    if path.exists():
        raise InputError(f"{path} already exists", "name another file: it holds keys")
    if links:
        text = "".join(json.dumps(link, ensure_ascii=False) + "\n" for link in links)
        write_secret_file(path, text.encode())


def _report_text(report: ImportReport) -> str:
    told = report.as_dict()
    counts = "  ".join(f"{name} {value}" for name, value in told.items() if name != "events")
    lines = [counts]
    for event in told["events"]:
        if event["outcome"] == "refused":
            reason = event["reason"]
            lines.append(f"line {event['line']}, {event['uid']}: {reason['ja']} {reason['en']}")
    return "\n".join(lines)


@cloud.command("trust")
@click.option("--out", type=FILE, required=True, help="File to write.")
@town_options
def write_trust(service: TownService, out: Path) -> None:
    """Write what locks shall believe: the town's public keys."""
    _write(out, trust.trust_file(service), secret=False)


@cloud.command("gateway-credential")
@click.option("--gateway-id", required=True, help="The gateway's id: a-z, 0-9, hyphen.")
@click.option("--out", type=FILE, required=True, help="File to write (0600).")
@town_options
def gateway_credential(service: TownService, gateway_id: str, out: Path) -> None:
    """Write a gateway's housekeeping tokens for every lock: 90 days, opens no door."""
    try:
        content = trust.gateway_file(service, gateway_id)
    except ValueError as error:
        raise InputError(f"cannot make it: {error}", "check --gateway-id") from None
    _write(out, content, secret=True)


def _write(out: Path, content: Any, secret: bool) -> None:
    try:
        write_file(out, content, secret=secret)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}", "name another file") from None
    click.echo(str(out))


@cloud.command()
@click.argument("booking_id")
@json_option
@town_options
def cancel(service: TownService, booking_id: str, as_json: bool) -> None:
    """Cancel a booking: frees the room, withdraws the key."""
    with service.database.write() as session:
        booking = bookings.find(session, booking_id)
        bookings.cancel(session, booking, service.clock())
    _tell(as_json, {"booking_id": booking_id, "status": booking.status}, "cancelled")


@cloud.command("key-link")
@click.argument("booking_id")
@json_option
@town_options
def key_link(service: TownService, booking_id: str, as_json: bool) -> None:
    """Make a new key link for a booking; the old one dies."""
    with service.database.write() as session:
        booking = bookings.find(session, booking_id)
        secret = keylinks.new_link(
            session, service.signers, booking, service.random_bytes, service.clock()
        )
    link = service.key_link(secret)
    _tell(as_json, {"booking_id": booking_id, "key_link": link}, link)


@cloud.command("audit")
@database_option
@click.option("--lock", "lock_id", help="Only this lock.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many.")
@json_option
def show_audit(database: str, lock_id: str | None, limit: int, as_json: bool) -> None:
    """Show what locks recorded, newest first."""
    db = open_database(database, create=False)
    with db.read() as session:
        lines = reports.audit_lines(session, lock_id, limit)
    db.close()
    _tell(as_json, lines, "\n".join(_audit_text(line) for line in lines))


def _audit_text(line: dict[str, Any]) -> str:
    when = bookings.time_text(line["time_lo"]) if line["time_lo"] else "time unknown"
    who = (line["who"] or {}).get("holder_name") or line["subject"] or "-"
    what = line["reason"] or line["result"]
    where = line["room"] or line["lock_id"]
    return f"{when}  {where}  {line['event']} {what}  {who}  {line['path'] or '-'}"


@cloud.command()
def openapi() -> None:
    """Print the description of the HTTP interface (OpenAPI)."""
    from cloud.web.apps import describe

    click.echo(json.dumps(describe(), ensure_ascii=False, indent=2))


def _tell(as_json: bool, answer: Any, text: str) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


cloud.add_command(serve)
cloud.add_command(serve_vault)
cloud.add_command(race)
cloud.add_command(policy)
cloud.add_command(facility)
cloud.add_command(closed_days)
cloud.add_command(monthly_totals)
cloud.add_command(sign_in_key)
cloud.add_command(staff)
cloud.add_command(list_actions)
cloud.add_command(door)
cloud.add_command(revoke_before)
cloud.add_command(check_journal)
cloud.add_command(door_sticker)
