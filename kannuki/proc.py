"""What Linux knows of a process, from /proc: whether it is still that one, and where it listens."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); None when gone.

    With the pid it names one process for ever: pids are used again, this pair is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and parentheses
    return None if after_name[0] in "ZX" else int(after_name[19])


def listens_on(pid: int, port: int) -> bool:
    """Whether this very process accepts TCP connections on a port.

    A connection that is answered could be another program's, if that one took the port first.
    """
    return not _listening_sockets(port).isdisjoint(_open_files(pid))


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):  # a kernel without IPv6
            continue
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _open_files(pid: int) -> set[str]:
    """What its descriptors lead to; those that went away while we looked are left out."""
    folder = f"/proc/{pid}/fd"
    found: set[str] = set()
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return found
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"{folder}/{descriptor}"))
    return found
