"""Nobody wears the flash by naming one key of the keyset after the other."""

from __future__ import annotations

from pathlib import Path

from firmware.hal.tables import FlashTables
from protocol.keyset import MAX_KEYS, ROOTS


def test_tables_of_the_largest_keyset_are_written_once_whatever_the_order(tmp_path: Path) -> None:
    tables, content = FlashTables(str(tmp_path)), bytes(100)
    names = ["base", *(f"key{number}" for number in range(MAX_KEYS + ROOTS))]
    written = 0
    for turn in range(5):
        for name in names[:: -1 if turn % 2 else 1]:
            if not tables.read_into(name, bytearray(100)):
                tables.write(name, content)
                written += 1
    assert written == len(names)
