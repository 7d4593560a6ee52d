"""Registered groups, who belongs to them, and what evidence the town was shown.

Of evidence only its kind and what was seen are kept, with who checked it and when: never a copy.
"""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownRow


class Group(TownRow, Base):
    """A group that books as one. `kind` names its row in the tables of reductions."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("town", "name"),)

    group_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(32))
    contact: Mapped[str] = mapped_column(String(200))
    may_be_invoiced: Mapped[bool]
    active: Mapped[bool]
    version: Mapped[int] = mapped_column()
    created_at: Mapped[int]
    updated_at: Mapped[int]

    __mapper_args__ = {"version_id_col": version}


class GroupEvidence(TownRow, Base):
    """What was shown once; counts for uses that start before `expires_at`."""

    __tablename__ = "group_evidence"
    __table_args__ = (
        ForeignKeyConstraint(["group_id"], ["groups.group_id"]),
        Index("ix_group_evidence_group_id", "group_id"),
    )

    evidence_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    group_id: Mapped[str] = mapped_column(String(24))
    kind: Mapped[str] = mapped_column(String(40))
    shown: Mapped[str] = mapped_column(String(300))
    reduction_percent: Mapped[int | None]  # null: what the facility gives to this kind of group
    checked_by: Mapped[str] = mapped_column(String(80))
    checked_at: Mapped[int]
    expires_at: Mapped[int]
    withdrawn_at: Mapped[int | None]


class GroupMember(TownRow, Base):
    """An account that may book for the group."""

    __tablename__ = "group_members"
    __table_args__ = (
        ForeignKeyConstraint(["group_id"], ["groups.group_id"]),
        Index("ix_group_members_account_id", "town", "account_id"),
    )

    group_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    added_at: Mapped[int]
