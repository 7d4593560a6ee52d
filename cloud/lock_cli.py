"""`kannuki cloud door | revoke-before | check-journal`: office work about single locks.

Decides options and how answers look on a terminal. The deciding is done by the modules it calls.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from cloud import chain, lists, lock_settings
from cloud.cli_options import FILE, TownService, database_option, json_option, town_options
from cloud.credentials import renew
from cloud.database import open_database
from cloud.models import AuditRecord, Lock, LockSettings, SeenHead
from cloud.moments import moment
from cloud.problems import Problem
from kannuki.errors import EXIT_FAILED, EXIT_OK, InputError
from kannuki.settings import write_file_whole
from protocol import token as tokens
from protocol.keys import key_id
from protocol.lockconfig import FIGURES

_FIGURES = {name: (least, most) for name, least, most, _ in FIGURES.values()}


def _figure(name: str, text: str) -> Any:
    least, most = _FIGURES[name]
    option = "--" + name.replace("_", "-")
    return click.option(option, type=click.IntRange(least, most), help=text)


@click.command()
@click.argument("lock_id", metavar="LOCK")
@_figure("relock_after_ms", "How long the door stays unlocked.")
@_figure("travel_timeout_ms", "How long the bolt may travel before it counts as jammed.")
@_figure("settle_ms", "How long the door rests before the bolt moves out.")
@_figure("held_after_ms", "How long the door may stand open before an alarm.")
@_figure("jam_retry_ms", "When a jammed bolt is tried again.")
@_figure("max_hold_s", "The longest time that the door may be held open.")
@_figure("doubt_s", "Seconds of doubt about the time that the door bears (0: strict).")
@click.option("--strict", is_flag=True, help="The same as --doubt-s 0.")
@click.option("--pin/--no-pin", default=None, help="Whether the keypad takes PINs.")
@click.option("--group", "groups", multiple=True, help="A group it belongs to: + and 8 characters.")
@click.option("--no-groups", is_flag=True, help="It belongs to no group.")
@click.option("--out", type=FILE, help="Also write the signed document here, for the bench.")
@json_option
@town_options
def door(
    service: TownService,
    lock_id: str,
    strict: bool,
    pin: bool | None,
    groups: tuple[str, ...],
    no_groups: bool,
    out: Path | None,
    as_json: bool,
    **figures: int | None,
) -> None:
    """Show how a lock's door behaves, or change it: signs the next version and sends it."""
    wanted = {name: value for name, value in figures.items() if value is not None}
    if strict:
        if wanted.get("doubt_s"):
            raise click.UsageError("name either --strict or --doubt-s")
        wanted["doubt_s"] = 0
    if pin is not None:
        wanted["pin_allowed"] = int(pin)
    if no_groups and groups:
        raise click.UsageError("name either --group or --no-groups")
    in_groups = groups if groups or no_groups else None
    with service.database.write() as session:
        told = lock_settings.change(
            session, service.signers, lock_id, wanted, in_groups, service.clock()
        )
        row = session.get(LockSettings, lock_id)
        if out is not None:
            if row is None:
                raise InputError(f"nothing is set for {lock_id}", "it has the defaults")
            write_file_whole(out, row.document)
    _tell(as_json, told, "\n".join(f"{name:18}  {_plain(value)}" for name, value in told.items()))


@click.command("revoke-before")
@click.option("--issuer", type=click.Choice(("booking", "gateway")), required=True)
@click.option("--audience", required=True, help="A lock's id, a group's id, or: all.")
@click.option("--at", "moment_text", required=True, help="ISO 8601 or Unix seconds; not later.")
@json_option
@town_options
def revoke_before(
    service: TownService, issuer: str, audience: str, moment_text: str, as_json: bool
) -> None:
    """Withdraw in one step all that one key issued before a moment.

    Bookings that still stand get new keys; phones collect them with the links they have. After
    --issuer gateway make new files with: kannuki cloud gateway-credential.
    """
    known = audience == "all" or tokens.is_lock_id(audience) or tokens.is_group_id(audience)
    if not known:
        raise InputError(f"'{audience}' is no lock or group", "or say: --audience all")
    least, now = moment(moment_text), service.clock()
    if least > now:
        raise Problem("FUTURE_CUT")
    signer = service.signers.issuer if issuer == "booking" else service.gateway_issuer
    kid = key_id(signer.public_key)
    with service.database.write() as session:
        row = lists.EVERY_AUDIENCE if audience == "all" else audience
        raised = lists.raise_least(session, kid, row, least)
        locks = lists.locks_of(session, row)
        if raised:
            renew(session, service.signers, now, publish=locks)
    answer = {"issuer": issuer, "audience": audience, "at": least, "raised": raised, "locks": locks}
    _tell(as_json, answer, f"{'withdrawn' if raised else 'was so already'}: {len(locks)} locks")


@click.command("check-journal")
@click.argument("lock_id", metavar="LOCK")
@click.option("--journal-epoch", type=click.IntRange(0), help="[default: the lock's present one]")
@database_option
@json_option
def check_journal(lock_id: str, journal_epoch: int | None, database: str, as_json: bool) -> int:
    """Judge a lock's records and what was seen of them; exit code 1 when something is wrong."""
    db = open_database(database, create=False)
    with db.read() as session:
        lock = session.get(Lock, lock_id)
        if lock is None:
            raise InputError(f"no lock {lock_id}", "see: kannuki cloud rooms")
        epoch = lock.journal_epoch if journal_epoch is None else journal_epoch
        rows = session.scalars(
            select(AuditRecord.raw)
            .where(AuditRecord.lock_id == lock_id, AuditRecord.journal_epoch == epoch)
            .order_by(AuditRecord.seq)
        ).all()
        seen = session.scalars(
            select(SeenHead).where(SeenHead.lock_id == lock_id, SeenHead.journal_epoch == epoch)
        ).all()
        sightings = [chain.Sighting(head.seq, head.record_hash) for head in seen]
    db.close()
    findings = chain.judge(lock_id, epoch, rows, sorted(sightings, key=lambda head: head.seq))
    told = [{"kind": finding.kind, "seq": finding.seq} for finding in findings]
    answer = {"lock_id": lock_id, "journal_epoch": epoch, "records": len(rows), "findings": told}
    text = (
        "\n".join(f"{f.kind} at record {f.seq}" for f in findings) or f"{len(rows)} records, whole"
    )
    _tell(as_json, answer, text)
    return EXIT_OK if all(f.kind == chain.DROPPED for f in findings) else EXIT_FAILED


def _plain(value: Any) -> str:
    return ", ".join(value) or "-" if isinstance(value, list) else str(value)


def _tell(as_json: bool, answer: Any, text: str) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)
