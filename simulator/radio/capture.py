"""Writes HCI traffic as a btsnoop v1 file (H4), which Wireshark opens.

Append-only and flushed per packet: a killed world leaves a readable capture, a restarted one
continues it. Times are the world's, so a packet lines up with an audit record.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from bumble.snoop import Snooper

HEADER = b"btsnoop\0" + struct.pack(">LL", 1, 1002)  # version 1, H4
EPOCH_US = 0x00DCDDB30F2F8000  # 1970-01-01 in microseconds since 0 AD


class Capture(Snooper):
    """One btsnoop file; `now_s` gives Unix seconds of the world."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._now_s = now_s
        if self._file.tell() == 0:
            self._write(HEADER)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def snoop(self, hci_packet: bytes, direction: Snooper.Direction) -> None:
        is_command_or_event = hci_packet[0] in (1, 4)
        flags = int(direction) | (2 if is_command_or_event else 0)
        size = len(hci_packet)
        at = EPOCH_US + int(self._now_s() * 1_000_000)
        self._write(struct.pack(">IIIIQ", size, size, flags, 0, at) + hci_packet)

    def close(self) -> None:
        self._file.close()


class Tee(Snooper):
    """Shows each packet to several captures."""

    def __init__(self, captures: Sequence[Snooper]) -> None:
        self._captures = captures

    def snoop(self, hci_packet: bytes, direction: Snooper.Direction) -> None:
        for capture in self._captures:
            capture.snoop(hci_packet, direction)
