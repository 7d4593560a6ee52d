"""The simulated keypad: a finger's pace, the wire's pace, power, and what it shows."""

import asyncio

import pytest

from simulator.door import Door
from simulator.keypad import BAUDRATE, KEYS, MAX_KEYS, PIN_FROM_LOCK, PIN_TO_LOCK, Keypad
from tests.simulator.conftest import BOUND_S, SimulatedTown
from tests.simulator.test_world import FakeChip, Hand, hand, ops

__all__ = ["hand"]

PIN = "0123456789"


def powered() -> Keypad:
    keypad = Keypad()
    keypad.power_came()
    return keypad


def answer(keypad: Keypad, data: bytes) -> list[str]:
    return keypad.hear(PIN_FROM_LOCK, BAUDRATE, data)


def test_a_person_presses_one_key_every_tenth_of_a_second() -> None:
    keypad = powered()
    assert keypad.type(PIN) == ["keypad_typed"]
    said = []
    for _ in range(95):
        keypad.step(10)
        said.append(keypad.said())
    assert b"".join(said) == PIN.encode()
    # The first at once, then one at the end of every hundredth millisecond.
    assert [i for i, each in enumerate(said) if each] == [0, *range(9, 90, 10)]


def test_no_finger_is_faster_than_the_wire() -> None:
    keypad = powered()
    keypad.type("*" * 100, pause_ms=0)
    keypad.step(20)
    assert len(keypad.said()) == 20  # 9600 baud: 19.2 bytes, and the first one waits for nobody
    keypad.step(1000)
    assert keypad.as_json() == {"shown": "ready", "typing": 0, "pressed": 100, "answered": 0}


def test_a_pause_before_typing_is_no_credit_for_typing_faster() -> None:
    keypad = powered()
    keypad.step(60_000)
    keypad.type(PIN)
    keypad.step(50)
    assert keypad.said() == b"0"


def test_nobody_can_ask_for_endless_typing() -> None:
    keypad = powered()
    for _ in range(3):
        keypad.type("1" * MAX_KEYS)
    assert keypad.as_json()["typing"] == MAX_KEYS


def test_without_power_no_key_does_anything() -> None:
    keypad = Keypad()
    assert keypad.type(PIN) == ["keypad_dark"]
    keypad.power_came()
    keypad.step(5000)
    assert keypad.said() == b""


def test_power_that_goes_while_somebody_types_leaves_nothing_to_say() -> None:
    door = Door()
    door.keypad.power_came()
    door.keypad.type(PIN)
    door.step(150)
    door.power_lost()
    door.keypad.power_came()
    door.step(5000)
    assert door.keypad.said() == b""


def test_it_shows_the_last_answer_and_tells_each_change_once() -> None:
    keypad = powered()
    assert answer(keypad, b"KKR") == ["keypad_refused"]
    assert answer(keypad, b"KKG") == ["keypad_granted"]
    assert answer(keypad, b"OOO") == ["keypad_off"]
    assert answer(keypad, b"W") == ["keypad_wait"]
    assert (keypad.shown, keypad.answered) == ("wait", 10)


@pytest.mark.parametrize(
    ("pin", "baudrate", "data"),
    [
        (PIN_TO_LOCK, BAUDRATE, b"G"),
        (PIN_FROM_LOCK, 115200, b"G"),
        (PIN_FROM_LOCK, BAUDRATE, b"\x00g?"),
    ],
)
def test_another_wire_another_speed_and_other_bytes_show_nothing(
    pin: int, baudrate: int, data: bytes
) -> None:
    keypad = powered()
    assert keypad.hear(pin, baudrate, data) == []
    assert (keypad.shown, keypad.answered) == ("ready", 0)


@pytest.mark.slow
async def test_keys_reach_the_chip_and_its_answer_the_diary_which_names_no_key(
    town: SimulatedTown, hand: Hand
) -> None:
    chip = await FakeChip.join(town)
    status, told = await hand.post("/doors/lock-1/keys", {"keys": PIN + "#", "pause_ms": 0})
    assert (status, told["happened"]) == (200, ["keypad_typed"])
    heard = b""
    while len(heard) < len(PIN) + 1:
        op, payload = await chip.receive()
        assert (op, payload[:5]) == (ops.SERIAL_IN, bytes([16]) + BAUDRATE.to_bytes(4))
        heard += payload[5:]
    assert heard == PIN.encode() + b"#"
    chip.send(ops.SERIAL_OUT, bytes([17]) + BAUDRATE.to_bytes(4) + b"KG")
    async with asyncio.timeout(BOUND_S):
        while (await hand.door())["keypad"]["shown"] != "granted":
            await asyncio.sleep(0.02)
    log = (await hand.state())["log"]
    assert [each["event"] for each in log][-2:] == ["keypad_typed", "keypad_granted"]
    assert PIN not in str(await hand.state())


@pytest.mark.slow
async def test_keys_that_no_keypad_has_are_refused_with_words(
    town: SimulatedTown, hand: Hand
) -> None:
    await FakeChip.join(town)
    for body in (
        {},
        {"keys": ""},
        {"keys": 1234567890},
        {"keys": "12a"},
        {"keys": "１２"},
        {"keys": "1" * (MAX_KEYS + 1)},
        {"keys": "1", "pause_ms": -1},
    ):
        status, told = await hand.post("/doors/lock-1/keys", body)
        assert status == 400, body
        assert KEYS in told["error"] or "pause_ms" in told["error"]
    assert (await hand.door())["keypad"]["pressed"] == 0


@pytest.mark.slow
async def test_a_serial_port_of_the_chip_loses_what_a_real_one_loses(
    town: SimulatedTown, hand: Hand
) -> None:
    await town.start_chip(script="serial.py")
    await hand.until({"chip": True})
    await asyncio.sleep(1)  # the port opens: what comes before is lost
    await hand.post("/doors/lock-1/keys", {"keys": "1234567", "pause_ms": 0})
    for shown in ("granted", "wait"):
        async with asyncio.timeout(BOUND_S):
            while (await hand.door())["keypad"]["shown"] != shown:
                assert (await hand.door())["keypad"]["shown"] != "refused"
                await asyncio.sleep(0.02)
        await hand.post("/doors/lock-1/keys", {"keys": "1", "pause_ms": 0})
