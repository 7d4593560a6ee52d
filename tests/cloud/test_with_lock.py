"""The town's service and the lock's real core, in one process: what one signs the other takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud import bookings, documents, fleet, heads, lists, lock_settings, receipts, timesource
from cloud.audit import take_parcel
from cloud.credentials import renew
from cloud.keylinks import lock_key
from cloud.keyring.worker import KeySteps
from cloud.lists import publish_lists
from cloud.models import AuditRecord, Lock, Room
from cloud.models import Credential as StoredCredential
from cloud.rekey import follow_keyset
from cloud.service import TownService
from cloud.trust import gateway_file, trust_file
from firmware.core.identity import Identity
from kannuki.enrolment import EnrolmentFile
from kannuki.messages import LockState
from protocol import audit, holder, reasons, session
from protocol import token as tokens
from protocol.holder import Credential
from protocol.keys import key_id
from simulator.virtual.lock import VirtualLock
from tests.cloud.support import TOWN, Town, open_town
from tests.cloud.test_audit import alarms
from tests.cloud.test_documents import next_keyset
from tests.firmware.town import Town as Stand

LOCK = "aaaaaaaa"
HOUR_S = 3600


class Street(Stand):
    """A lock that was enrolled with the service's trust file, and a gateway's visits to it."""

    def __init__(self, town: Town) -> None:
        self.town, self.service = town, town.service
        self.now, self.random_bytes, self.peers, self._handles = town.clock(), os.urandom, {}, 0
        trust = trust_file(town.service)
        roots = (trust.roots[0], trust.roots[1])
        identity = Identity(TOWN, LOCK, 1, roots, (self.now, 60))
        self.lock = VirtualLock(identity, trust.keyset, town.clock)
        told = EnrolmentFile(
            town=TOWN,
            lock_id=LOCK,
            public_key=self.lock.public_key,
            signing_key=self.lock.signing_key,
            journal_epoch=1,
            enrolled_at=self.now,
        )
        with town.service.database.write() as opened:
            room = opened.get_one(Room, (TOWN, "room-1"))
            bookings.hang_lock(opened, town.service.signers, told, room, self.now)

    def pass_time(self, seconds: int) -> None:
        super().pass_time(seconds)
        self.town.clock.now += seconds

    def keeper(self) -> Credential:
        (given,) = gateway_file(self.service, "gw-1").locks
        return Credential(given.token, {given.lock_id: given.proof_key})

    def resident(self) -> Credential:
        """The one living credential, as its phone has it."""
        KeySteps(self.service, "").drain()
        with self.service.database.read() as opened:
            stored = opened.query(StoredCredential).filter_by(revoked_at=None).one()
            lock = lock_key(opened.get_one(Lock, LOCK))
        proof_key = self.service.vault.proof_key(lock, stored.raw_token)
        return Credential(stored.raw_token, {LOCK: proof_key})

    def carry(self) -> list[Any]:
        """A visit that brings what is due, as a gateway does; what the lock answered."""
        with self.service.database.write() as opened:
            due_lists = fleet.due_lists(opened, self.town.clock())
            due = documents.due(opened, self.town.clock())
        answers = [self.carry_list(entry) for entry in due_lists]
        answers += [self.bring(_OPERATIONS[each.what], each.document) for each in due]
        with self.service.database.write() as opened:
            for each, answer in zip(due, answers[len(due_lists) :], strict=True):
                if answer[1] == session.OK:
                    documents.acknowledge(opened, LOCK, each.what, answer[2], self.town.clock())
        return answers

    def carry_list(self, entry: fleet.DueList) -> Any:
        if entry.delta is not None:
            argument = [entry.document, entry.delta.base_version, entry.delta.additions]
            answer = self.bring(session.REQUEST_STATUS_DELTA, argument)
        else:
            parts = [entry.document, 0, entry.entries]
            answer = self.bring(session.REQUEST_STATUS_PART, parts)
        if answer[1] == session.OK:
            with self.service.database.write() as opened:
                fleet.acknowledge_list(opened, LOCK, entry.version)
        return answer

    def fetch(self) -> int:
        """Brings every record home; how many were new."""
        parcel, seal = self.bring(session.REQUEST_AUDIT, [1, 20])[2]
        with self.service.database.write() as opened:
            now = self.town.clock()
            taken = take_parcel(opened, self.service.vault, "gw-1", parcel, seal, now)
            assert taken.accepted
            receipts.acknowledge(opened, self.service.signers, LOCK, taken.journal_epoch, now)
        return taken.stored

    def opens(self) -> int:
        """What the lock tells the resident: 0 or a reason."""
        return self.tries(self.resident())

    def tries(self, credential: Credential) -> int:
        """What the lock tells whoever shows this: 0 or a reason."""
        peer = self.connect()
        event = peer.attempt(credential, session.COMMAND_UNLOCK)
        peer.leave()
        return int(event[1].reason if event[0] == holder.OUTCOME else event[1])


_OPERATIONS = {
    documents.KEYSET: session.REQUEST_KEYSET,
    documents.CONFIG: session.REQUEST_CONFIG,
    documents.ACK: session.REQUEST_ACK,
}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """A booking that has begun, at a lock that knows the time."""
    with open_town(tmp_path, hung=0) as town:
        street = Street(town)
        tell_time(street)
        book(street.service, street.now)
        yield street


def book(service: TownService, now: int, room_id: str = "room-1") -> None:
    with service.database.write() as opened:
        wanted = {"room_id": room_id, "starts_at": now, "ends_at": now + HOUR_S}
        bookings.create(opened, service.random_bytes, now, holder_name="x", **wanted)
    KeySteps(service, "").drain()


def tell_time(street: Street) -> Any:
    """A gateway asks the town on behalf of the lock, within one session."""
    peer = street.connect()
    peer.attempt(street.keeper(), session.COMMAND_SYNC)
    nonce = peer.machine.challenge.nonce
    answer = peer.request(session.REQUEST_TIME, timesource.answer(street.service, LOCK, nonce))
    peer.leave()
    return answer


def test_booking_opens_the_door_that_the_same_town_enrolled(street: Street) -> None:
    assert street.opens() == session.OK


def test_lock_learns_the_time_from_the_town_within_its_error(street: Street) -> None:
    told = tell_time(street)
    assert told[1] == session.OK
    lo, hi = told[2]
    assert lo <= street.now <= hi
    assert hi - lo <= 2 * street.service.time_error_s + 2


def test_door_settings_reach_the_lock(street: Street) -> None:
    service = street.service
    with service.database.write() as opened:
        figures = {"relock_after_ms": 9000}
        lock_settings.change(opened, service.signers, LOCK, figures, None, street.now)
    assert [answer[1:] for answer in street.carry()] == [(session.OK, 1)]
    assert street.carry() == []


def test_withdrawn_key_is_refused_once_the_list_has_come_whole_or_as_a_delta(
    street: Street,
) -> None:
    service = street.service
    for turn in range(3):
        assert street.opens() == session.OK
        held = street.resident()
        with service.database.write() as opened:
            stored = opened.query(StoredCredential).filter_by(revoked_at=None).one()
            stored.revoked_at = street.now
            publish_lists(opened, service.signers, {LOCK}, street.now)
        (answer,) = street.carry()
        assert answer[1] == session.OK
        assert street.tries(held) == reasons.REVOKED
        with service.database.write() as opened:
            renew(opened, service.signers, street.now)
        KeySteps(service, "").drain()
        assert street.lock.core.statuses.current.version == turn + 1


def test_lists_of_a_month_are_all_taken_as_deltas(street: Street) -> None:
    service = street.service
    for day in range(30):
        with service.database.write() as opened:
            stored = opened.query(StoredCredential).filter_by(revoked_at=None).one()
            stored.revoked_at = street.now
            publish_lists(opened, service.signers, {LOCK}, street.now)
            fleet.make_waiting_due(opened, street.now)
            (due,) = fleet.due_lists(opened, street.now)
            fleet.make_waiting_due(opened, street.now)
        assert (due.delta is None) == (day == 0)
        assert [answer[1] for answer in street.carry()] == [session.OK]
        street.pass_time(86_400)
        tell_time(street)
        book(service, street.now)
    assert street.lock.core.statuses.current.version == 30
    assert street.lock.core.statuses.current.header.count < 12


def test_one_row_withdraws_what_was_issued_before_and_the_new_key_opens(street: Street) -> None:
    service, held = street.service, street.resident()
    street.pass_time(60)
    with service.database.write() as opened:
        kid = key_id(service.signers.issuer.public_key)
        lists.raise_least(opened, kid, lists.EVERY_AUDIENCE, street.now)
        renew(opened, service.signers, street.now, publish=[LOCK])
    assert [answer[1] for answer in street.carry()] == [session.OK]
    assert street.tries(held) == reasons.REVOKED
    assert street.opens() == session.OK


def test_records_come_home_and_the_lock_takes_the_receipt(street: Street) -> None:
    assert street.opens() == session.OK
    assert street.fetch() > 0
    (answer,) = street.carry()
    with street.service.database.read() as opened:
        newest = max(row.seq for row in opened.query(AuditRecord))
    assert answer[1:] == (session.OK, newest)
    assert street.fetch() == 0
    assert alarms(street.town) == []


def test_head_that_the_lock_signs_is_genuine_here(street: Street) -> None:
    nonce = bytes(range(16))
    document = street.bring(session.REQUEST_HEAD, nonce)[2]
    with street.service.database.write() as opened:
        assert heads.note_signed(opened, document, nonce, street.now)
        assert not heads.note_signed(opened, document, bytes(16), street.now)
    street.fetch()
    assert alarms(street.town) == []


def test_new_vault_epoch_reaches_the_lock_and_then_the_keys(street: Street) -> None:
    street.service = next_keyset(street.town, new_epoch=True)
    follow_keyset(street.service)
    with street.service.database.write() as opened:
        told = LockState(reachable=True, seen_at=street.now, keyset_version=1)
        fleet.note_lock(opened, LOCK, told, street.now)
        fleet.offer_keyset(opened, LOCK, street.service.keyset, street.now)
    assert [answer[1:] for answer in street.carry()] == [(session.OK, 2)]
    assert street.opens() == session.OK
    with street.service.database.write() as opened:
        told = LockState(reachable=True, seen_at=street.now + 1, keyset_version=2)
        fleet.note_lock(opened, LOCK, told, street.now)
    street.service = next_keyset(street.town, retire=1)
    follow_keyset(street.service)
    assert tokens.parse(street.resident().raw_token)[1].epoch == 2
    assert street.opens() == session.OK
    assert street.fetch() > 0


def test_acknowledgement_of_another_past_is_refused_and_alarms(street: Street) -> None:
    assert street.opens() == session.OK
    forged = audit.Head(LOCK, 1, 1, bytes(32))
    document = street.service.signers.ack.sign(audit.encode_ack(forged))
    assert street.bring(session.REQUEST_ACK, document)[1] != session.OK
    street.fetch()
    assert [kind for kind, _ in alarms(street.town)] == ["LOCK_FORK"]
