"""What the gateway tells the service manager: that it is ready, alive, stopping (sd_notify(3)).

Decides when the watchdog is fed: only when the machine came to rest, which is when it has done all
that is due and named a later moment. A machine that hangs, spins on a timer that does not move, or
whose task is gone is not fed, whatever the rest of the program does. Telling costs one datagram
that may be lost; it never blocks and never fails the gateway.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

MAX_STATUS_CHARS = 200
FEEDS_A_PERIOD = 4  # systemd advises at least two; more leaves room for a slow machine


class Notifier:
    """Datagrams to the socket in $NOTIFY_SOCKET; without one, nothing happens."""

    def __init__(self, address: str = "") -> None:
        self._socket: socket.socket | None = None
        self._is_heard = True
        if not address:
            return
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is no unix socket: the service manager is told nothing")
            return
        self._address = f"\0{address[1:]}" if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def tell(self, **values: str) -> None:
        """One datagram of NAME=value lines."""
        if self._socket is None:
            return
        lines = "\n".join(f"{name}={_one_line(value)}" for name, value in values.items())
        try:
            self._socket.sendto(lines.encode(), self._address)
            self._is_heard = True
        except OSError as error:
            if self._is_heard:  # once, not at every meal
                log.warning("the service manager does not listen: %s", error.strerror)
            self._is_heard = False

    def close(self) -> None:
        """No more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Watchdog:
    """Feeds through a Notifier. `period_s`: how soon the manager gives up; 0: it does not watch."""

    def __init__(self, notifier: Notifier, period_s: float) -> None:
        self._notifier = notifier
        self.every_s = period_s / FEEDS_A_PERIOD if period_s > 0 else float("inf")
        self._due_at = float("-inf")

    def machine_rests(self, at: float) -> None:
        """The machine has nothing to do before a later moment; `at`: monotonic seconds."""
        if at >= self._due_at and self.every_s != float("inf"):
            self._due_at = at + self.every_s
            self._notifier.tell(WATCHDOG="1")


def watchdog_period_s(environ: Mapping[str, str], pid: int) -> float:
    """What sd_watchdog_enabled(3) says: seconds, 0 when nobody watches this process."""
    try:
        wanted_pid = int(environ.get("WATCHDOG_PID") or pid)
        period_us = int(environ.get("WATCHDOG_USEC") or 0)
    except ValueError:
        log.warning("WATCHDOG_USEC or WATCHDOG_PID is no number: the watchdog is not fed")
        return 0.0
    return period_us / 1e6 if wanted_pid == pid and period_us > 0 else 0.0


def from_environment(environ: Mapping[str, str] | None = None) -> tuple[Notifier, Watchdog]:
    """For a program that is started as a service, or by hand."""
    found = os.environ if environ is None else environ
    notifier = Notifier(found.get("NOTIFY_SOCKET", ""))
    return notifier, Watchdog(notifier, watchdog_period_s(found, os.getpid()))


def _one_line(value: str) -> str:
    return " ".join(value.split())[:MAX_STATUS_CHARS]
