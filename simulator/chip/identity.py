"""Derives a board's radio address from its name, so that a restarted lock keeps its address.

Pure; runs on both runtimes. Six bytes, most significant first, a static random address
(Bluetooth Core 5.4 Vol 6 Part B 1.3.2.1: the two top bits are set).
"""

import hashlib


def address_of(board_name: str) -> bytes:
    digest = hashlib.sha256(b"kannuki-board:" + board_name.encode()).digest()
    return bytes([digest[0] | 0xC0]) + digest[1:6]
