"""People: residents' accounts, staff with passkeys, sessions, and what staff did.

No column holds a secret: of a cookie, an invitation or a challenge only its SHA-256; of a person's
name at a provider only a keyed hash. Of what a provider told, a dated fact (level, resident, adult)
and a name to call somebody by; neither address nor birth date has a column.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from cloud.models.base import Base, TownKeyedRow, TownRow

_SHA = LargeBinary(32)


class Account(TownRow, Base):
    """A resident. `name_from`: the provider that told the name; '' when it is their own word."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_from: Mapped[str] = mapped_column(String(31))
    consent_version: Mapped[int]
    consented_at: Mapped[int]
    created_at: Mapped[int]
    last_sign_in_at: Mapped[int]


class AccountLink(TownRow, Base):
    """An account's way in: who it is at one provider, as a keyed hash."""

    __tablename__ = "account_links"
    __table_args__ = (UniqueConstraint("account_id", "provider"),)

    subject_hash: Mapped[bytes] = mapped_column(_SHA, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"))
    provider: Mapped[str] = mapped_column(String(31))
    linked_at: Mapped[int]
    last_used_at: Mapped[int]


class AccountFact(TownRow, Base):
    """What one provider last vouched for, and until when it stands. Null: it did not say."""

    __tablename__ = "account_facts"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(31), primary_key=True)
    level: Mapped[str] = mapped_column(String(8))
    resident: Mapped[bool | None]
    adult: Mapped[bool | None]
    verified_at: Mapped[int]
    expires_at: Mapped[int]


class SignInAttempt(TownRow, Base):
    """A sign-in under way at a provider. `link_to`: the account that it shall be added to."""

    __tablename__ = "sign_in_attempts"

    number_sha256: Mapped[bytes] = mapped_column(_SHA, primary_key=True)
    browser_sha256: Mapped[bytes] = mapped_column(_SHA)
    provider: Mapped[str] = mapped_column(String(31))
    return_to: Mapped[str] = mapped_column(String(512))
    link_to: Mapped[str | None] = mapped_column(String(24))
    started_at: Mapped[int] = mapped_column(index=True)


class StaffMember(TownRow, Base):
    """Somebody who works for the town. Kept when suspended: what they did names them."""

    __tablename__ = "staff"

    staff_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    user_handle: Mapped[bytes] = mapped_column(_SHA, unique=True)  # says nothing about the person
    created_at: Mapped[int]
    suspended_at: Mapped[int | None]


class StaffGrant(TownRow, Base):
    """A role in one facility; '' is the whole town."""

    __tablename__ = "staff_grants"

    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.staff_id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    facility_id: Mapped[str] = mapped_column(String(32), primary_key=True)


class StaffInvite(TownRow, Base):
    """A link with which a member of staff registers a passkey, once."""

    __tablename__ = "staff_invites"

    secret_sha256: Mapped[bytes] = mapped_column(_SHA, primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.staff_id"), index=True)
    created_at: Mapped[int]
    expires_at: Mapped[int]


class Passkey(TownRow, Base):
    """A passkey's public half. `backed_up`: it is synchronised; it may be on several devices."""

    __tablename__ = "passkeys"
    __table_args__ = (UniqueConstraint("town", "credential_sha256"),)

    passkey_id: Mapped[str] = mapped_column(String(24), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.staff_id"), index=True)
    credential_sha256: Mapped[bytes] = mapped_column(_SHA)
    credential_id: Mapped[bytes]
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    backed_up: Mapped[bool]
    label: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[int]
    last_used_at: Mapped[int | None]


class PasskeyChallenge(TownRow, Base):
    """A challenge that no passkey has answered yet. `staff_id`: who registers; null: a sign-in."""

    __tablename__ = "passkey_challenges"

    challenge_sha256: Mapped[bytes] = mapped_column(_SHA, primary_key=True)
    staff_id: Mapped[str | None] = mapped_column(ForeignKey("staff.staff_id"))
    created_at: Mapped[int] = mapped_column(index=True)


class WebSession(TownRow, Base):
    """A signed-in browser of a resident or of staff; one that ended has no row."""

    __tablename__ = "web_sessions"
    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (staff_id IS NULL)", name="one_owner"),
        Index("ix_web_sessions_account_id", "account_id"),
        Index("ix_web_sessions_staff_id", "staff_id"),
    )

    cookie_sha256: Mapped[bytes] = mapped_column(_SHA, primary_key=True)
    session_id: Mapped[str] = mapped_column(String(24), unique=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.account_id"))
    staff_id: Mapped[str | None] = mapped_column(ForeignKey("staff.staff_id"))
    device: Mapped[str] = mapped_column(String(60))
    started_at: Mapped[int]
    seen_at: Mapped[int]
    ends_at: Mapped[int]


class Action(TownKeyedRow, Base):
    """What a member of staff, or a program with the staff secret, did; each row seals the last."""

    __tablename__ = "actions"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int]
    principal_id: Mapped[str] = mapped_column(String(24))
    action: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)  # JSON
    row_hash: Mapped[bytes] = mapped_column(_SHA)
