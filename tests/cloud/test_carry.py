"""What a phone carries between its lock and the town: with its ticket, for its own lock alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cloud import lock_settings
from cloud.lists import publish_lists
from cloud.models import AuditRecord, SeenHead
from kannuki.messages import from_base64url, to_base64url
from protocol import audit, keyset, lockconfig, signedtime, statuslist
from protocol.keyset import ROLE_CONFIG, ROLE_STATUS, ROLE_TIME
from protocol.verify import verify_document, verify_root
from tests.cloud.support import CRYPTO, START, Town
from tests.cloud.test_audit import alarms, some
from tests.cloud.test_keys import Phone, book, secret_of
from tests.cloud.web import Web, open_web

LOCK = "aaaaaaaa"
NONCE = to_base64url(bytes(range(16)))


async def ticket_for(web: Web) -> str:
    claimed = await Phone().claim(web, secret_of(await book(web)))
    return str(claimed.json()["relay_ticket"])


async def fetch(web: Web, ticket: str, lock_id: str = LOCK) -> httpx.Response:
    headers = {"Authorization": f"Bearer {ticket}"}
    return await web.client.get(f"/v1/locks/{lock_id}/documents", headers=headers)


def genuine(town: Town, told: dict[str, Any], role: int, form: Any, context: bytes) -> Any:
    signed, content = form.parse(from_base64url(told["document"]))
    assert verify_document(town.service.keyset.keyset, CRYPTO, signed, role, context)
    return content


async def test_phone_gets_signed_time_for_its_locks_nonce(town: Town) -> None:
    async with open_web(town.service) as web:
        ticket = await ticket_for(web)
        told = (await web.post(f"/v1/locks/{LOCK}/time", {"nonce": NONCE}, ticket)).json()
        bad = await web.post(f"/v1/locks/{LOCK}/time", {"nonce": "AAAA"}, ticket)
    answer = genuine(town, told, ROLE_TIME, signedtime, signedtime.TIME_CONTEXT)
    assert (answer.lock_id, answer.nonce) == (LOCK, bytes(range(16)))
    assert (answer.t, answer.error_s) == (town.clock(), 2)
    assert (bad.status_code, bad.json()["code"]) == (422, "BAD_NONCE")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("time", {"nonce": NONCE}),
        ("parcels", {"parcel": "AAAA", "seal": "AAAA"}),
        ("heads", {"seq": 1, "hash": to_base64url(bytes(32))}),
        ("documents", None),
    ],
)
async def test_ticket_counts_for_its_own_lock_alone(town: Town, path: str, body: Any) -> None:
    async with open_web(town.service) as web:
        ticket = await ticket_for(web)
        answers = []
        for lock_id, shown in (("bbbbbbbb", ticket), (LOCK, "A" * 24), (LOCK, "")):
            headers = {"Authorization": f"Bearer {shown}"} if shown else {}
            method = "GET" if body is None else "POST"
            url = f"/v1/locks/{lock_id}/{path}"
            answers.append(await web.client.request(method, url, json=body, headers=headers))
    assert [answer.json()["code"] for answer in answers] == ["OTHER_LOCK", "NO_TICKET", "NO_TICKET"]
    assert alarms(town) == []


async def test_phone_carries_the_newest_documents_to_its_lock(town: Town) -> None:
    service = town.service
    async with open_web(service) as web:
        ticket = await ticket_for(web)
        first = (await fetch(web, ticket)).json()
        with service.database.write() as session:
            lock_settings.change(session, service.signers, LOCK, {"doubt_s": 60}, None, START)
            publish_lists(session, service.signers, {LOCK}, town.clock())
        told = (await fetch(web, ticket)).json()
    assert (first["status"], first["config"], first["ack"]) == (None, None, None)
    signed = keyset.parse(from_base64url(told["keyset"]["document"]))[0]
    assert verify_root(service.keyset.keyset, CRYPTO, signed, keyset.CONTEXT)
    config = genuine(town, told["config"], ROLE_CONFIG, lockconfig, lockconfig.CONTEXT)
    header = genuine(town, told["status"], ROLE_STATUS, statuslist, statuslist.CONTEXT)
    statuslist.in_memory(header, from_base64url(told["status"]["entries"]))
    assert (config.lock_id, header.lock_id, told["lock_id"]) == (LOCK, LOCK, LOCK)


async def test_phone_brings_records_home_once_and_takes_the_receipt_back(town: Town) -> None:
    lock = town.locks[0]
    raw, seal = lock.parcel(town.service.vault.public_keys, some(lock, 3))
    body = {"parcel": to_base64url(raw), "seal": to_base64url(seal)}
    async with open_web(town.service) as web:
        ticket = await ticket_for(web)
        stored = [
            (await web.post(f"/v1/locks/{LOCK}/parcels", body, ticket)).json()["stored"]
            for _ in range(2)
        ]
        told = (await fetch(web, ticket)).json()
    assert stored == [3, 0]
    head = audit.parse_ack(from_base64url(told["ack"]["document"]))[1]
    assert (head.seq, head.record_hash) == (3, lock.head().record_hash)


async def test_parcels_that_are_forged_or_of_another_lock_are_refused(town: Town) -> None:
    lock, other = town.locks[0], town.locks[1]
    publics = town.service.vault.public_keys
    raw, seal = lock.parcel(publics, some(lock, 2))
    foreign = other.parcel(publics, some(other, 2))
    async with open_web(town.service) as web:
        ticket = await ticket_for(web)
        codes = []
        for parcel, told in ((raw, bytes(16)), foreign, (b"\x00", seal), (b"", b"")):
            body = {"parcel": to_base64url(parcel), "seal": to_base64url(told)}
            answer = await web.post(f"/v1/locks/{LOCK}/parcels", body, ticket)
            codes.append((answer.status_code, answer.json()["code"]))
    assert codes == [(422, "BAD_PARCEL"), (403, "OTHER_LOCK"), *[(422, "BAD_PARCEL")] * 2]
    with town.service.database.read() as session:
        assert session.query(AuditRecord).count() == 0
    assert [kind for kind, _ in alarms(town)] == ["AUDIT_BAD_SEAL"]


async def test_phone_tells_the_head_it_saw_and_a_cut_tail_shows(town: Town) -> None:
    lock = town.locks[0]
    some(lock, 3)
    head = lock.head(3)
    body = {"seq": head.seq, "hash": to_base64url(head.record_hash)}
    document = {"document": to_base64url(lock.signed_head())}
    async with open_web(town.service) as web:
        ticket = await ticket_for(web)
        for told in (body, document):
            assert (await web.post(f"/v1/locks/{LOCK}/heads", told, ticket)).status_code == 204
        foreign = {"document": to_base64url(town.locks[1].signed_head())}
        for bad in (foreign, {"seq": 3}, {"seq": 3, "hash": "AAAA"}, {}, {"document": "AAAA"}):
            answer = await web.post(f"/v1/locks/{LOCK}/heads", bad, ticket)
            assert (answer.status_code, answer.json()["code"]) == (422, "BAD_PARCEL")
    with town.service.database.read() as session:
        assert [(row.seq, row.source) for row in session.query(SeenHead)] == [(3, "signed")]
