"""What the lock does for proven holders and against everyone else, under virtual time."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from firmware.core import session as sessions
from protocol import audit, frames, holder, reasons, session, statuslist
from protocol import token as tokens
from simulator.town_keys import aes, envelope
from tests.firmware.town import LOCK_ID, Town

UNLOCK, SYNC = session.COMMAND_UNLOCK, session.COMMAND_SYNC
FORGER = SigningKey(b"x" * 32)


@pytest.fixture
def town() -> Town:
    return Town()


def reason_of(event: tuple) -> int:
    assert event[0] == holder.OUTCOME, event
    return event[1].reason


def events_of(town: Town) -> list[tuple[int, int, int]]:
    return [(r.event, r.code, r.source) for r in town.records()]


def test_valid_token_opens_and_the_door_relocks_behind_the_person(town: Town) -> None:
    credential = town.credential()
    assert reason_of(town.present(credential, UNLOCK)) == session.OK
    town.lock.advance(600)
    assert town.lock.door.bolt == 0.0
    town.lock.push_through()
    town.lock.advance(10_000)
    assert town.lock.door.bolt == 1.0
    assert events_of(town) == [
        (audit.BOOT, 1, audit.SOURCE_NONE),
        (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_HOLDER),
        (audit.DOOR_STATE, audit.DOOR_OPEN, audit.SOURCE_NONE),
        (audit.DOOR_STATE, audit.DOOR_CLOSED, audit.SOURCE_NONE),
        (audit.LOCK_OPERATION, audit.OPERATION_LOCK, audit.SOURCE_AUTO),
    ]
    assert town.records()[1].subject == credential.token.cti


@pytest.mark.parametrize("mtu", [23, 24, 50, 185, 247, 517])
def test_any_mtu_carries_a_session(town: Town, mtu: int) -> None:
    assert reason_of(town.present(town.credential(), UNLOCK, mtu)) == session.OK


def test_early_token_is_told_when_and_recorded(town: Town) -> None:
    event = town.present(town.credential(begins=720, ends=4320), UNLOCK)
    assert reason_of(event) == reasons.NOT_YET_VALID
    assert event[1].detail[session.DETAIL_OPENS_AT] == town.now + 720
    assert events_of(town)[-1] == (
        audit.LOCK_OPERATION_ERROR,
        reasons.NOT_YET_VALID,
        audit.SOURCE_HOLDER,
    )


def test_expired_token_is_denied_even_after_reboot(town: Town) -> None:
    credential = town.credential(ends=60)
    town.pass_time(70)
    assert reason_of(town.present(credential, UNLOCK)) == reasons.EXPIRED
    town.lock.power_on()
    assert reason_of(town.present(credential, UNLOCK)) == reasons.EXPIRED
    town.lock.advance(1000)
    assert town.lock.door.bolt == 1.0


def test_forged_token_is_denied_though_its_holder_has_the_proof_key(town: Town) -> None:
    forged = town.credential(signer=FORGER, claimed=town.keys.booking)
    assert reason_of(town.present(forged, UNLOCK)) == reasons.BAD_SIGNATURE


def test_stolen_token_without_its_proof_key_opens_nothing_and_leaves_no_record(town: Town) -> None:
    stolen = holder.Credential(town.credential().raw_token, {LOCK_ID: b"\0" * 32})
    before = len(town.records())
    assert town.present(stolen, UNLOCK) == (holder.ADVISORY, reasons.BAD_MAC)
    assert len(town.records()) == before
    assert town.lock.core.sessions.dropped == {reasons.BAD_MAC: 1}


def test_replayed_presentation_is_refused_in_the_next_session(town: Town) -> None:
    peer = town.connect()
    machine = holder.HolderSession(town.credential(), UNLOCK, lambda n: bytes(n))
    peer.send(machine.start()[0][1])
    ((_, recorded),) = machine.receive(peer.received[-1])
    peer.send(recorded)
    assert peer.received[-1][0] == session.OUTCOME
    again = town.connect()
    again.send(session.encode_hello())
    again.send(recorded)
    assert again.received[-1] == session.encode_refusal(reasons.BAD_MAC)


def test_replayed_presentation_is_refused_in_the_same_session(town: Town) -> None:
    peer = town.connect()
    machine = holder.HolderSession(town.credential(), UNLOCK, lambda n: bytes(n))
    peer.send(machine.start()[0][1])
    ((_, recorded),) = machine.receive(peer.received[-1])
    peer.send(recorded)
    peer.send(recorded)
    assert peer.received[-1] == session.encode_refusal(reasons.NO_SESSION)


def test_wrong_room_is_noticed_by_the_holder_before_anything_is_presented(town: Town) -> None:
    other = town.credential(audience="bbbbbbbb")
    other.proof_keys = {"bbbbbbbb": b"k" * 32}
    assert town.present(other, UNLOCK) == (holder.WRONG_ROOM, "aaaaaaaa")


def test_scope_separates_remote_from_near(town: Town) -> None:
    near_only = town.credential(permissions=tokens.UNLOCK)
    remote = town.present(near_only, session.COMMAND_UNLOCK_REMOTE)
    assert reason_of(remote) == reasons.SCOPE
    assert reason_of(town.present(near_only, UNLOCK)) == session.OK


def test_unknown_command_is_denied(town: Town) -> None:
    assert reason_of(town.present(town.credential(), 99)) == reasons.SCOPE


# --- status list ---


def test_revoked_token_is_denied_even_after_reboot(town: Town) -> None:
    credential = town.credential()
    revoked = [(credential.token.cti, credential.token.expires_at)]
    assert town.put_status(1, revoked) == (holder.REPLY, session.OK, [None, 1])
    assert reason_of(town.present(credential, UNLOCK)) == reasons.REVOKED
    town.lock.power_on()
    assert reason_of(town.present(credential, UNLOCK)) == reasons.REVOKED


def test_status_list_never_goes_back(town: Town) -> None:
    town.put_status(2, [])
    assert town.put_status(1, []) == (holder.REPLY, session.OK, [None, 2])


def test_status_list_by_an_issuer_key_is_refused(town: Town) -> None:
    header, entries = statuslist.build(LOCK_ID, 1, town.now, [])
    forged = envelope(town.keys.booking, statuslist.encode(header), statuslist.CONTEXT)
    answer = town.bring(session.REQUEST_STATUS_PART, [forged, 0, entries])
    assert answer == (holder.REPLY, reasons.BAD_SIGNATURE, None)


def test_status_list_cannot_drop_what_is_still_alive(town: Town) -> None:
    """A stolen status key cannot give a stolen phone its key back."""
    credential = town.credential()
    town.put_status(1, [(credential.token.cti, credential.token.expires_at)])
    assert town.put_status(2, [])[1] == reasons.MALFORMED
    assert reason_of(town.present(credential, UNLOCK)) == reasons.REVOKED


def test_delta_extends_the_list_held(town: Town) -> None:
    first, second = town.credential(), town.credential()
    revoked = [(each.token.cti, each.token.expires_at) for each in (first, second)]
    town.put_status(1, revoked[:1])
    document, _ = town.keys.status_list(LOCK_ID, 2, town.now, revoked)
    addition = statuslist.entry(*revoked[1])
    other = town.bring(session.REQUEST_STATUS_DELTA, [document, 0, addition])
    assert other == (holder.REPLY, reasons.OTHER_BASE, None)
    answer = town.bring(session.REQUEST_STATUS_DELTA, [document, 1, addition])
    assert answer == (holder.REPLY, session.OK, [None, 2])
    assert reason_of(town.present(second, UNLOCK)) == reasons.REVOKED


def test_a_resident_may_carry_a_status_list_and_sealed_records(town: Town) -> None:
    """Whoever comes next brings the news and takes the records home."""
    stolen = town.credential()
    document, entries = town.keys.status_list(LOCK_ID, 1, town.now, [(stolen.token.cti, town.now)])
    peer = town.connect()
    assert reason_of(peer.attempt(town.credential(), UNLOCK)) == session.OK
    carried = peer.request(session.REQUEST_STATUS_PART, [document, 0, entries])
    assert carried == (holder.REPLY, session.OK, [None, 1])
    _, reason, (parcel, seal) = peer.request(session.REQUEST_AUDIT, [1, 5])
    assert reason == session.OK
    assert stolen.token.cti not in parcel
    records = audit.unpack(aes, town.kdk, parcel, seal)
    assert audit.check_run(records, 1, audit.genesis(LOCK_ID, 1))[0][0].event == audit.BOOT
    assert reason_of(town.present(stolen, UNLOCK)) == reasons.REVOKED


def test_resident_may_not_do_what_only_keepers_may(town: Town) -> None:
    peer = town.connect()
    assert reason_of(peer.attempt(town.credential(), UNLOCK)) == session.OK
    for operation in (session.REQUEST_TOKEN, session.REQUEST_CLEAR_KEYPAD):
        assert peer.request(operation, None) == (holder.REPLY, reasons.SCOPE, None)


SENSELESS = [None, [], [1], [-1, 2], ["a", 1], [1, True], {}, b"x", [b"", 0, b""], [1, 2, 3], "x"]
OPERATIONS = (*range(session.REQUEST_AUDIT, session.REQUEST_TOKEN + 1), 77)


@pytest.mark.parametrize("argument", SENSELESS)
def test_senseless_request_is_answered_and_changes_nothing(town: Town, argument: object) -> None:
    head = town.lock.core.journal.head_seq
    for operation in OPERATIONS:
        answer = town.bring(operation, argument)
        assert answer[:2] == (holder.REPLY, reasons.MALFORMED), operation
    assert town.lock.core.journal.head_seq == head


# --- slots and deadlines ---


def test_silent_peer_is_hung_up_and_frees_its_slot(town: Town) -> None:
    peer = town.connect()
    town.lock.advance(sessions.GREET_WITHIN_MS + 100)
    peer.collect()
    assert peer.hung_up


def test_peer_that_never_presents_is_hung_up(town: Town) -> None:
    peer = town.connect()
    peer.send(session.encode_hello())
    town.lock.advance(sessions.PRESENT_WITHIN_MS + 100)
    peer.collect()
    assert peer.hung_up


def test_crowd_of_silent_peers_does_not_keep_a_resident_out(town: Town) -> None:
    for _ in range(20):
        town.connect()
    assert reason_of(town.present(town.credential(), UNLOCK)) == session.OK


def test_phone_nested_in_a_gateways_link_gets_time_for_the_way(town: Town) -> None:
    link = town.connect()
    assert reason_of(link.attempt(town.keeper(), SYNC)) == session.OK
    machine = holder.HolderSession(
        town.credential(), session.COMMAND_UNLOCK_REMOTE, lambda n: bytes(n)
    )
    link.send(machine.start()[0][1])
    ((_, presentation),) = machine.receive(link.received[-1])
    town.lock.advance(15_000)
    link.send(presentation)
    assert reason_of(machine.receive(link.received[-1])[0]) == session.OK


@pytest.mark.parametrize(
    "fragment",
    [
        b"",
        b"\xff",
        b"\x80",
        b"\x41\x00",
        b"\xc0\x01",
        b"\xc0\x03\x83",
        b"\xc0" + bytes(300),
        bytes([frames.FIRST]) + b"x" * 100,
        b"\xc0\x63garbage",
    ],
)
def test_garbage_is_counted_and_ends_the_connection_only(town: Town, fragment: bytes) -> None:
    peer = town.connect()
    peer.write(fragment)
    peer.write(b"\xc0" + session.encode_hello())
    assert reason_of(town.present(town.credential(), UNLOCK)) == session.OK


def test_truncated_presentation_is_refused(town: Town) -> None:
    peer = town.connect()
    machine = holder.HolderSession(town.credential(), UNLOCK, lambda n: bytes(n))
    peer.send(machine.start()[0][1])
    ((_, presentation),) = machine.receive(peer.received[-1])
    peer.send(presentation[:-1])
    assert peer.received[-1][0] == session.REFUSAL


# --- storage ---


def test_opening_that_cannot_be_recorded_does_not_happen(town: Town) -> None:
    def full(name: str, data: bytes) -> None:
        raise OSError(28, "no space")

    town.lock.storage.append = full  # type: ignore[method-assign]
    assert reason_of(town.present(town.credential(), UNLOCK)) == reasons.STORAGE
    town.lock.advance(1000)
    assert town.lock.door.bolt == 1.0


def test_journal_continues_its_chain_over_a_restart_and_a_torn_slot(town: Town) -> None:
    town.present(town.credential(), UNLOCK)
    segment = sorted(n for n in town.lock.storage.files if n.startswith("journal/"))[-1]
    town.lock.storage.files[segment] += b"K\x01torn"
    town.lock.power_on()
    town.lock.power_on()
    assert [r.seq for r in town.records()] == [1, 2, 3, 4]


@pytest.mark.parametrize("then", ["goes on", "restarts", "tears once more and restarts"])
def test_refused_write_that_was_made_never_shows_again(town: Town, then: str) -> None:
    append = town.lock.storage.append

    def fails_after(name: str, data: bytes) -> None:
        append(name, data)
        raise OSError(5, "EIO")

    def tears(name: str, data: bytes) -> None:
        append(name, data[:50])
        raise OSError(5, "EIO")

    town.lock.storage.append = fails_after  # type: ignore[method-assign]
    assert reason_of(town.present(town.credential(), UNLOCK)) == reasons.STORAGE
    town.lock.storage.append = tears  # type: ignore[method-assign]
    if then.startswith("tears"):
        assert reason_of(town.present(town.credential(), UNLOCK)) == reasons.STORAGE
    town.lock.storage.append = append  # type: ignore[method-assign]
    if then.endswith("restarts"):
        town.lock.power_on()
    for _ in range(2):
        assert reason_of(town.present(town.credential(), UNLOCK)) == session.OK
    journal = town.lock.core.journal
    assert town.records()[-1].seq == journal.head_seq
    assert len(journal.read(2, 24)) == journal.head_seq - 1


def test_torn_writes_do_not_push_older_records_out(town: Town) -> None:
    append = town.lock.storage.append

    def tears(name: str, data: bytes) -> None:
        append(name, data[:50])
        raise OSError(5, "EIO")

    for _ in range(12):
        town.lock.storage.append = tears  # type: ignore[method-assign]
        assert not town.lock.core.record(audit.BOOT, 0, 0, None)
        town.lock.storage.append = append  # type: ignore[method-assign]
        assert town.lock.core.record(audit.BOOT, 0, 0, None)
    assert [record.seq for record in town.records()] == list(range(1, 14))


def test_restart_never_opens(town: Town) -> None:
    town.present(town.credential(), UNLOCK)
    town.lock.advance(200)  # the bolt is on its way
    town.lock.power_on()
    town.lock.advance(10_000)
    assert town.lock.door.bolt == 1.0


def test_full_journal_drops_the_oldest_and_keeps_the_chain(town: Town) -> None:
    for _ in range(9 * 256):
        town.lock.core.record(audit.BOOT, 0, 0, None)
    journal = town.lock.core.journal
    assert journal.oldest_seq == 513
    assert audit.decode_record(journal.read(1, 1)[0]).seq == 513
    gaps = [r for r in town.records() if r.event == audit.GAP]
    assert [(gap.code, gap.value) for gap in gaps] == [(256, 257), (256, 513)]
    assert journal.head_seq == 1 + 9 * 256 + len(gaps)
