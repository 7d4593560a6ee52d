"""`kannuki cloud sign-in-key | staff | actions`: what an office does about people at a terminal.

Decides options and output. A private key is never shown; an invitation's link is printed once.
"""

from __future__ import annotations

import csv
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import click

from cloud.cli_options import FOLDER, TownService, database_option, json_option, town_options
from cloud.database import open_database
from cloud.people import actions, sign_in_keys
from cloud.people import staff as members
from cloud.people.principals import ROLES, Grant, Principal
from kannuki.errors import EXIT_FAILED, EXIT_OK, InputError
from kannuki.settings import write_secret_file

_TERMINAL = "terminal"


@click.command("sign-in-key")
@click.option("--keys-dir", type=FOLDER, required=True, help="Folder made by `keys init`.")
@click.option("--renew", is_flag=True, help="A new signing key; the old one stays published.")
@json_option
def sign_in_key(keys_dir: Path, renew: bool, as_json: bool) -> None:
    """Make the town's key at sign-in providers (private_key_jwt); print what to register.

    The public half is also served at /v1/sign-in/jwks.json. Register a renewed key before the
    service is started with it. The file also holds the key that hides who is who at a provider:
    keep a copy of it, or residents get new accounts.
    """
    path = keys_dir / sign_in_keys.FILE_NAME
    if renew:
        told = sign_in_keys.renewed(sign_in_keys.read_file(path))
        _replace(path, told.model_dump_json().encode() + b"\n")
    else:
        told = sign_in_keys.new_file(secrets.token_bytes)
        write_secret_file(path, told.model_dump_json().encode() + b"\n")
    jwks = sign_in_keys.open_keys(path).jwks()
    answer = {"file": str(path), "jwks": jwks}
    click.echo(json.dumps(answer) if as_json else json.dumps(jwks, indent=2))


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others in between."""
    fresh = path.with_name(path.name + ".renewed")
    fresh.unlink(missing_ok=True)
    write_secret_file(fresh, content)
    try:
        fresh.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "check the path") from error


@click.group("staff")
def staff() -> None:
    """Invite staff, and see who works for the town."""


@staff.command("invite")
@click.argument("name")
@click.option("--role", type=click.Choice(sorted(ROLES)), required=True, help="What they may do.")
@click.option("--facility", "facility_id", help="Only in this facility. [default: whole town]")
@click.option("--console-url", default="", help="Origin of the clerk's desk, https://host.")
@json_option
@town_options
def invite(
    service: TownService,
    name: str,
    role: str,
    facility_id: str | None,
    console_url: str,
    as_json: bool,
) -> None:
    """Invite somebody to register a passkey; prints the link, good once and for 72 hours."""
    if not name.strip() or len(name) > 100:
        raise InputError("a name has 1 to 100 characters", "say who it is for")
    by, now = Principal(service.town, _TERMINAL, _TERMINAL, (Grant("manager"),)), service.clock()
    with service.database.write() as session:
        member, secret = members.invite(
            session, by, name.strip(), [Grant(role, facility_id)], service.random_bytes, now
        )
    link = members.invite_link(console_url.rstrip("/"), secret)
    until = now + members.INVITE_LIVES_S
    answer = {"staff_id": member.staff_id, "invite_link": link, "invited_until": until}
    click.echo(json.dumps(answer) if as_json else link)


@staff.command("list")
@json_option
@town_options
def list_staff(service: TownService, as_json: bool) -> None:
    """Who works for the town, and with what roles."""
    with service.database.read() as session:
        lines = members.lines(session, service.clock())
    text = "\n".join(_staff_text(line) for line in lines)
    click.echo(json.dumps(lines, ensure_ascii=False) if as_json else text)


def _staff_text(line: dict[str, Any]) -> str:
    roles = (
        f"{g['role']}@{g['facility_id']}" if g["facility_id"] else g["role"] for g in line["grants"]
    )
    state = "suspended" if line["suspended"] else f"{line['passkeys']} passkeys"
    return f"{line['staff_id']}  {state:12}  {', '.join(roles):30}  {line['name']}"


@click.command("actions")
@database_option
@click.option("--town", help="The town's id; needed where there are several.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table.")
@click.option("--check", is_flag=True, help="Check the chain only; exit code 1 when it is broken.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, help="At most so many.")
@json_option
def list_actions(
    database: str, town: str | None, as_csv: bool, check: bool, limit: int, as_json: bool
) -> int:
    """Show what staff did, newest first, and whether the list is whole.

    Keep the head of a check somewhere else: it proves later that nothing was cut off.
    """
    db = open_database(database, town, create=False)
    try:
        with db.read() as session:
            state = actions.check(session)
            lines = [] if check else list(actions.lines(session, limit=limit))
    finally:
        db.close()
    if as_csv:
        _print_csv(lines)
    elif as_json:
        answer = {"chain": state.as_dict()} | ({} if check else {"actions": lines})
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(
                f"{line['seq']}  {line['at']}  {line['name']}  {line['action']}  "
                f"{line['object_id']}  {json.dumps(line['detail'], ensure_ascii=False)}"
            )
        whole = "whole" if state.broken_at is None else f"BROKEN at {state.broken_at}"
        click.echo(f"{state.rows} rows, {whole}, head {state.head}")
    return EXIT_OK if state.broken_at is None else EXIT_FAILED


def _print_csv(lines: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    columns = ("seq", "at", "staff_id", "name", "action", "object_id", "detail", "hash")
    writer.writerow(columns)
    for line in lines:
        told = line | {"detail": json.dumps(line["detail"], ensure_ascii=False, sort_keys=True)}
        writer.writerow([as_cell(told[name]) for name in columns])


def as_cell(value: Any) -> Any:
    """A cell that a spreadsheet shows and never runs: a name may begin with '='."""
    return (
        f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
    )
