"""What a whole lock makes of unusual tokens: weekly, single, emergency, hold-open, relayed."""

from __future__ import annotations

import pytest

from firmware.core import memory
from firmware.core import session as sessions
from firmware.core.journal import SLOTS_PER_SEGMENT
from protocol import audit, holder, reasons, session
from protocol import token as tokens
from protocol.holder import Credential
from protocol.lockconfig import DoorConfig
from protocol.token import WEEK_MINUTES, Weekly
from tests.firmware.town import ALL, KEYS, LOCK_ID, Peer, Town
from tests.firmware.visits import SYNC, UNLOCK, events_of, reason_of, visit

REMOTE, LOCK = session.COMMAND_UNLOCK_REMOTE, session.COMMAND_LOCK
HOLD, EVACUATE = session.COMMAND_HOLD_OPEN, session.COMMAND_EVACUATE
HOLDER = tokens.UNLOCK | tokens.LOCK | tokens.HOLD_OPEN
DAY_S = 86400


@pytest.fixture
def town() -> Town:
    return Town()


# --- hours of the week ---


def minute_of_week(t: int) -> int:
    return (t // 60 - 4 * 1440) % WEEK_MINUTES


def test_a_weekly_token_opens_in_its_hours_only(town: Town) -> None:
    at = minute_of_week(town.now)
    weekly = Weekly(540, [((at + 540 + 60) % WEEK_MINUTES, 30)])
    club = town.credential(ends=30 * DAY_S, weekly=weekly)
    event = town.present(club, UNLOCK)
    assert reason_of(event) == reasons.NOT_YET_VALID
    assert event[1].detail[session.DETAIL_OPENS_AT] == (town.now // 60 + 60) * 60
    for _ in range(3):
        town.pass_time(3660)
        assert visit(town, club) == session.OK
        town.pass_time(1800)
        assert visit(town, club) == reasons.NOT_YET_VALID
        town.pass_time(7 * DAY_S - 5460)
    town.pass_time(14 * DAY_S)
    assert visit(town, club) == reasons.EXPIRED


def test_a_hold_by_a_weekly_token_ends_with_the_hour(town: Town) -> None:
    weekly = Weekly(0, [(minute_of_week(town.now), 10)])
    club = town.credential(ends=30 * DAY_S, permissions=HOLDER, weekly=weekly)
    detail = town.present(club, HOLD)[1].detail
    assert detail[session.DETAIL_RELOCK_AFTER_MS] <= 600 * 1000
    town.lock.advance(detail[session.DETAIL_RELOCK_AFTER_MS] + 3000)
    assert town.lock.door.bolt == 1.0


# --- single openings ---


def test_a_single_opening_is_spent_also_after_restarts_and_a_checkpoint(town: Town) -> None:
    once = town.credential(once=True)
    assert visit(town, once) == session.OK
    assert visit(town, once) == reasons.SPENT
    town.lock.power_on()
    assert visit(town, once) == reasons.SPENT
    for _ in range(SLOTS_PER_SEGMENT):
        town.lock.core.record(audit.BOOT, 0, 0)
    assert any(n.endswith(".state") for n in town.lock.storage.names("journal"))
    town.lock.power_on()
    assert visit(town, once) == reasons.SPENT


def test_a_single_opening_survives_the_record_that_spent_it(town: Town) -> None:
    """The mark is in the checkpoint when the oldest records have gone."""
    once = town.credential(ends=30 * DAY_S, once=True)
    assert visit(town, once) == session.OK
    for _ in range(9 * SLOTS_PER_SEGMENT):
        town.lock.core.record(audit.BOOT, 0, 0)
    assert town.lock.core.journal.oldest_seq > 2
    town.lock.power_on()
    assert visit(town, once) == reasons.SPENT


def test_locking_spends_no_single_opening(town: Town) -> None:
    once = town.credential(once=True)
    assert visit(town, once, LOCK) == session.OK
    assert town.records()[-1].value is None
    assert visit(town, once) == session.OK
    assert visit(town, once, LOCK) == session.OK


def test_a_refused_single_opening_is_not_spent(town: Town) -> None:
    once = town.credential(begins=60, once=True)
    assert visit(town, once) == reasons.NOT_YET_VALID
    town.pass_time(65)
    assert visit(town, once) == session.OK


def test_no_mark_is_forgotten_while_its_token_lives(town: Town) -> None:
    """With 64 live marks the 65th single opening is refused; it is let in when one has expired."""
    made = [town.credential(ends=3600 + n, once=True) for n in range(memory.MAX_SPENT)]
    made.append(town.credential(ends=7200, once=True))
    for once in made[:-1]:
        assert visit(town, once) == session.OK
    assert visit(town, made[-1]) == reasons.FULL
    assert visit(town, town.credential()) == session.OK
    assert {visit(town, once) for once in made[:-1]} == {reasons.SPENT}
    town.pass_time(3605)
    assert visit(town, made[-1]) == session.OK


# --- relayed ---


def link(town: Town) -> Peer:
    peer = town.connect()
    assert reason_of(peer.attempt(town.keeper(), SYNC)) == session.OK
    return peer


def test_a_near_only_key_does_not_open_through_a_gateway(town: Town) -> None:
    """Whatever phone and gateway say: what comes over a housekeeper's link is remote."""
    near = town.credential(permissions=tokens.UNLOCK | tokens.LOCK)
    assert reason_of(link(town).attempt(near, UNLOCK)) == reasons.SCOPE
    assert reason_of(town.present(near, UNLOCK)) == session.OK


def test_a_relayed_opening_is_on_record_as_remote(town: Town) -> None:
    peer = link(town)
    assert reason_of(peer.attempt(town.credential(), UNLOCK)) == session.OK
    remote = (audit.LOCK_OPERATION, audit.OPERATION_UNLOCK, audit.SOURCE_REMOTE)
    assert events_of(town)[-1] == remote


def test_a_link_stays_relayed_however_often_a_phone_greets_in_it(town: Town) -> None:
    peer, near = link(town), town.credential(permissions=tokens.UNLOCK)
    for _ in range(3):
        assert reason_of(peer.attempt(near, UNLOCK)) == reasons.SCOPE


def test_a_gateway_without_the_right_to_open_opens_nothing(town: Town) -> None:
    keeper = town.keeper()
    for command in (UNLOCK, REMOTE, LOCK, HOLD, EVACUATE):
        assert visit(town, keeper, command) == reasons.SCOPE


def test_a_housekeeper_that_was_refused_has_no_link(town: Town) -> None:
    """Its key may be good tomorrow: today nobody is nested, and no slot is kept for it."""
    peer = town.connect()
    early = town.credential(begins=600, permissions=tokens.MAINTAIN, signer=KEYS.staff)
    assert reason_of(peer.attempt(early, SYNC)) == reasons.NOT_YET_VALID
    stolen = Credential(town.credential().raw_token, {LOCK_ID: bytes(32)})
    assert peer.attempt(stolen, UNLOCK) == (holder.ADVISORY, reasons.BAD_MAC)
    assert peer.attempt(town.credential(), UNLOCK) == ("silence",)


# --- hold open ---


def test_a_hold_ends_at_the_latest_with_its_token(town: Town) -> None:
    key = town.credential(ends=120, permissions=HOLDER)
    event = town.present(key, HOLD)
    assert event[1].detail[session.DETAIL_RELOCK_AFTER_MS] <= 120_000
    assert event[1].detail[session.DETAIL_HELD_UNTIL] <= key.token.expires_at
    town.lock.advance(100_000)
    assert town.lock.door.bolt == 0.0
    town.lock.advance(25_000)
    assert town.lock.door.bolt == 1.0


def test_a_hold_ends_with_a_command_and_is_not_taken_up_again_by_a_restart(town: Town) -> None:
    key = town.credential(permissions=HOLDER)
    assert visit(town, key, HOLD) == session.OK
    town.lock.advance(3000)
    assert visit(town, key, LOCK) == session.OK
    town.lock.advance(3000)
    assert town.lock.door.bolt == 1.0
    assert visit(town, key, HOLD) == session.OK
    town.lock.advance(3000)
    town.lock.power_on()
    town.lock.advance(10_000)
    assert town.lock.door.bolt == 1.0


def test_nobody_holds_a_door_open_in_doubt_about_the_time(town: Town) -> None:
    key = town.credential(permissions=HOLDER | tokens.EVACUATE, signer=KEYS.emergency)
    town.lock.rtc.stopped = True
    town.lock.power_on()
    assert visit(town, key, HOLD) == reasons.TIME_UNKNOWN
    assert visit(town, key, EVACUATE) == session.OK


def test_an_evacuation_needs_its_own_permission_and_raises_an_alarm(town: Town) -> None:
    assert visit(town, town.credential(permissions=HOLDER), EVACUATE) == reasons.SCOPE
    key = town.credential(permissions=tokens.EVACUATE)
    assert visit(town, key, EVACUATE) == session.OK
    source = audit.SOURCE_HOLDER
    assert events_of(town)[-2:] == [
        (audit.LOCK_OPERATION, audit.OPERATION_EVACUATE, source),
        (audit.DOOR_LOCK_ALARM, audit.ALARM_EVACUATION, source),
    ]


def test_the_doors_own_figure_bounds_a_hold(town: Town) -> None:
    document = KEYS.config_document(LOCK_ID, 1, DoorConfig(max_hold_s=60))
    assert town.bring(session.REQUEST_CONFIG, document)[1] == session.OK
    assert visit(town, town.credential(permissions=HOLDER), HOLD) == session.OK
    town.lock.advance(70_000)
    assert town.lock.door.bolt == 1.0


# --- emergency ---


def test_an_emergency_key_opens_without_any_time_and_always_raises_an_alarm(town: Town) -> None:
    sealed = town.credential(ends=90 * DAY_S, signer=KEYS.emergency)
    for stopped in (False, True):
        town.lock.rtc.stopped = stopped
        town.lock.power_on()
        assert visit(town, sealed) == session.OK
        alarm = (audit.DOOR_LOCK_ALARM, audit.ALARM_EMERGENCY_KEY, audit.SOURCE_HOLDER)
        assert events_of(town)[-1] == alarm
        assert town.records()[-1].subject == sealed.token.cti


def test_an_emergency_key_that_surely_expired_opens_nothing(town: Town) -> None:
    sealed = town.credential(ends=3600, signer=KEYS.emergency)
    for _ in range(4):
        town.pass_time(3600)
        town.lock.advance(100)
    town.lock.rtc.stopped = True
    town.lock.power_on()
    assert visit(town, sealed) == reasons.EXPIRED


def test_an_emergency_key_can_be_withdrawn(town: Town) -> None:
    sealed = town.credential(signer=KEYS.emergency)
    town.put_status(1, [(sealed.token.cti, sealed.token.expires_at)])
    assert visit(town, sealed) == reasons.REVOKED


# --- sessions, slots, and tokens brought ahead ---


def test_the_same_request_again_ends_the_session(town: Town) -> None:
    """Each has a number: a recorded one is no second clearing of the keypad."""
    peer = link(town)
    assert peer.request(session.REQUEST_CLEAR_KEYPAD, None)[1] == session.OK
    before = town.lock.core.journal.head_seq
    peer.send(peer.sent)
    assert peer.received[-1] == session.encode_refusal(reasons.NO_SESSION)
    assert town.lock.core.journal.head_seq == before


def test_a_proven_but_denied_holder_can_be_evicted(town: Town) -> None:
    """Its session is open for documents, but it has no claim to a slot."""
    early = town.connect()
    assert reason_of(early.attempt(town.credential(begins=600), UNLOCK)) == reasons.NOT_YET_VALID
    for _ in range(sessions.MAX_SLOTS):
        town.connect()
    assert early.hung_up
    assert early.received[-1] == session.encode_refusal(reasons.BUSY)


def test_a_granted_holder_cannot_be_evicted(town: Town) -> None:
    granted = town.connect()
    assert reason_of(granted.attempt(town.credential(), UNLOCK)) == session.OK
    crowd = [town.connect() for _ in range(10)]
    assert not granted.hung_up
    assert sum(not peer.hung_up for peer in crowd) == sessions.MAX_SLOTS - 1


def test_a_token_brought_ahead_costs_no_signature_at_the_door(town: Town) -> None:
    credential, peer = town.credential(), link(town)
    assert peer.request(session.REQUEST_TOKEN, credential.raw_token)[1] == session.OK
    peer.leave()
    town.lock.core.crypto.verify_signature = _never
    assert visit(town, credential) == session.OK


def _never(public_key: bytes, message: bytes, signature: bytes) -> bool:
    raise AssertionError("a signature was checked once more")


def test_a_forged_token_brought_ahead_is_not_remembered(town: Town) -> None:
    forged = town.credential(signer=KEYS.status, claimed=KEYS.booking)
    answer = link(town).request(session.REQUEST_TOKEN, forged.raw_token)
    assert answer == (holder.REPLY, reasons.BAD_SIGNATURE, None)
    assert visit(town, forged) == reasons.BAD_SIGNATURE


def test_a_token_brought_ahead_still_needs_its_proof_key(town: Town) -> None:
    credential = town.credential()
    link(town).request(session.REQUEST_TOKEN, credential.raw_token)
    stolen = Credential(credential.raw_token, {LOCK_ID: bytes(32)})
    assert town.present(stolen, UNLOCK) == (holder.ADVISORY, reasons.BAD_MAC)


def test_a_token_of_the_status_key_is_refused_though_it_was_brought_ahead(town: Town) -> None:
    bad = town.credential(signer=KEYS.status, permissions=ALL)
    link(town).request(session.REQUEST_TOKEN, bad.raw_token)
    assert visit(town, bad) == reasons.NOT_ALLOWED_TO_ISSUE
