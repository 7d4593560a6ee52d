"""A clerk opens one door: for a reason, for a short while, on the clerk's own device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.keyring import staffkeys
from cloud.keyring.knowledge import names_of
from cloud.models import AuditRecord, GatewayRow, StaffKey
from cloud.people.principals import machine
from kannuki.messages import CommandResult, Message, from_base64url
from protocol import reasons, session
from protocol import token as tokens
from protocol.holder import Credential
from tests.cloud.keys.support import book, check_lists
from tests.cloud.support import Town, open_town
from tests.cloud.test_keys import Phone
from tests.cloud.test_with_lock import LOCK, Street, tell_time
from tests.cloud.web import open_web

REASON = "予約者がスマートフォンを忘れたため"


def wish(phone: Phone, **other: Any) -> dict[str, Any]:
    return {"lock_id": "aaaaaaaa", "reason": REASON, "device_key": phone.device_key} | other


async def test_key_names_one_lock_lives_minutes_and_its_reason_is_kept(town: Town) -> None:
    phone, booking_id = Phone(), book(town)
    async with open_web(town.service) as web:
        body = wish(phone, booking_id=booking_id)
        answer = await web.staff("POST", "/keys", json=body)
        taken = (await web.staff("GET", "/locks/aaaaaaaa/staff-keys")).json()
    assert answer.status_code == 201, answer.text
    told = answer.json()
    token = tokens.parse(from_base64url(told["credentials"][0]["token"]))[1]
    assert token.audience == "aaaaaaaa"
    assert token.expires_at - token.not_before <= staffkeys.FOR_BOOKING_S
    assert token.permissions & ~(tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK) == 0
    assert len(phone.unwrap(told["credentials"][0])) == 32
    assert [(row["reason"], row["booking_id"]) for row in taken] == [(REASON, booking_id)]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"lock_id": "zzzzzzzz"}, 404, "UNKNOWN_LOCK"),
        ({"booking_id": "none"}, 404, "UNKNOWN_BOOKING"),
        ({"reason": "  "}, 422, "INVALID"),
        ({"device_key": "AAAA"}, 422, "BAD_DEVICE_KEY"),
        ({"for_s": 7 * 86_400}, 422, "TOO_LONG_FOR_STAFF"),
        ({"for_s": 8 * 86_400}, 422, "INVALID"),
    ],
)
async def test_key_that_must_not_be_is_refused(
    town: Town, change: dict[str, Any], status: int, code: str
) -> None:
    async with open_web(town.service) as web:
        answer = await web.staff("POST", "/keys", json=wish(Phone(), **change))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_key_for_a_booking_opens_no_other_room_and_lives_a_quarter_hour(town: Town) -> None:
    booking_id = book(town, room_id="room-2")
    async with open_web(town.service) as web:
        other = await web.staff("POST", "/keys", json=wish(Phone(), booking_id=booking_id))
        body = wish(Phone(), lock_id="bbbbbbbb", booking_id=booking_id, for_s=900)
        long = await web.staff("POST", "/keys", json=body)
    assert (other.status_code, other.json()["code"]) == (403, "OTHER_LOCK")
    assert (long.status_code, long.json()["code"]) == (422, "TOO_LONG_FOR_STAFF")


async def test_ticket_of_staff_is_for_its_lock_and_its_time(town: Town) -> None:
    async def answer(_lock_id: str, command: Message) -> CommandResult | None:
        return CommandResult(id=command.id, ok=True, message=b"\x01")  # type: ignore[attr-defined]

    with town.service.database.write() as opened:
        names = {"version": "", "started_at": 0, "waiting_events": 0, "heard_at": 0}
        opened.add(GatewayRow(gateway_id="gw-1", online=True, **names))
    async with open_web(town.service) as web:
        web.answer = answer
        told = (await web.staff("POST", "/keys", json=wish(Phone()))).json()
        body = {"lock_id": "aaaaaaaa", "message": "AQI"}
        ticket = told["relay_ticket"]
        assert (await web.post("/v1/relay", body, ticket)).status_code == 200
        other = await web.post("/v1/relay", body | {"lock_id": "bbbbbbbb"}, ticket)
        assert other.json()["code"] == "OTHER_LOCK"
        town.clock.now += 3600
        late = await web.post("/v1/relay", body, ticket)
    assert (late.status_code, late.json()["code"]) == (401, "NO_TICKET")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with open_town(tmp_path, hung=0) as town:
        street = Street(town)
        tell_time(street)
        yield street


def test_lock_opens_for_the_clerk_and_refuses_once_the_key_was_withdrawn(street: Street) -> None:
    service, phone = street.service, Phone()
    with service.database.write() as opened:
        asked = staffkeys.Wish(LOCK, REASON, from_base64url(phone.device_key))
        who = machine(service.town)
        issued = staffkeys.issue(
            opened, service.signers, service.staff_issuer, service.vault, who, asked, street.now
        )
    from cloud import keywrap

    proof_key = keywrap.unwrap(issued.wrapped, issued.key.raw_token, phone.private_key)
    held = Credential(issued.key.raw_token, {LOCK: proof_key})
    assert street.tries(held) == session.OK
    street.fetch()
    with service.database.write() as opened:
        subjects = [row.subject for row in opened.query(AuditRecord) if row.subject]
        assert names_of(opened, subjects)[issued.key.cti]["reason"] == REASON
        assert staffkeys.revoke_of(opened, service.signers, who.staff_id, street.now) == 1
        assert staffkeys.revoke_of(opened, service.signers, who.staff_id, street.now) == 0
    check_lists(street.town)
    street.carry()
    assert street.tries(held) == reasons.REVOKED
    with service.database.read() as opened:
        assert opened.query(StaffKey).one().listed_version == 1
