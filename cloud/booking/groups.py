"""Registered groups: who belongs, what evidence counts when, what it is worth.

Decides that evidence counts for the day of the use, not for the day of booking, and that nothing of
a document is kept but what a member of staff saw in it. Old evidence stays: it says under what an
exemption was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloud.bookings import RandomBytes, new_id
from cloud.models import Account, Group, GroupEvidence, GroupMember
from cloud.people.numbers import number_of
from cloud.problems import Problem

MAX_MEMBERS = 200


@dataclass(frozen=True)
class Standing:
    """A group on the day of a use."""

    group: Group
    evidence: GroupEvidence | None
    is_over: bool  # there was evidence once, and none counts on that day


def find(session: Session, group_id: str) -> Group:
    """The group. Raises Problem UNKNOWN_GROUP."""
    group = session.get(Group, group_id)
    if group is None:
        raise Problem("UNKNOWN_GROUP")
    return group


def standing(session: Session, group_id: str, at: int) -> Standing:
    """The group and its evidence at a moment; the newest that counts."""
    group = find(session, group_id)
    query = (
        select(GroupEvidence)
        .where(GroupEvidence.group_id == group_id, GroupEvidence.withdrawn_at.is_(None))
        .order_by(GroupEvidence.checked_at.desc(), GroupEvidence.evidence_id)
    )
    shown = session.scalars(query).all()
    counting = next((e for e in shown if e.expires_at > at), None)
    return Standing(group, counting, bool(shown) and counting is None)


def check_member(session: Session, group_id: str, account_id: str | None) -> None:
    """Raises Problem UNKNOWN_GROUP for a stranger: whether the group exists is not told."""
    if account_id is None or session.get(GroupMember, (group_id, account_id)) is None:
        raise Problem("UNKNOWN_GROUP")


def groups_of(session: Session, account_id: str) -> list[Group]:
    """The groups that an account may book for."""
    query = (
        select(Group)
        .join(GroupMember, GroupMember.group_id == Group.group_id)
        .where(GroupMember.account_id == account_id, Group.active)
        .order_by(Group.name)
    )
    return list(session.scalars(query))


def add(
    session: Session,
    random_bytes: RandomBytes,
    now: int,
    *,
    name: str,
    kind: str,
    contact: str,
    may_be_invoiced: bool,
) -> Group:
    """Registers a group. Raises Problem EXISTS_ALREADY for a name that is taken."""
    _check_name(session, name, "")
    group = Group(
        group_id=new_id(random_bytes),
        name=name,
        kind=kind,
        contact=contact,
        may_be_invoiced=may_be_invoiced,
        active=True,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(group)
    except IntegrityError:  # somebody registered the same name meanwhile
        raise Problem("EXISTS_ALREADY") from None
    return group


def change(session: Session, group: Group, changes: dict[str, Any], now: int) -> None:
    """Changes name, kind, contact, may_be_invoiced or active."""
    if "name" in changes:
        _check_name(session, changes["name"], group.group_id)
    for name, value in changes.items():
        setattr(group, name, value)
    group.updated_at = now
    session.flush()


def add_evidence(
    session: Session,
    random_bytes: RandomBytes,
    group: Group,
    now: int,
    *,
    kind: str,
    shown: str,
    reduction_percent: int | None,
    expires_at: int,
    checked_by: str,
) -> GroupEvidence:
    """Notes what was shown; newer evidence counts before older."""
    if expires_at <= now:
        raise Problem("IN_THE_PAST")
    row = GroupEvidence(
        evidence_id=new_id(random_bytes),
        group_id=group.group_id,
        kind=kind,
        shown=shown,
        reduction_percent=reduction_percent,
        checked_by=checked_by,
        checked_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row


def withdraw_evidence(session: Session, group: Group, evidence_id: str, now: int) -> None:
    """Counts no more; the row stays. Raises Problem UNKNOWN_GROUP."""
    row = session.get(GroupEvidence, evidence_id)
    if row is None or row.group_id != group.group_id:
        raise Problem("UNKNOWN_GROUP")
    row.withdrawn_at = row.withdrawn_at or now
    session.flush()


def add_member(session: Session, group: Group, account_id: str, now: int) -> None:
    """An account may book for the group; again, nothing changes."""
    if session.get(GroupMember, (group.group_id, account_id)) is not None:
        return
    query = select(func.count()).select_from(GroupMember)
    if (session.scalar(query.where(GroupMember.group_id == group.group_id)) or 0) >= MAX_MEMBERS:
        raise Problem("TOO_MANY_HOLDERS", count=MAX_MEMBERS)
    session.add(GroupMember(group_id=group.group_id, account_id=account_id, added_at=now))
    session.flush()


def remove_member(session: Session, group: Group, account_id: str) -> None:
    """May book for it no more; again, nothing changes."""
    row = session.get(GroupMember, (group.group_id, account_id))
    if row is not None:
        session.delete(row)
        session.flush()


def as_dict(session: Session, group: Group, now: int) -> dict[str, Any]:
    """For staff."""
    evidence = session.scalars(
        select(GroupEvidence)
        .where(GroupEvidence.group_id == group.group_id)
        .order_by(GroupEvidence.checked_at.desc(), GroupEvidence.evidence_id)
    ).all()
    members = session.execute(
        select(GroupMember.account_id, Account.name, GroupMember.added_at)
        .join(Account, Account.account_id == GroupMember.account_id)
        .where(GroupMember.group_id == group.group_id)
        .order_by(GroupMember.added_at, GroupMember.account_id)
    ).all()
    return {
        "group_id": group.group_id,
        "name": group.name,
        "kind": group.kind,
        "contact": group.contact,
        "may_be_invoiced": group.may_be_invoiced,
        "active": group.active,
        "version": group.version,
        "members": [
            {
                "account_id": row.account_id,
                "number": number_of(row.account_id),
                "name": row.name,
                "added_at": row.added_at,
            }
            for row in members
        ],
        "evidence": [_evidence_line(row, now) for row in evidence],
    }


def _evidence_line(row: GroupEvidence, now: int) -> dict[str, Any]:
    names = (
        "evidence_id",
        "kind",
        "shown",
        "reduction_percent",
        "checked_by",
        "checked_at",
        "expires_at",
        "withdrawn_at",
    )
    counts = row.withdrawn_at is None and row.expires_at > now
    return {name: getattr(row, name) for name in names} | {"counts_now": counts}


def _check_name(session: Session, name: str, own_id: str) -> None:
    query = select(Group.group_id).where(Group.name == name, Group.group_id != own_id)
    if session.scalar(query) is not None:
        raise Problem("EXISTS_ALREADY")
