"""Passkeys of staff (WebAuthn level 3): registered with an invitation or a session, then signed in.

Decides that a passkey is discoverable and verifies its user, that a challenge is answered once,
within five minutes, and for what it was made, and that a counter which runs back (a copied
authenticator) is refused. A sign-in names nobody: there is no list of who has a passkey, and every
refusal is the same PASSKEY_REFUSED after the same work. Attestation is not asked for: which make of
authenticator somebody has is not ours to know.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from cloud.models import Passkey, PasskeyChallenge, StaffMember
from cloud.people import actions, staff
from cloud.people.attempts import RandomBytes
from cloud.people.principals import Principal
from cloud.problems import Problem
from protocol.crypto import sha256

log = logging.getLogger(__name__)
LIVES_S = 300
MAX_PASSKEYS = 10
MAX_CREDENTIAL_ID_BYTES = 1023
CHALLENGE_BYTES = 32
# Nobody's key, so that an unknown passkey costs a verification as a known one does.
_NOBODY = bytes.fromhex(
    "a5010203262001215820"
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "225820"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
# What the library raises on garbage, beside its own exceptions.
_GARBAGE = (WebAuthnException, ValueError, KeyError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True)
class Desk:
    """The console site as passkeys know it. origin: https://host; rp_id: the host."""

    origin: str
    rp_id: str
    name: str


def sign_in_options(
    session: Session, desk: Desk, random_bytes: RandomBytes, now: int
) -> dict[str, Any]:
    """What navigator.credentials.get wants as JSON: any passkey of this site."""
    challenge = _new_challenge(session, None, random_bytes, now)
    options = generate_authentication_options(
        rp_id=desk.rp_id,
        challenge=challenge,
        timeout=LIVES_S * 1000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return json.loads(options_to_json(options))


def registration_options(
    session: Session, desk: Desk, member: StaffMember, random_bytes: RandomBytes, now: int
) -> dict[str, Any]:
    """What navigator.credentials.create wants as JSON."""
    known = _of(session, member.staff_id)
    if len(known) >= MAX_PASSKEYS:
        raise Problem("TOO_MANY_PASSKEYS", limit=MAX_PASSKEYS)
    options = generate_registration_options(
        rp_id=desk.rp_id,
        rp_name=desk.name,
        user_id=member.user_handle,
        user_name=member.name,
        user_display_name=member.name,
        challenge=_new_challenge(session, member.staff_id, random_bytes, now),
        timeout=LIVES_S * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(row.credential_id) for row in known],
    )
    return json.loads(options_to_json(options))


def _new_challenge(
    session: Session, staff_id: str | None, random_bytes: RandomBytes, now: int
) -> bytes:
    old = PasskeyChallenge.created_at <= now - LIVES_S
    session.execute(delete(PasskeyChallenge).where(old))
    challenge = random_bytes(CHALLENGE_BYTES)
    row = PasskeyChallenge(challenge_sha256=sha256(challenge), staff_id=staff_id, created_at=now)
    session.add(row)
    return challenge


def _take_challenge(
    session: Session, credential: dict[str, Any], staff_id: str | None, now: int
) -> bytes | None:
    """The challenge that was answered, if it is one of ours for this purpose; used up by this."""
    try:
        told = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        challenge = base64url_to_bytes(told["challenge"])
    except _GARBAGE:
        return None
    row = session.get(PasskeyChallenge, sha256(challenge), with_for_update=True)
    if row is None or row.staff_id != staff_id:
        return None
    session.delete(row)
    session.flush()
    return challenge if 0 <= now - row.created_at < LIVES_S else None


def register(
    session: Session,
    desk: Desk,
    member: StaffMember,
    credential: dict[str, Any],
    label: str,
    random_bytes: RandomBytes,
    now: int,
) -> Passkey:
    """Keeps a new passkey's public half. Raises Problem PASSKEY_REFUSED."""
    challenge = _take_challenge(session, credential, member.staff_id, now)
    if challenge is None:
        raise Problem("PASSKEY_REFUSED")
    try:
        told = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=desk.rp_id,
            expected_origin=desk.origin,
            require_user_verification=True,
        )
    except _GARBAGE as error:
        log.warning("a passkey was not registered: %s", type(error).__name__)
        raise Problem("PASSKEY_REFUSED") from None
    if len(_of(session, member.staff_id)) >= MAX_PASSKEYS:
        raise Problem("TOO_MANY_PASSKEYS", limit=MAX_PASSKEYS)
    name = sha256(told.credential_id)
    if len(told.credential_id) > MAX_CREDENTIAL_ID_BYTES or _known(session, name) is not None:
        raise Problem("PASSKEY_REFUSED")
    row = Passkey(
        passkey_id=random_bytes(12).hex(),
        staff_id=member.staff_id,
        credential_sha256=name,
        credential_id=told.credential_id,
        public_key=told.credential_public_key,
        sign_count=told.sign_count,
        backed_up=told.credential_backed_up,
        label=label,
        created_at=now,
        last_used_at=None,
    )
    session.add(row)
    session.flush()
    detail = {"passkey_id": row.passkey_id, "backed_up": row.backed_up}
    actions.note(session, _self(session, member), "passkey.register", member.staff_id, detail, now)
    return row


@dataclass(frozen=True)
class Refused:
    """A sign-in that failed; commit what was noted of it, then raise `problem`."""

    problem: Problem


def sign_in(
    session: Session, desk: Desk, credential: dict[str, Any], now: int
) -> StaffMember | Refused:
    """Whose passkey this is. Commit the transaction either way: a challenge is used up."""
    refused = Refused(Problem("PASSKEY_REFUSED"))
    challenge = _take_challenge(session, credential, None, now)
    row = _named(session, credential)
    told = _verified(desk, credential, challenge or bytes(CHALLENGE_BYTES), row)
    if challenge is None or row is None or told is None:
        return refused
    member = session.get_one(StaffMember, row.staff_id)
    if not _is_of(member, credential) or member.suspended_at is not None:
        return refused
    if (told.new_sign_count or row.sign_count) and told.new_sign_count <= row.sign_count:
        detail = {"passkey_id": row.passkey_id}
        who = _self(session, member)
        actions.note(session, who, "passkey.counter-ran-back", member.staff_id, detail, now)
        return refused
    row.sign_count, row.backed_up = told.new_sign_count, told.credential_backed_up
    row.last_used_at = now
    detail = {"passkey_id": row.passkey_id}
    actions.note(session, _self(session, member), "session.start", member.staff_id, detail, now)
    return member


def _verified(desk: Desk, credential: dict[str, Any], challenge: bytes, row: Passkey | None) -> Any:
    try:
        return verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=desk.rp_id,
            expected_origin=desk.origin,
            credential_public_key=row.public_key if row else _NOBODY,
            credential_current_sign_count=0,  # judged by us, to note what it means
            require_user_verification=True,
        )
    except _GARBAGE as error:
        log.warning("a passkey did not sign in: %s", type(error).__name__)
        return None


def _named(session: Session, credential: dict[str, Any]) -> Passkey | None:
    try:
        return _known(session, sha256(base64url_to_bytes(credential["id"])))
    except _GARBAGE:
        return None


def _is_of(member: StaffMember, credential: dict[str, Any]) -> bool:
    """A discoverable passkey names its user; the name must be the one that we gave."""
    try:
        return base64url_to_bytes(credential["response"]["userHandle"]) == member.user_handle
    except _GARBAGE:
        return False


def remove(session: Session, by: Principal, staff_id: str, passkey_id: str, now: int) -> None:
    """Takes a passkey off; the last one stays, or its owner could not come back."""
    actions.take_turn(session)
    rows = _of(session, staff_id)
    row = next((row for row in rows if row.passkey_id == passkey_id), None)
    if row is None:
        raise Problem("UNKNOWN_PASSKEY")
    if len(rows) == 1:
        raise Problem("LAST_PASSKEY")
    session.delete(row)
    actions.note(session, by, "passkey.remove", staff_id, {"passkey_id": passkey_id}, now)


def lines(session: Session, staff_id: str) -> list[dict[str, Any]]:
    """Somebody's passkeys."""
    return [
        {
            "passkey_id": row.passkey_id,
            "label": row.label,
            "backed_up": row.backed_up,
            "created_at": row.created_at,
            "last_used_at": row.last_used_at,
        }
        for row in _of(session, staff_id)
    ]


def _of(session: Session, staff_id: str) -> list[Passkey]:
    query = select(Passkey).where(Passkey.staff_id == staff_id)
    return list(session.scalars(query.order_by(Passkey.created_at, Passkey.passkey_id)))


def _known(session: Session, credential_sha256: bytes) -> Passkey | None:
    query = select(Passkey).where(Passkey.credential_sha256 == credential_sha256)
    return session.scalars(query).first()


def _self(session: Session, member: StaffMember) -> Principal:
    grants = staff.grants_of(session, member.staff_id)
    return Principal(member.town, member.staff_id, member.name, grants)
