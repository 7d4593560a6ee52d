"""What a lock is told at enrolment and keeps: its name, whom it trusts, how its door behaves.

Decides the form of /config.cbor: a CBOR map with the keys below (append only). Secrets are not in
it: the lock's own private key lies in a file of its own.
"""

from firmware.core.door import DoorConfig
from protocol import cbor
from protocol.cbor import CborError
from protocol.keys import KEY_BYTES, key_id
from protocol.shim import Any
from protocol.token import is_lock_id
from protocol.verify import IssuerKey

_TOWN, _LOCK_ID, _KEYSET_VERSION, _KEYS, _VAULT_EPOCH, _VAULT_KEY = 1, 2, 3, 4, 5, 6
_JOURNAL_EPOCH, _CONFIG_VERSION, _DOOR = 7, 8, 9


class ConfigError(ValueError):
    """The configuration is missing something or has an unexpected form."""


class Config:
    """keyset: {kid: IssuerKey}; vault_key: X25519, 32 bytes; door: DoorConfig."""

    def __init__(
        self,
        town: str,
        lock_id: str,
        keyset_version: int,
        keyset: dict,
        vault_epoch: int,
        vault_key: bytes,
        journal_epoch: int,
        version: int = 1,
        door: DoorConfig | None = None,
    ) -> None:
        self.town = town
        self.lock_id = lock_id
        self.keyset_version = keyset_version
        self.keyset = keyset
        self.vault_epoch = vault_epoch
        self.vault_key = vault_key
        self.journal_epoch = journal_epoch
        self.version = version
        self.door = door or DoorConfig()


def encode(config: Config) -> bytes:
    """The content of /config.cbor."""
    door = config.door
    return cbor.encode(
        {
            _TOWN: config.town,
            _LOCK_ID: config.lock_id,
            _KEYSET_VERSION: config.keyset_version,
            _KEYS: [
                [k.public_key, k.role, k.permissions, k.max_lifetime_s]
                for k in config.keyset.values()
            ],
            _VAULT_EPOCH: config.vault_epoch,
            _VAULT_KEY: config.vault_key,
            _JOURNAL_EPOCH: config.journal_epoch,
            _CONFIG_VERSION: config.version,
            _DOOR: [
                door.relock_after_ms,
                door.travel_timeout_ms,
                door.settle_ms,
                door.held_after_ms,
                door.jam_retry_ms,
            ],
        }
    )


def decode(raw: bytes) -> Config:
    """The configuration in `raw`. Raises ConfigError; a lock without one must not start."""
    try:
        members = cbor.decode(raw)
        keyset = _keyset(members[_KEYS])
        config = Config(
            members[_TOWN],
            members[_LOCK_ID],
            members[_KEYSET_VERSION],
            keyset,
            members[_VAULT_EPOCH],
            members[_VAULT_KEY],
            members[_JOURNAL_EPOCH],
            members[_CONFIG_VERSION],
            DoorConfig(*members[_DOOR]),
        )
    except (CborError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError("the configuration cannot be read: {}".format(error))
    if not is_lock_id(config.lock_id) or len(config.vault_key) != KEY_BYTES:
        raise ConfigError("the configuration names no lock or no vault")
    return config


def _keyset(rows: Any) -> dict:
    keyset = {}
    for public_key, role, permissions, max_lifetime_s in rows:
        if len(public_key) != KEY_BYTES:
            raise ConfigError("an issuer key has 32 bytes")
        if key_id(public_key) in keyset:
            raise ConfigError("two issuer keys have one key id")
        keyset[key_id(public_key)] = IssuerKey(public_key, role, permissions, max_lifetime_s)
    return keyset
