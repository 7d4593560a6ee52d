"""A town in one process under one virtual clock: real lock cores, real gateway machines.

Decides how the parts are put together; loop, clock, randomness, radio and broker are virtual, the
gateways' stores are SQLite in `folder`. Time moves in `time.advance` and `time.until` only, and a
seed makes everything that happens repeatable.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from firmware.core.identity import Identity
from gateway.machine import Settings
from kannuki.enrolment import EnrolmentFile, TrustFile
from protocol.holder import Credential
from simulator.town_keys import JOURNAL_EPOCH
from simulator.virtual.air import VirtualAir
from simulator.virtual.broker import VirtualBroker
from simulator.virtual.clock import STEP_MS, VirtualTime
from simulator.virtual.gateway import VirtualGateway
from simulator.virtual.lock import VirtualLock
from simulator.virtual.phone import VirtualLink

CLOCK_ERROR_S = 1


class VirtualTown:
    """`unix_s` at the start.

    `duplicates`: whether a delivery of the broker comes twice; `breaks`: whether a link breaks at a
    fragment.
    """

    def __init__(
        self,
        trust: TrustFile,
        unix_s: int,
        folder: Path,
        random_bytes: Callable[[int], bytes],
        duplicates: Callable[[], bool] = lambda: False,
        breaks: Callable[[], bool] = lambda: False,
    ) -> None:
        self.time = VirtualTime()
        self.locks: dict[str, VirtualLock] = {}
        self.gateways: dict[str, VirtualGateway] = {}
        self.air = VirtualAir(self.time, self.locks, breaks)
        self.broker = VirtualBroker(self.time, duplicates)
        self._trust = trust
        self._began_at = unix_s
        self._folder = folder
        self._random_bytes = random_bytes
        self.time.at_every_step(self._let_doors_move)

    def wall_s(self) -> float:
        """The time of gateways, cloud and the locks' clock chips: it runs, in virtual seconds."""
        return self._began_at + self.time.ms / 1000

    def wall_unix_s(self) -> int:
        """The same in whole seconds, as a clock chip shows it."""
        return int(self.wall_s())

    def hang_lock(self, lock_id: str) -> VirtualLock:
        """A new lock that trusts this town, enrolled and powered."""
        trust, told = self._trust, (self._began_at, CLOCK_ERROR_S)
        identity = Identity(trust.town, lock_id, JOURNAL_EPOCH, tuple(trust.roots), told)
        lock = VirtualLock(identity, trust.keyset, self.wall_unix_s, self._random_bytes)
        self.locks[lock_id] = lock
        return lock

    def enrolment(self, lock_id: str) -> EnrolmentFile:
        """What the lock said of itself when it was hung."""
        return EnrolmentFile(
            town=self._trust.town,
            lock_id=lock_id,
            public_key=self.locks[lock_id].public_key,
            signing_key=self.locks[lock_id].signing_key,
            journal_epoch=JOURNAL_EPOCH,
            enrolled_at=self._began_at,
        )

    def start_gateway(
        self, gateway_id: str, credentials: dict[str, Credential], settings: Settings
    ) -> VirtualGateway:
        """A gateway with a store of its own, online."""
        gateway = VirtualGateway(
            gateway_id,
            self._trust.town,
            credentials,
            self._folder / gateway_id,
            self.time,
            self.air,
            self.broker,
            self.wall_s,
            self._random_bytes,
            settings,
        )
        self.gateways[gateway_id] = gateway
        return gateway

    def link(self, lock_id: str) -> VirtualLink:
        """A phone's connection to a lock."""
        return VirtualLink(self.time, self.air, lock_id)

    def cut_power(self, lock_id: str, for_ms: int) -> None:
        """Power goes for a while and comes back; links break meanwhile."""
        lock = self.locks[lock_id]
        lock.power_off()
        self.air.lose(lock_id)
        self.time.advance(for_ms)
        lock.power_on()

    def close(self) -> None:
        """End all gateways; their stores stay."""
        for gateway in self.gateways.values():
            if gateway.machine is not None:
                gateway.kill()

    def _let_doors_move(self) -> None:
        for lock in self.locks.values():
            lock.advance(STEP_MS)
