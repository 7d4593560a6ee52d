"""The town's staff: invited, given roles, suspended, never deleted (their deeds name them).

Decides that a town always keeps a manager who can sign in, that a suspension ends every session at
once, and what an invitation is: a link's secret, good once and for 72 hours, of which the database
holds the SHA-256. Every change is noted (cloud.people.actions) in the same transaction.
Who may call this is the caller's question: `principal.may("staff.change", None)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from cloud.models import Facility, Passkey, StaffGrant, StaffInvite, StaffMember, WebSession
from cloud.people import actions, sessions
from cloud.people.attempts import RandomBytes, sha
from cloud.people.principals import ROLES, Grant, Principal
from cloud.people.sessions import Owner
from cloud.problems import Problem
from kannuki.messages import to_base64url

INVITE_LIVES_S = 72 * 3600
MAX_GRANTS = 40
_WHOLE_TOWN = ""
_MANAGER = "manager"


def find(session: Session, staff_id: str) -> StaffMember:
    """Raises Problem UNKNOWN_STAFF; also for somebody of another town."""
    row = session.get(StaffMember, staff_id)
    if row is None:
        raise Problem("UNKNOWN_STAFF")
    return row


def grants_of(session: Session, staff_id: str) -> tuple[Grant, ...]:
    """What somebody was given; a role that this program does not know grants nothing."""
    rows = session.scalars(
        select(StaffGrant)
        .where(StaffGrant.staff_id == staff_id)
        .order_by(StaffGrant.role, StaffGrant.facility_id)
    )
    return tuple(Grant(row.role, row.facility_id or None) for row in rows if row.role in ROLES)


def principal_of(session: Session, row: WebSession) -> Principal | None:
    """Who a staff session acts as; None once suspended."""
    member = session.get(StaffMember, row.staff_id) if row.staff_id else None
    if member is None or member.suspended_at is not None:
        return None
    grants = grants_of(session, member.staff_id)
    return Principal(member.town, member.staff_id, member.name, grants)


def invite(
    session: Session,
    by: Principal,
    name: str,
    grants: Iterable[Grant],
    random_bytes: RandomBytes,
    now: int,
) -> tuple[StaffMember, str]:
    """Somebody new, who may register a passkey with the secret returned."""
    actions.take_turn(session)
    member = StaffMember(
        staff_id=random_bytes(12).hex(),
        name=name,
        user_handle=random_bytes(32),
        created_at=now,
        suspended_at=None,
    )
    session.add(member)
    session.flush()
    told = _set_grants(session, member, grants)
    actions.note(session, by, "staff.invite", member.staff_id, {"grants": told}, now)
    return member, _new_invite(session, member, random_bytes, now)


def invite_again(
    session: Session,
    by: Principal,
    member: StaffMember,
    drop_passkeys: bool,
    random_bytes: RandomBytes,
    now: int,
) -> str:
    """A new link for somebody who lost a passkey; the old link dies, and on demand the passkeys."""
    actions.take_turn(session)
    if drop_passkeys:
        with _keeping_a_manager(session):
            session.execute(delete(Passkey).where(Passkey.staff_id == member.staff_id))
        sessions.end_all(session, Owner(staff_id=member.staff_id))
    detail = {"drop_passkeys": drop_passkeys}
    actions.note(session, by, "staff.invite-again", member.staff_id, detail, now)
    return _new_invite(session, member, random_bytes, now)


def _new_invite(session: Session, member: StaffMember, random_bytes: RandomBytes, now: int) -> str:
    session.execute(delete(StaffInvite).where(StaffInvite.staff_id == member.staff_id))
    secret = to_base64url(random_bytes(32))
    session.add(
        StaffInvite(
            secret_sha256=sha(secret),
            staff_id=member.staff_id,
            created_at=now,
            expires_at=now + INVITE_LIVES_S,
        )
    )
    session.flush()
    return secret


def invite_link(console: str, secret: str) -> str:
    """Where an invitation leads; the secret behind # reaches no server's log."""
    return f"{console}/invite#{secret}"


def invited(session: Session, secret: str, now: int) -> StaffMember:
    """Whose invitation this is. Never made, over or used: INVITE_REFUSED all the same."""
    row = session.get(StaffInvite, sha(secret))
    member = session.get(StaffMember, row.staff_id) if row else None
    if row is None or member is None or member.suspended_at is not None:
        raise Problem("INVITE_REFUSED")
    if not row.created_at <= now < row.expires_at:
        raise Problem("INVITE_REFUSED")
    return member


def use_invite(session: Session, secret: str) -> None:
    """It is good once."""
    session.execute(delete(StaffInvite).where(StaffInvite.secret_sha256 == sha(secret)))


def change_grants(
    session: Session, by: Principal, member: StaffMember, grants: Iterable[Grant], now: int
) -> None:
    """Other roles, at once. Raises Problem LAST_MANAGER."""
    actions.take_turn(session)
    with _keeping_a_manager(session):
        told = _set_grants(session, member, grants)
    actions.note(session, by, "staff.grants", member.staff_id, {"grants": told}, now)


def suspend(session: Session, by: Principal, member: StaffMember, now: int) -> None:
    """Ends what somebody may do, and every session, at once. Raises Problem LAST_MANAGER."""
    actions.take_turn(session)
    if member.suspended_at is not None:
        return
    with _keeping_a_manager(session):
        member.suspended_at = now
    session.execute(delete(StaffInvite).where(StaffInvite.staff_id == member.staff_id))
    sessions.end_all(session, Owner(staff_id=member.staff_id))
    actions.note(session, by, "staff.suspend", member.staff_id, {}, now)


def restore(session: Session, by: Principal, member: StaffMember, now: int) -> None:
    """Takes a suspension back; signed in is nobody by that."""
    actions.take_turn(session)
    if member.suspended_at is None:
        return
    member.suspended_at = None
    actions.note(session, by, "staff.restore", member.staff_id, {}, now)


def _set_grants(session: Session, member: StaffMember, grants: Iterable[Grant]) -> list[str]:
    wanted = sorted({(g.role, g.facility_id or _WHOLE_TOWN) for g in grants})
    for _, facility_id in wanted:
        if facility_id and session.get(Facility, (member.town, facility_id)) is None:
            raise Problem("UNKNOWN_FACILITY")
    session.execute(delete(StaffGrant).where(StaffGrant.staff_id == member.staff_id))
    for role, facility_id in wanted:
        session.add(StaffGrant(staff_id=member.staff_id, role=role, facility_id=facility_id))
    session.flush()
    return [f"{role}@{facility_id}" if facility_id else role for role, facility_id in wanted]


@contextmanager
def _keeping_a_manager(session: Session) -> Iterator[None]:
    """Raises Problem LAST_MANAGER when what is done within leaves a town without the one it had."""
    had_one = _has_manager(session)
    yield
    session.flush()
    if had_one and not _has_manager(session):
        raise Problem("LAST_MANAGER")


def _has_manager(session: Session) -> bool:
    """Somebody who manages the whole town, is not suspended and has a passkey."""
    left = session.scalar(
        select(StaffMember.staff_id)
        .join(StaffGrant, StaffGrant.staff_id == StaffMember.staff_id)
        .where(
            StaffGrant.role == _MANAGER,
            StaffGrant.facility_id == _WHOLE_TOWN,
            StaffMember.suspended_at.is_(None),
            exists().where(Passkey.staff_id == StaffMember.staff_id),
        )
        .limit(1)
    )
    return left is not None


def lines(session: Session, now: int) -> list[dict[str, Any]]:
    """Everybody, in the order in which they came."""
    rows = session.scalars(select(StaffMember).order_by(StaffMember.created_at, StaffMember.name))
    return [line(session, row, now) for row in rows]


def line(session: Session, member: StaffMember, now: int) -> dict[str, Any]:
    """One member of staff as managers see them."""
    passkeys = select(Passkey).where(Passkey.staff_id == member.staff_id)
    used = [row.last_used_at or row.created_at for row in session.scalars(passkeys)]
    invite_row = session.scalars(
        select(StaffInvite).where(
            StaffInvite.staff_id == member.staff_id, StaffInvite.expires_at > now
        )
    ).first()
    return {
        "staff_id": member.staff_id,
        "name": member.name,
        "grants": [grant_line(grant) for grant in grants_of(session, member.staff_id)],
        "suspended": member.suspended_at is not None,
        "passkeys": len(used),
        "last_sign_in_at": max(used, default=None),
        "invited_until": invite_row.expires_at if invite_row else None,
        "created_at": member.created_at,
    }


def grant_line(grant: Grant) -> dict[str, str | None]:
    """`facility_id` null: the whole town."""
    return {"role": grant.role, "facility_id": grant.facility_id}
