"""One lock and its door in virtual time: the real firmware core around the real door physics.

Decides only how time passes: physics in steps of STEP_MS, the core's sensing every SENSE_EVERY_MS
as on the chip. `now_ms` moves when `advance` is called and never otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import nacl.exceptions
import nacl.signing

from firmware.core import config as configs
from firmware.core import enrolment
from firmware.core.config import Config
from firmware.core.door import EXTEND, RETRACT, Sensors
from firmware.core.lock import Lock
from firmware.core.x25519 import x25519
from protocol.crypto import Crypto
from protocol.keys import lock_kdk
from protocol.timebound import TimeBound
from simulator import door as physics
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


class VirtualLock:
    """`clock()` gives what the lock takes for the time, Unix seconds or None when it has lost it.

    `storage` outlives a restart.
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], int | None],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.storage = MemoryStorage()
        self.door = physics.Door()
        self.happened: list[str] = []
        self.now_ms = 0
        self.is_powered = False
        self._clock = clock
        self._random_bytes = random_bytes
        self.public_key = enrolment.enrol(config, self.storage, random_bytes)
        self.power_on()

    def power_on(self) -> None:
        """Start the core from what storage holds: first start and every restart."""
        raw_config = self.storage.read(enrolment.CONFIG_FILE)
        private_key = self.storage.read(enrolment.KEY_FILE)
        assert raw_config is not None
        assert private_key is not None
        config = configs.decode(raw_config)
        shared = x25519(private_key, config.vault_key)
        kdk = lock_kdk(shared, config.town, config.lock_id, config.vault_epoch)
        crypto = Crypto(verify_signature, self._random_bytes)
        self.core = Lock(
            config,
            {config.vault_epoch: kdk},
            self.storage,
            crypto,
            self._time,
            self._sensors(),
            self.now_ms,
            POWER_ON_RESET,
        )
        self.is_powered = True
        self.carry_out()

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

    def _time(self) -> TimeBound | None:
        now = self._clock()
        return None if now is None else TimeBound(now, now)

    def _sensors(self) -> Sensors:
        level = self.door.inputs()
        return Sensors(
            level[physics.PIN_BOLT_EXTENDED] == 1,
            level[physics.PIN_BOLT_RETRACTED] == 1,
            level[physics.PIN_DOOR_CLOSED] == 1,
            level[physics.PIN_REX] == 1,
            level[physics.PIN_TAMPER] == 1,
        )

    def _drive(self, direction: int) -> None:
        self.door.drive(physics.PIN_MOTOR_EXTEND, int(direction == EXTEND))
        self.door.drive(physics.PIN_MOTOR_RETRACT, int(direction == RETRACT))
