"""A lock's keys must not be made of numbers that somebody could work out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.firmware.standins import standins
from tests.firmware.town import KEYS, LOCK_ID, START, TOWN


class Radio:
    """`bluetooth.BLE`, as far as it is switched."""

    is_on = False

    def active(self, on: bool) -> None:
        Radio.is_on = on


@pytest.fixture
def enrol() -> Iterator[Any]:
    fakes = {
        "bluetooth": SimpleNamespace(BLE=Radio),
        "machine": SimpleNamespace(RTC=None),
        "cryptolib": SimpleNamespace(aes=None),
    }
    with standins(**fakes) as import_module:
        yield import_module("firmware.enrol")


@pytest.mark.parametrize("keyset", [KEYS.keyset_document().hex(), "00"])
def test_no_random_number_of_an_enrolment_is_drawn_while_the_radio_is_off(
    enrol: Any, monkeypatch: pytest.MonkeyPatch, keyset: str
) -> None:
    drawn: list[bool] = []

    def urandom(size: int) -> bytes:
        drawn.append(Radio.is_on)
        return bytes(range(size))

    files: dict[str, bytes] = {}
    storage = SimpleNamespace(
        read=lambda name, *part: files.get(name),
        write=files.__setitem__,
        delete=lambda name: files.pop(name, None),
        names=lambda folder: [],
    )
    monkeypatch.setattr(enrol.os, "urandom", urandom)
    monkeypatch.setattr(enrol, "FileStorage", lambda folder: storage)
    monkeypatch.setattr(enrol, "ChipRtc", lambda: SimpleNamespace(set=lambda t: None))
    wanted = {
        "town": TOWN,
        "lock_id": LOCK_ID,
        "journal_epoch": 1,
        "roots": [root.hex() for root in KEYS.public_roots],
        "keyset": keyset,
        "time": [START, 0],
    }
    enrol.run(json.dumps(wanted))
    assert drawn == ([True, True] if keyset != "00" else [])
    assert not Radio.is_on
