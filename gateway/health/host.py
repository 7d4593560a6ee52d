"""What this computer says of itself: whether its clock follows a time server, room on its disk.

Decides how the kernel is asked; does not judge the answers. Asks the kernel directly: `timedatectl`
is a program of systemd's that speaks to a service, and none of both need be there.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5  # what adjtimex(2) returns while the clock is not synchronised


class _TimeVal(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long)]


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); the tail is room that the kernel keeps for itself."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _TimeVal),
        ("tick", ctypes.c_long),
        ("tail", ctypes.c_long * 32),
    ]


@dataclass(frozen=True)
class ClockSync:
    """The kernel's opinion of its clock. max_error_s: how far off it may be at most."""

    is_synchronised: bool
    max_error_s: float


def clock_sync() -> ClockSync | None:
    """None where the kernel does not say (no Linux, or a sandbox)."""
    asked = _Timex()  # modes 0: read only, needs no privilege
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    is_synchronised = state != _TIME_ERROR and not asked.status & _STA_UNSYNC
    return ClockSync(is_synchronised, asked.maxerror / 1e6)


@dataclass(frozen=True)
class Room:
    """Bytes on the file system of a folder, as an ordinary user may use them."""

    free: int
    total: int


def room(folder: Path) -> Room | None:
    """Of `folder`, or of its nearest parent that exists; None when the disk does not answer."""
    nearest = nearest_folder(folder)
    try:
        found = os.statvfs(nearest)
    except OSError:
        return None
    return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def nearest_folder(folder: Path) -> Path:
    """`folder` or its nearest parent that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if _exists(each))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a parent that this user may not look into
        return False
