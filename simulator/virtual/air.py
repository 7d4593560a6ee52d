"""Bluetooth links between centrals (gateways, phones) and virtual locks, under virtual time.

Decides what a link does: it carries fragments whole, in order and late by LATENCY_MS, until someone
hangs up, the lock loses power, `lose` breaks it, or `breaks()` says that it breaks at a fragment.
A link never loses a fragment and lives on: ATT does not either.
Invariant: each `connect` ends in exactly one `down`, after at most one `up`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

from firmware.core.session import SEND
from gateway.machine.values import CLOSED, LOST, OUT_OF_RANGE
from simulator.virtual.clock import VirtualTime
from simulator.virtual.lock import VirtualLock

LATENCY_MS = 10
FIND_WITHIN_MS = 6000
MTU = 247
ATT_HEADER_BYTES = 3


class Central(Protocol):
    """Who holds the other end of a link to a lock."""

    def up(self, max_fragment: int) -> None: ...

    def received(self, fragment: bytes) -> None: ...

    def down(self, why: str) -> None: ...


class Contact:
    """One `connect` and what became of it."""

    def __init__(self, lock_id: str, handle: int, central: Central) -> None:
        self.lock_id = lock_id
        self.handle = handle
        self.central = central
        self.is_up = False
        self.is_over = False


class VirtualAir:
    """All links of all locks. A lock without power is out of range."""

    def __init__(
        self,
        time: VirtualTime,
        locks: dict[str, VirtualLock],
        breaks: Callable[[], bool] = lambda: False,
    ) -> None:
        self._time = time
        self._locks = locks
        self._breaks = breaks
        self._handles = itertools.count(1)
        self._contacts: dict[int, Contact] = {}
        time.at_every_step(self._collect)

    # --- the centrals' side ---

    def connect(self, lock_id: str, central: Central) -> Contact:
        """Begin to connect; `up` or `down` follows."""
        contact = Contact(lock_id, next(self._handles), central)
        self._look_for(contact, self._time.ms + FIND_WITHIN_MS)
        return contact

    def send(self, contact: Contact, fragment: bytes) -> None:
        """Write one fragment; nothing happens on a link that is gone."""
        self._pass_on(contact, lambda: self._write(contact, fragment))

    def hang_up(self, contact: Contact) -> None:
        """The central hangs up, or gives up connecting; `down` follows."""
        self._time.after(LATENCY_MS, lambda: self._end(contact, CLOSED))

    # --- the world's side ---

    def lose(self, lock_id: str) -> None:
        """All links of a lock break."""
        for contact in [c for c in self._contacts.values() if c.lock_id == lock_id]:
            self._end(contact, LOST)

    def advertises(self, lock_id: str) -> bool:
        """Whether a lock can be heard."""
        return lock_id in self._locks and self._locks[lock_id].is_powered

    # --- the life of one link ---

    def _look_for(self, contact: Contact, until_ms: int) -> None:
        if self.advertises(contact.lock_id):
            self._later(contact, lambda: self._open(contact))
        elif self._time.ms >= until_ms:
            self._end(contact, OUT_OF_RANGE)
        else:
            self._later(contact, lambda: self._look_for(contact, until_ms))

    def _open(self, contact: Contact) -> None:
        if not self.advertises(contact.lock_id):
            self._end(contact, LOST)
            return
        lock = self._locks[contact.lock_id]
        lock.core.sessions.connected(contact.handle, lock.now_ms)
        lock.core.sessions.mtu_changed(contact.handle, MTU)
        self._contacts[contact.handle] = contact
        contact.is_up = True
        contact.central.up(MTU - ATT_HEADER_BYTES)

    def _write(self, contact: Contact, fragment: bytes) -> None:
        if contact.is_up:
            lock = self._locks[contact.lock_id]
            lock.core.sessions.received(contact.handle, fragment, lock.now_ms)
            lock.carry_out()

    def _end(self, contact: Contact, why: str) -> None:
        if contact.is_over:
            return
        contact.is_over, contact.is_up = True, False
        if self._contacts.pop(contact.handle, None) and self.advertises(contact.lock_id):
            self._locks[contact.lock_id].core.sessions.disconnected(contact.handle)
        contact.central.down(why)

    # --- what the locks say ---

    def _collect(self) -> None:
        for lock in self._locks.values():
            if lock.is_powered:
                for action in lock.core.sessions.drain():
                    self._carry_out(action)

    def _carry_out(self, action: tuple) -> None:
        contact = self._contacts.get(action[1])
        if contact is None:
            return
        if action[0] == SEND:
            self._pass_on(contact, lambda: contact.central.received(action[2]))
        else:
            self._later(contact, lambda: self._end(contact, LOST))

    def _pass_on(self, contact: Contact, deliver: Callable[[], None]) -> None:
        if self._breaks():
            self._later(contact, lambda: self._end(contact, LOST))
        else:
            self._later(contact, deliver)

    def _later(self, contact: Contact, work: Callable[[], None]) -> None:
        self._time.after(LATENCY_MS, lambda: None if contact.is_over else work())
