"""Enrolment: the lock makes its own key, writes what it was told, and names its public half.

Decides what is written and in which order: an old configuration goes, then the secret is written,
the new configuration last, so that a cut leaves a lock that is not enrolled rather than one that
cannot answer. The private key never leaves `storage`. Enrolling again keeps nothing of the old
identity but needs the journal's epoch raised.
"""

from firmware.core import config as configs
from firmware.core.config import Config
from firmware.core.x25519 import public_key
from protocol.keys import KEY_BYTES
from protocol.shim import Any, Callable

CONFIG_FILE = "config.cbor"
KEY_FILE = "lock.key"


def enrol(config: Config, storage: Any, random_bytes: Callable) -> bytes:
    """Write key and configuration; the X25519 public key, 32 bytes."""
    private_key = random_bytes(KEY_BYTES)
    storage.delete(CONFIG_FILE)
    storage.write(KEY_FILE, private_key)
    storage.write(CONFIG_FILE, configs.encode(config))
    return public_key(private_key)
