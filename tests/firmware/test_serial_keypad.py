"""The keypad's wire on the lock's side, over a stand-in for `machine.UART`."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.door import OFF, RETRACT
from protocol import pin, reasons
from protocol.session import OK
from simulator import keypad as physical
from tests.firmware.standins import standins
from tests.firmware.test_attacks_radio import chip

__all__ = ["chip"]


class Uart:
    """`machine.UART`: what tests say arrives, what the lock says is kept."""

    def __init__(self, number: int, **options: int) -> None:
        self.number, self.options = number, options
        self.incoming, self.said = b"", b""
        self.largest_read = 0
        self.broken = False

    def any(self) -> int:
        self._work()
        return len(self.incoming)

    def read(self, count: int) -> bytes | None:
        self._work()
        self.largest_read = max(self.largest_read, count)
        read, self.incoming = self.incoming[:count], self.incoming[count:]
        return read or None

    def write(self, data: bytes) -> int:
        self._work()
        self.said += data
        return len(data)

    def _work(self) -> None:
        if self.broken:
            raise OSError(5)


@pytest.fixture(scope="module")
def module() -> Iterator[Any]:
    with standins(machine=SimpleNamespace(UART=Uart)) as import_module:
        yield import_module("firmware.hal.keypad")


def opened(module: Any) -> tuple[Any, Uart]:
    keypad = module.SerialKeypad()
    return keypad, keypad._uart


def test_it_sits_on_the_wire_that_the_reference_keypad_has(module: Any) -> None:
    _, uart = opened(module)
    assert uart.number == 1
    assert uart.options == {
        "baudrate": physical.BAUDRATE,
        "tx": physical.PIN_FROM_LOCK,
        "rx": physical.PIN_TO_LOCK,
    }
    assert module.KEYS.decode() == physical.KEYS


@given(noise=st.binary(max_size=200))
def test_only_keys_come_out_of_any_bytes_and_no_read_is_large(module: Any, noise: bytes) -> None:
    keypad, uart = opened(module)
    uart.incoming = noise
    typed, reads = "", 0
    while uart.incoming:
        typed, reads = typed + keypad.keys(), reads + 1
    assert typed == "".join(chr(byte) for byte in noise if byte in b"0123456789#*")
    assert uart.largest_read <= module.READ_BYTES
    assert reads == -(-len(noise) // module.READ_BYTES)


def test_one_read_never_brings_two_pins(module: Any) -> None:
    assert module.READ_BYTES < pin.DIGITS


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (None, "accepted"),
        (OK, "granted"),
        (reasons.PIN_REFUSED, "refused"),
        (reasons.PIN_WAIT, "wait"),
        (reasons.PIN_DISABLED, "off"),
        (reasons.PIN_NOT_HERE, "off"),
        (reasons.STORAGE, "off"),
        (reasons.JAMMED, "refused"),
        (9999, "refused"),
    ],
)
def test_every_reason_is_one_byte_that_the_reference_keypad_knows(
    module: Any, reason: int | None, shown: str
) -> None:
    keypad, uart = opened(module)
    keypad.show(reason)
    assert physical.ANSWERS[uart.said] == shown


def test_the_specification_lists_the_bytes_that_lock_and_keypad_speak(
    module: Any, pytestconfig: pytest.Config
) -> None:
    text = (pytestconfig.rootpath / "docs" / "spec" / "pin.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(.)` \| (\w+) \|", text, re.MULTILINE))
    assert rows == {answer.decode(): shown for answer, shown in physical.ANSWERS.items()}
    said = {module.ACCEPTED, module.GRANTED, module.REFUSED, module.WAIT, module.NO_USE}
    assert said == set(physical.ANSWERS)


def test_a_broken_line_is_a_silent_one(module: Any) -> None:
    keypad, uart = opened(module)
    uart.incoming, uart.broken = b"12", True
    assert keypad.keys() == ""
    keypad.show(OK)
    uart.broken = False
    assert keypad.keys() == "12"
    assert uart.said == b""


@pytest.mark.parametrize("error", [OSError(19), ValueError("no such pin")])
def test_a_chip_without_the_port_has_no_keypad_and_goes_on(
    module: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, "UART", refuse)
    keypad = module.SerialKeypad()
    assert keypad.keys() == ""
    keypad.show(OK)


class Door:
    """Lock, board and keypad in one: what the app does with them, in order."""

    def __init__(self, typed: str, reasons_of: dict[str, int], allowed: bool = True) -> None:
        self.typed, self.reasons = typed, reasons_of
        self.keypad = types.SimpleNamespace(allowed=allowed)
        self.door = types.SimpleNamespace(drive=OFF)
        self.done: list[tuple[str, object]] = []

    def keys(self) -> str:
        return self.typed

    def key_pressed(self, key: str, at: int) -> int | None:
        self.done.append(("pressed", key))
        reason = self.reasons.get(key)
        if reason == OK:
            self.door.drive = RETRACT
        return reason

    def drive(self, direction: int) -> None:
        self.done.append(("drive", direction))

    def show(self, reason: int | None) -> None:
        self.done.append(("show", reason))


def test_the_bolt_is_on_its_way_before_the_keypad_says_so(chip: Any) -> None:
    door = Door("12", {"2": OK})
    chip.app.take_keys(door, door, door, 0)
    assert door.done == [
        ("pressed", "1"),
        ("drive", OFF),
        ("show", None),
        ("pressed", "2"),
        ("drive", RETRACT),
        ("show", OK),
    ]


def test_a_door_that_takes_no_pins_does_not_even_count_keys(chip: Any) -> None:
    door = Door("12", {"2": OK}, allowed=False)
    chip.app.take_keys(door, door, door, 0)
    assert [what for what in door.done if what[0] != "drive"] == [
        ("show", reasons.PIN_NOT_HERE)
    ] * 2
