"""PINs at a whole lock: windows, withdrawal, patience, restarts, and who may clear the keypad."""

from __future__ import annotations

import nacl.public
import pytest

from firmware.core.keypad import DISABLED_AT
from protocol import audit, holder, lockstate, pin, reasons, session
from protocol.lockconfig import DoorConfig
from protocol.pin import QUARTER_S, Pin
from simulator.town_keys import aes
from tests.firmware.town import KEYS, LOCK_ID, Town
from tests.firmware.visits import SYNC, events_of, reason_of

HOUR_MS = 3_600_000


@pytest.fixture
def town() -> Town:
    return Town()


def given(town: Town, quarters: int = 0, length: int = 4) -> Pin:
    return Pin((town.now // QUARTER_S + quarters) * QUARTER_S, length, 3)


def digits_of(town: Town, window: Pin) -> str:
    return pin.encode(aes(pin.pin_key(town.kdk)), LOCK_ID, window)


def enter(town: Town, digits: str) -> int:
    keys = [town.lock.core.key_pressed(key, town.lock.now_ms) for key in "*" + digits]
    assert keys[:-1] == [None] * 10 and keys[-1] is not None
    town.lock.carry_out()
    return keys[-1]


def failures(town: Town) -> int:
    return town.lock.core.journal.memory.pin_failures


def wait_out(town: Town) -> None:
    town.pass_time(3600)
    town.lock.advance(40)


def test_a_pin_opens_in_its_window_and_is_on_record_by_its_name(town: Town) -> None:
    window = given(town)
    assert enter(town, digits_of(town, window)) == session.OK
    town.lock.advance(1000)
    assert town.lock.door.bolt == 0.0
    record = town.records()[-1]
    assert (record.event, record.source) == (audit.LOCK_OPERATION, audit.SOURCE_KEYPAD)
    assert record.subject == pin.name(LOCK_ID, window)
    assert failures(town) == 0


@pytest.mark.parametrize("quarters", [-5, 1, 40])
def test_an_early_or_late_pin_is_refused_like_a_wrong_one(town: Town, quarters: int) -> None:
    assert enter(town, digits_of(town, given(town, quarters))) == reasons.PIN_REFUSED
    assert failures(town) == 1
    assert town.records()[-1].subject == pin.name(LOCK_ID, given(town, quarters))


def test_a_withdrawn_pin_is_refused(town: Town) -> None:
    window = given(town)
    town.put_status(1, [(pin.name(LOCK_ID, window), window.ends_at)])
    assert enter(town, digits_of(town, window)) == reasons.PIN_REFUSED


def test_a_pin_of_another_lock_is_a_wrong_one(town: Town) -> None:
    sister = Town("cccccccc", lambda n: b"\7" * n)
    foreign = pin.encode(aes(pin.pin_key(sister.kdk)), "cccccccc", given(town))
    assert enter(town, foreign) == reasons.PIN_REFUSED


def test_a_pin_lives_as_long_as_its_vault_epoch(town: Town) -> None:
    digits = digits_of(town, given(town))
    keyset = KEYS.keyset(2)
    for version, vaults in ((2, (1, 2)), (3, (2,))):
        keys = {1: KEYS.vaults[1], 2: nacl.public.PrivateKey(b"w" * 32)}
        keyset = KEYS.keyset(version)
        keyset.vaults = {epoch: bytes(keys[epoch].public_key) for epoch in vaults}
        assert town.bring(session.REQUEST_KEYSET, KEYS.keyset_document(keyset))[1] == session.OK
        expected = session.OK if 1 in vaults else reasons.PIN_REFUSED
        assert enter(town, digits) == expected


def test_a_strict_door_takes_no_pin_in_doubt_about_the_time(town: Town) -> None:
    digits = digits_of(town, given(town))
    town.lock.rtc.stopped = True
    town.lock.power_on()
    assert enter(town, digits) == reasons.PIN_REFUSED


def test_the_right_pin_is_refused_while_the_keypad_rests(town: Town) -> None:
    for _ in range(3):
        assert enter(town, "0000000000") == reasons.PIN_REFUSED
    assert enter(town, digits_of(town, given(town))) == reasons.PIN_WAIT
    assert failures(town) == 3
    town.pass_time(60)
    assert enter(town, digits_of(town, given(town))) == session.OK


def test_a_restart_neither_shortens_the_rest_nor_forgets_a_failure(town: Town) -> None:
    for _ in range(3):
        enter(town, "0000000000")
    town.pass_time(59)
    town.lock.power_on()
    assert failures(town) == 3
    assert enter(town, digits_of(town, given(town))) == reasons.PIN_WAIT
    town.pass_time(59)
    assert enter(town, digits_of(town, given(town))) == reasons.PIN_WAIT


@pytest.mark.parametrize("restarts", [False, True])
def test_a_day_of_guessing_yields_no_more_than_two_dozen_guesses_and_some(
    town: Town, restarts: bool
) -> None:
    """Three at once, then after 1, 5 and 15 minutes, then one an hour; a restart buys none."""
    ends_at, guesses = town.lock.now_ms + 24 * HOUR_MS, 0
    while town.lock.now_ms < ends_at:
        if restarts:
            town.lock.power_on()
        reason = enter(town, "0000000000")
        guesses += reason == reasons.PIN_REFUSED
        town.pass_time(60)
    assert guesses == (3 if restarts else 29)


def test_power_cut_before_the_answer_saves_no_guess(town: Town) -> None:
    """The failure is on record before anything is compared."""

    def cut(key: bytes) -> object:
        raise MemoryError("the power goes here")

    town.lock.core.crypto.aes = cut  # type: ignore[assignment]
    with pytest.raises(MemoryError):
        enter(town, "0000000000")
    town.lock.power_on()
    assert failures(town) == 1


def test_a_failure_that_cannot_be_counted_is_not_compared(town: Town) -> None:
    append = town.lock.storage.append

    def full(name: str, data: bytes) -> None:
        raise OSError(28, "no space")

    town.lock.storage.append = full  # type: ignore[method-assign]
    assert enter(town, digits_of(town, given(town))) == reasons.STORAGE
    town.lock.storage.append = append  # type: ignore[method-assign]
    town.lock.advance(1000)
    assert town.lock.door.bolt == 1.0


def test_a_hundred_failures_disable_the_keypad_alone_until_staff_clear_it(town: Town) -> None:
    for _ in range(DISABLED_AT):
        assert enter(town, "0000000000") == reasons.PIN_REFUSED
        wait_out(town)
    for _ in range(2):
        assert enter(town, digits_of(town, given(town))) == reasons.PIN_DISABLED
        town.lock.power_on()
    assert reason_of(town.present(town.credential(), session.COMMAND_UNLOCK)) == session.OK
    codes = [code for event, code, _ in events_of(town) if event == audit.DOOR_LOCK_ALARM]
    assert codes.count(audit.ALARM_WRONG_CODE) == 10
    assert codes.count(audit.ALARM_KEYPAD_DISABLED) == 1
    cleared = town.bring(session.REQUEST_CLEAR_KEYPAD, None, by=town.staff())
    assert cleared == (holder.REPLY, session.OK, None)
    assert enter(town, digits_of(town, given(town))) == session.OK


def test_a_resident_cannot_clear_the_keypad(town: Town) -> None:
    peer = town.connect()
    assert reason_of(peer.attempt(town.credential(), session.COMMAND_UNLOCK)) == session.OK
    assert peer.request(session.REQUEST_CLEAR_KEYPAD, None)[1] == reasons.SCOPE


def test_a_housekeeper_whose_time_has_not_come_cannot_clear_the_keypad(town: Town) -> None:
    peer = town.connect()
    early = town.credential(begins=600, permissions=32, signer=KEYS.staff)
    assert reason_of(peer.attempt(early, SYNC)) == reasons.NOT_YET_VALID
    assert peer.request(session.REQUEST_CLEAR_KEYPAD, None)[1] == reasons.SCOPE


def test_a_strict_door_may_switch_pins_off(town: Town) -> None:
    document = KEYS.config_document(LOCK_ID, 1, DoorConfig(pin_allowed=0))
    assert town.bring(session.REQUEST_CONFIG, document)[1] == session.OK
    assert enter(town, digits_of(town, given(town))) == reasons.PIN_NOT_HERE
    assert failures(town) == 0
    state = town.bring(session.REQUEST_STATE, None)[2]
    assert state[lockstate.STATE_KEYPAD] == lockstate.KEYPAD_OFF
