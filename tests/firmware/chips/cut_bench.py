"""What a story of power cuts needs on MicroPython: dice, a formatted flash, mounting, cuts."""

import os

from protocol.crypto import sha256
from simulator.chip.cut_flash import BLOCK_BYTES, LOST, WAYS, CutFlash, perform, tear

BLOCKS = 32
MOUNT = "/cut"

_mounted = []


class Dice:
    """Repeatable randomness: `random_bytes` and `below`."""

    def __init__(self, seed: int) -> None:
        self._state = sha256(b"dice %d" % seed)

    def random_bytes(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            self._state = sha256(self._state)
            out += self._state
        return out[:size]

    def below(self, bound: int) -> int:
        return int.from_bytes(self.random_bytes(4), "big") % bound


def formatted() -> bytearray:
    """A flash with an empty file system, as a board leaves the bench."""
    image = bytearray(b"\xff" * (BLOCKS * BLOCK_BYTES))
    os.VfsLfs2.mkfs(CutFlash(image))
    return image


def mount(flash: CutFlash) -> None:
    os.mount(os.VfsLfs2(flash), MOUNT)
    _mounted.append(flash)


def unmount() -> None:
    """The old life's last file objects must not write any more: its flash is dead from now on."""
    while _mounted:
        _mounted.pop()
        os.umount(MOUNT)


def every_cut(image: bytearray, log: list, dice: Dice):
    """(operations done, way, what is left) of every cut of a life; `image`: how it began."""
    for at in range(len(log) + 1):
        for way in WAYS if at < len(log) else (LOST,):
            left = bytearray(image)
            if at < len(log):
                tear(left, log[at][0], log[at][1], way, dice.random_bytes)
            yield at, way, left
        if at < len(log):
            perform(image, log[at][0], log[at][1])
