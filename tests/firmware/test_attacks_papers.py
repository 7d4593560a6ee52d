"""Documents that are genuine and harmful: what they, and whoever repeats them, cannot do."""

from __future__ import annotations

import pytest

from firmware.core import enrolment
from protocol import audit, keyset, reasons, session
from protocol.audit import Head
from simulator.town_keys import JOURNAL_EPOCH, envelope
from tests.firmware.town import KEYS, LOCK_ID, Town, identity
from tests.firmware.visits import UNLOCK, events_of, reason_of, visit

FORK = (audit.DOOR_LOCK_ALARM, audit.ALARM_FORK, audit.SOURCE_NONE)
SMALL_ORDER = (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f")


@pytest.fixture
def town() -> Town:
    return Town()


def keyset_with_vault(vault_key: bytes) -> bytes:
    made = KEYS.keyset(2)
    made.vaults[2] = vault_key
    return envelope(KEYS.roots[0], keyset.encode(made), keyset.CONTEXT)


@pytest.mark.parametrize("vault_key", SMALL_ORDER)
def test_a_keyset_with_a_vault_key_of_small_order_is_refused_and_not_kept(
    town: Town, vault_key: bytes
) -> None:
    answer = town.bring(session.REQUEST_KEYSET, keyset_with_vault(vault_key))
    assert answer[1] == reasons.NOT_ALLOWED_TO_ISSUE
    town.lock.power_on()
    assert visit(town, town.credential()) == session.OK


@pytest.mark.parametrize("vault_key", SMALL_ORDER)
def test_nobody_enrols_a_lock_that_could_never_start(town: Town, vault_key: bytes) -> None:
    before = dict(town.lock.storage.files)
    with pytest.raises(enrolment.EnrolmentError):
        enrolment.enrol(
            identity(),
            keyset_with_vault(vault_key),
            None,
            town.lock.storage,
            town.lock.core.crypto,
        )
    assert town.lock.storage.files == before


def expired_session(town: Town):  # type: ignore[no-untyped-def]
    peer = town.connect()
    assert reason_of(peer.attempt(town.credential(-120, -60), UNLOCK)) == reasons.EXPIRED
    return peer


def test_an_acknowledgement_of_another_history_repeated_alarms_once(town: Town) -> None:
    peer, document = expired_session(town), KEYS.acknowledge(Head(LOCK_ID, 1, 900, bytes(32)))
    for _ in range(50):
        assert peer.request(session.REQUEST_ACK, document)[1] == reasons.NOT_ALLOWED_TO_ISSUE
    assert events_of(town).count(FORK) == 1


def test_many_acknowledgements_of_another_history_do_not_fill_the_journal(town: Town) -> None:
    peer = expired_session(town)
    for seq in range(100, 200):
        document = KEYS.acknowledge(Head(LOCK_ID, 1, seq, bytes(32)))
        assert peer.request(session.REQUEST_ACK, document)[1] == reasons.NOT_ALLOWED_TO_ISSUE
    assert 1 <= events_of(town).count(FORK) <= 8


def test_an_acknowledgement_of_before_the_enrolment_is_no_fork(town: Town) -> None:
    peer = expired_session(town)
    document = KEYS.acknowledge(Head(LOCK_ID, JOURNAL_EPOCH - 1, 1, bytes(32)))
    assert peer.request(session.REQUEST_ACK, document)[1] == reasons.NOT_ALLOWED_TO_ISSUE
    assert FORK not in events_of(town)
