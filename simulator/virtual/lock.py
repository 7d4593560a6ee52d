"""One lock and its door in virtual time: the real firmware core around the real door physics.

Decides only how time passes: physics in steps of STEP_MS, the core's sensing every SENSE_EVERY_MS
as on the chip. `now_ms` moves when `advance` is called and never otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import nacl.exceptions
import nacl.signing

from firmware.core import enrolment, secrets
from firmware.core import identity as identities
from firmware.core.door import EXTEND, RETRACT, Sensors
from firmware.core.identity import Identity
from firmware.core.lock import Lock
from protocol.crypto import Crypto
from simulator import door as physics
from simulator.town_keys import aes
from simulator.virtual.storage import MemoryStorage

STEP_MS = 10
SENSE_EVERY_MS = 20
POWER_ON_RESET = 1


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519 by libsodium: the verdict that the lock's own code must give, too."""
    try:
        nacl.signing.VerifyKey(public_key).verify(message, signature)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


class VirtualRtc:
    """The clock chip with its battery: it goes on while the lock has no power.

    `clock()` gives Unix seconds as the world has them; what is wrong with this clock is `offset_s`.
    `stopped`: its oscillator stood still since it was set last.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.offset_s = 0
        self.stopped = False
        self._clock = clock

    def read(self) -> int | None:
        """Unix seconds, or None when they are worth nothing."""
        return None if self.stopped else self._clock() + self.offset_s

    def set(self, unix_s: int) -> None:
        """Set it going."""
        self.offset_s = unix_s - self._clock()
        self.stopped = False


class VirtualLock:
    """`clock()` gives the world's time, Unix seconds; `storage` and `rtc` outlive a restart."""

    def __init__(
        self,
        identity: Identity,
        keyset_document: bytes,
        clock: Callable[[], int],
        random_bytes: Callable[[int], bytes] = os.urandom,
        config_document: bytes | None = None,
    ) -> None:
        self.storage = MemoryStorage()
        self.door = physics.Door()
        self.rtc = VirtualRtc(clock)
        self.happened: list[str] = []
        self.now_ms = 0
        self.is_powered = False
        self._crypto = Crypto(verify_signature, random_bytes, aes)
        made = enrolment.enrol(
            identity, keyset_document, config_document, self.storage, self._crypto
        )
        self.public_key, self.signing_key = made.public_key, made.signing_key
        self.power_on()

    def power_on(self) -> None:
        """Start the core from what storage holds: first start and every restart."""
        self.core = Lock(
            identities.load(self.storage),
            secrets.load(self.storage),
            self.storage,
            self._crypto,
            lambda: self.now_ms,
            self.rtc,
            self._sensors(),
            POWER_ON_RESET,
            self._battery,
        )
        self.is_powered = True
        self.carry_out()

    def leap(self, seconds: int) -> None:
        """Time passes for the lock's clocks while nothing moves and nobody speaks."""
        self.now_ms += seconds * 1000

    def power_off(self) -> None:
        """Power goes: RAM with all sessions is gone, motors stand still, storage stays."""
        self.is_powered = False
        self.happened += self.door.power_lost()

    def advance(self, ms: int) -> None:
        """Let this much time pass for door and lock."""
        for _ in range(0, ms, STEP_MS):
            self.now_ms += STEP_MS
            self.happened += self.door.step(STEP_MS)
            if self.is_powered and self.now_ms % SENSE_EVERY_MS == 0:
                self._drive(self.core.sense(self._sensors(), self.now_ms))

    def carry_out(self) -> None:
        """Turn the motor as the core wants now, as the chip does after every radio event."""
        self._drive(self.core.door.drive)

    def push_through(self) -> None:
        """A person opens the door, goes in, and the closer shuts it."""
        self.happened += self.door.push_open(1000)

    def press_exit(self) -> None:
        """A person inside presses the button beside the door."""
        self.happened += self.door.press_rex()

    def _sensors(self) -> Sensors:
        level = self.door.inputs()
        return Sensors(
            level[physics.PIN_BOLT_EXTENDED] == 1,
            level[physics.PIN_BOLT_RETRACTED] == 1,
            level[physics.PIN_DOOR_CLOSED] == 1,
            level[physics.PIN_REX] == 1,
            level[physics.PIN_TAMPER] == 1,
        )

    def _battery(self) -> int | None:
        return None if self.door.battery is None else int(self.door.battery)

    def _drive(self, direction: int) -> None:
        self.door.drive(physics.PIN_MOTOR_EXTEND, int(direction == EXTEND))
        self.door.drive(physics.PIN_MOTOR_RETRACT, int(direction == RETRACT))
