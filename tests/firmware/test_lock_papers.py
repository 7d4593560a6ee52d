"""What a whole lock makes of signed papers: keyset, configuration, status list, acknowledgement."""

from __future__ import annotations

import dataclasses

import nacl.public
import nacl.signing
import pytest
from nacl.signing import SigningKey

from protocol import audit, cose, holder, keys, reasons, session, statuslist
from protocol.audit import Head
from protocol.lockconfig import DoorConfig
from simulator.town_keys import TownKeys, aes, envelope
from tests.firmware.town import KEYS, LOCK_ID, Town
from tests.firmware.visits import GROUP, SYNC, UNLOCK, events_of, reason_of, visit

OTHER = SigningKey(b"o" * 32)


@pytest.fixture
def town() -> Town:
    return Town()


def rotated(**changes: object) -> TownKeys:
    return dataclasses.replace(KEYS, **changes)  # type: ignore[arg-type]


def bring_keyset(
    town: Town, made: TownKeys, version: int = 2, root: SigningKey | None = None
) -> tuple:
    document = made.keyset_document(made.keyset(version), root or KEYS.roots[1])
    return town.bring(session.REQUEST_KEYSET, document)


# --- keyset ---


def test_a_rotated_issuer_opens_no_more_and_the_new_one_does(town: Town) -> None:
    old = town.credential()
    assert visit(town, old) == session.OK
    assert bring_keyset(town, rotated(booking=OTHER)) == (holder.REPLY, session.OK, 2)
    assert town.present(old, UNLOCK) == (holder.ADVISORY, reasons.UNKNOWN_ISSUER)
    assert visit(town, town.credential(signer=OTHER)) == session.OK
    assert (audit.KEYSET, 2, audit.SOURCE_NONE) in events_of(town)


def test_a_new_keyset_flushes_every_remembered_token(town: Town) -> None:
    checked = watch_signatures(town)
    credential = town.credential()
    visit(town, credential)
    visit(town, credential)
    assert checked.count(credential.raw_token[-64:]) == 1
    bring_keyset(town, KEYS)
    assert visit(town, credential) == session.OK
    assert checked.count(credential.raw_token[-64:]) == 2


def watch_signatures(town: Town) -> list[bytes]:
    """Every signature that the lock checks from now on."""
    crypto, checked = town.lock.core.crypto, []
    verify = crypto.verify_signature

    def watched(public_key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return verify(public_key, message, signature)

    crypto.verify_signature = watched
    return checked


def test_a_keyset_outlives_a_restart(town: Town) -> None:
    bring_keyset(town, rotated(booking=OTHER))
    town.lock.power_on()
    assert town.present(town.credential(), UNLOCK) == (holder.ADVISORY, reasons.UNKNOWN_ISSUER)
    assert visit(town, town.credential(signer=OTHER)) == session.OK


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_or_equal_keyset_changes_nothing(town: Town, version: int) -> None:
    """Also when a root signed it: whoever kept an old one must not bring an old key back."""
    bring_keyset(town, KEYS, 3)
    before = town.lock.core.journal.head_seq
    answer = bring_keyset(town, rotated(booking=OTHER), version)
    assert answer == (holder.REPLY, session.OK, 3)
    assert town.lock.core.journal.head_seq == before
    assert visit(town, town.credential()) == session.OK


def test_a_keyset_that_no_root_signed_is_refused(town: Town) -> None:
    for signer in (OTHER, KEYS.booking):
        answer = bring_keyset(town, rotated(booking=OTHER), 2, signer)
        assert answer == (holder.REPLY, reasons.BAD_SIGNATURE, None)


def test_one_root_may_be_replaced_and_both_may_not(town: Town) -> None:
    both = rotated(roots=(OTHER, SigningKey(b"p" * 32)))
    answer = bring_keyset(town, both)
    assert answer == (holder.REPLY, reasons.NOT_ALLOWED_TO_ISSUE, None)
    one = rotated(roots=(KEYS.roots[0], OTHER))
    assert bring_keyset(town, one)[1] == session.OK
    assert bring_keyset(town, one, 3, KEYS.roots[1])[1] == reasons.BAD_SIGNATURE
    assert bring_keyset(town, one, 3, OTHER)[1] == session.OK


def test_another_towns_keyset_is_refused_even_under_our_root(town: Town) -> None:
    foreign = KEYS.keyset(2)
    foreign.town = "elsewhere"
    answer = town.bring(session.REQUEST_KEYSET, KEYS.keyset_document(foreign))
    assert answer == (holder.REPLY, reasons.NOT_ALLOWED_TO_ISSUE, None)


def test_a_new_vault_epoch_ends_what_the_stolen_vault_key_can_prove(town: Town) -> None:
    old = town.credential()
    fresh = nacl.public.PrivateKey(b"w" * 32)
    both = rotated(vaults={**KEYS.vaults, 2: fresh})
    assert bring_keyset(town, both)[1] == session.OK
    assert visit(town, old) == session.OK
    town.keys = both
    new = town.credential(epoch=2)
    assert visit(town, new) == session.OK
    assert bring_keyset(town, rotated(vaults={2: fresh}), 3)[1] == session.OK
    assert town.present(old, UNLOCK) == (holder.ADVISORY, reasons.UNKNOWN_ISSUER)
    assert visit(town, new) == session.OK


def test_the_record_parcel_of_a_vanished_epoch_is_not_made(town: Town) -> None:
    peer = town.connect()
    assert reason_of(peer.attempt(town.keeper(), SYNC)) == session.OK
    later = rotated(vaults={2: nacl.public.PrivateKey(b"w" * 32)})
    document = later.keyset_document(later.keyset(2))
    assert peer.request(session.REQUEST_KEYSET, document)[1] == session.OK
    answer = peer.request(session.REQUEST_AUDIT, [1, 1])
    assert answer == (holder.REPLY, reasons.UNKNOWN_ISSUER, None)


# --- configuration and groups ---


def bring_config(town: Town, version: int = 1, **details: object) -> tuple:
    document = town.keys.config_document(LOCK_ID, version, **details)  # type: ignore[arg-type]
    return town.bring(session.REQUEST_CONFIG, document)


def test_a_groups_token_opens_once_the_lock_belongs_to_the_group(town: Town) -> None:
    credential = town.credential(audience=GROUP)
    assert town.present(credential, UNLOCK) == (holder.ADVISORY, reasons.WRONG_LOCK)
    assert bring_config(town, groups=[GROUP]) == (holder.REPLY, session.OK, 1)
    assert visit(town, credential) == session.OK
    town.lock.power_on()
    assert visit(town, credential) == session.OK
    assert bring_config(town, 2, groups=[])[1] == session.OK
    assert town.present(credential, UNLOCK) == (holder.ADVISORY, reasons.WRONG_LOCK)


def test_a_group_member_cannot_open_with_the_proof_key_of_another_door(town: Town) -> None:
    """No group secret exists: what one lock's key proves, no other lock believes."""
    bring_config(town, groups=[GROUP])
    sister = Town("cccccccc", lambda n: b"\7" * n)
    theirs = sister.credential(audience=GROUP)
    taken = holder.Credential(theirs.raw_token, {LOCK_ID: theirs.proof_keys["cccccccc"]})
    assert town.present(taken, UNLOCK) == (holder.ADVISORY, reasons.BAD_MAC)


def test_an_emergency_key_cannot_speak_for_a_group(town: Town) -> None:
    bring_config(town, groups=[GROUP])
    bad = town.credential(audience=GROUP, signer=KEYS.emergency)
    assert visit(town, bad) == reasons.NOT_ALLOWED_TO_ISSUE


def test_a_configuration_by_another_key_for_another_lock_or_older_is_refused(town: Town) -> None:
    assert bring_config(town, 5)[1] == session.OK
    forged = rotated(config=KEYS.booking).config_document(LOCK_ID, 6)
    assert town.bring(session.REQUEST_CONFIG, forged)[1] == reasons.BAD_SIGNATURE
    foreign = KEYS.config_document("bbbbbbbb", 6)
    assert town.bring(session.REQUEST_CONFIG, foreign)[1] == reasons.WRONG_LOCK
    assert bring_config(town, 5, groups=[GROUP]) == (holder.REPLY, session.OK, 5)
    assert town.lock.core.config.groups == []


def test_a_configuration_counts_at_once_and_after_a_restart(town: Town) -> None:
    bring_config(town, door=DoorConfig(relock_after_ms=60000, pin_allowed=0))
    for _ in range(2):
        outcome = town.present(town.credential(), UNLOCK)[1]
        assert outcome.detail == {session.DETAIL_RELOCK_AFTER_MS: 60000}
        assert town.lock.core.key_pressed("#", 0) is None
        assert not town.lock.core.keypad.allowed
        town.lock.power_on()


# --- status list under a changing keyset ---


def test_a_status_upload_begun_under_an_old_keyset_is_not_completed_under_the_new(
    town: Town,
) -> None:
    """A stolen status key must not finish after its replacement what it began before."""
    victims = [(bytes([n]) * 8, town.now + 3600) for n in range(4)]
    document, entries = KEYS.status_list(LOCK_ID, 1, town.now, victims)
    part = session.REQUEST_STATUS_PART
    assert town.bring(part, [document, 0, entries[:16]]) == (holder.REPLY, session.OK, [16, 0])
    bring_keyset(town, rotated(status=OTHER))
    assert town.bring(part, [document, 16, entries[16:]]) == (holder.REPLY, session.OK, [0, 0])
    assert town.bring(part, [document, 0, entries])[1] == reasons.BAD_SIGNATURE
    assert town.lock.core.trust.status.version == 0


@pytest.mark.parametrize("audience", [None, LOCK_ID])
def test_min_iat_withdraws_what_one_key_issued_before_a_moment(
    town: Town, audience: str | None
) -> None:
    early = town.credential()
    town.pass_time(10)
    late, staff = town.credential(), town.credential(issued_at=town.now - 10, signer=KEYS.staff)
    kid = keys.key_id(bytes(KEYS.booking.verify_key))
    header, entries = statuslist.build(LOCK_ID, 1, town.now, [], [(kid, audience, town.now)])
    document = envelope(KEYS.status, statuslist.encode(header), statuslist.CONTEXT)
    assert town.bring(session.REQUEST_STATUS_PART, [document, 0, entries])[1] == session.OK
    assert visit(town, early) == reasons.REVOKED
    assert visit(town, late) == visit(town, staff) == session.OK


# --- acknowledgements and the head ---


def head_of(town: Town, seq: int, record: bytes | None = None) -> Head:
    raw = town.lock.core.journal.read(seq, 1)[0]
    return Head(LOCK_ID, 1, seq, record or audit.record_hash(raw))


def acknowledge(town: Town, head: Head, by: TownKeys = KEYS) -> tuple:
    return town.bring(session.REQUEST_ACK, by.acknowledge(head))


def forks_alarmed(town: Town) -> int:
    return events_of(town).count((audit.DOOR_LOCK_ALARM, audit.ALARM_FORK, audit.SOURCE_NONE))


def test_an_acknowledgement_is_taken_and_an_old_one_changes_nothing(town: Town) -> None:
    for _ in range(3):
        visit(town, town.credential())
    assert acknowledge(town, head_of(town, 3)) == (holder.REPLY, session.OK, 3)
    assert acknowledge(town, head_of(town, 2)) == (holder.REPLY, session.OK, 3)
    assert forks_alarmed(town) == 0


def test_an_old_acknowledgement_that_fits_costs_no_signature(town: Town) -> None:
    visit(town, town.credential())
    acknowledge(town, head_of(town, 2))
    checked, document = watch_signatures(town), KEYS.acknowledge(head_of(town, 1))
    assert town.bring(session.REQUEST_ACK, document) == (holder.REPLY, session.OK, 2)
    assert document[-64:] not in checked


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_an_acknowledged_fork_raises_an_alarm_even_behind_what_was_acknowledged(
    town: Town, seq: int
) -> None:
    for _ in range(3):
        visit(town, town.credential())
    acknowledge(town, head_of(town, 2))
    answer = acknowledge(town, head_of(town, seq, bytes(32)))
    assert answer == (holder.REPLY, reasons.NOT_ALLOWED_TO_ISSUE, None)
    assert forks_alarmed(town) == 1
    assert town.lock.core.journal.acked_seq == 2


@pytest.mark.parametrize("seq", [1, 3])
def test_nobody_but_the_ack_key_raises_the_alarm_of_a_fork(town: Town, seq: int) -> None:
    for _ in range(3):
        visit(town, town.credential())
    acknowledge(town, head_of(town, 2))
    forged = head_of(town, seq, bytes(32))
    answer = acknowledge(town, forged, rotated(ack=KEYS.status))
    assert answer == (holder.REPLY, reasons.BAD_SIGNATURE, None)
    assert forks_alarmed(town) == 0


def test_an_acknowledgement_of_the_future_shows_a_lock_restored_from_an_old_image(
    town: Town,
) -> None:
    image = dict(town.lock.storage.files)
    for _ in range(5):
        visit(town, town.credential())
    seen = head_of(town, 6)
    town.lock.storage.files = image
    town.lock.power_on()
    assert town.lock.core.journal.head_seq == 2
    answer = acknowledge(town, seen)
    assert answer == (holder.REPLY, reasons.NOT_ALLOWED_TO_ISSUE, None)
    assert forks_alarmed(town) == 1


def test_the_head_is_signed_by_the_lock_as_libsodium_sees_it(town: Town) -> None:
    visit(town, town.credential())
    nonce = b"n" * 16
    _, reason, document = town.bring(session.REQUEST_HEAD, nonce)
    assert reason == session.OK
    signed = cose.decode(document)
    key = nacl.signing.VerifyKey(town.lock.signing_key)
    key.verify(signed.signed_bytes(audit.HEAD_CONTEXT), signed.signature)
    head, said = audit.decode_head(signed.payload)
    journal = town.lock.core.journal
    assert (head.lock_id, head.journal_epoch, said) == (LOCK_ID, 1, nonce)
    assert (head.seq, head.record_hash) == (journal.head_seq, journal.head_hash)


def test_nobody_without_an_open_door_gets_a_head_signed(town: Town) -> None:
    peer = town.connect()
    early = town.credential(begins=600)
    assert reason_of(peer.attempt(early, UNLOCK)) == reasons.NOT_YET_VALID
    assert peer.request(session.REQUEST_HEAD, bytes(16))[1] == reasons.SCOPE


def test_parcels_of_one_session_hold_the_chain(town: Town) -> None:
    for _ in range(12):
        visit(town, town.credential())
    peer = town.connect()
    peer.attempt(town.keeper(), SYNC)
    records: list[bytes] = []
    while len(records) < 13:
        _, _, (parcel, seal) = peer.request(session.REQUEST_AUDIT, [len(records) + 1, 24])
        records += audit.unpack(aes, town.kdk, parcel, seal)
    assert len(audit.check_run(records, 1, audit.genesis(LOCK_ID, 1))[0]) == 13
