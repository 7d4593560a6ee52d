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
    except CborError as error:
        raise ConfigError("the configuration cannot be read: {}".format(error))
    _need(isinstance(members, dict) and len(members) == _DOOR, "members are missing")
    _need(all(name in members for name in range(_TOWN, _DOOR + 1)), "members are missing")
    town, lock_id, vault_key = members[_TOWN], members[_LOCK_ID], members[_VAULT_KEY]
    numbers = (_KEYSET_VERSION, _VAULT_EPOCH, _JOURNAL_EPOCH, _CONFIG_VERSION)
    _need(isinstance(town, str) and is_lock_id(lock_id), "it names no lock")
    _need(_is_key(vault_key), "it names no vault")
    _need(all(_is_uint(members[name]) for name in numbers), "a version is no number")
    return Config(
        town,
        lock_id,
        members[_KEYSET_VERSION],
        _keyset(members[_KEYS]),
        members[_VAULT_EPOCH],
        vault_key,
        members[_JOURNAL_EPOCH],
        members[_CONFIG_VERSION],
        _door(members[_DOOR]),
    )


def _keyset(rows: Any) -> dict:
    _need(isinstance(rows, list), "the keyset is no list")
    keyset = {}
    for row in rows:
        _need(isinstance(row, list) and len(row) == 4, "a row of the keyset has four members")
        public_key, role, permissions, max_lifetime_s = row
        _need(_is_key(public_key), "an issuer key has 32 bytes")
        _need(all(_is_uint(n) for n in row[1:]), "a member of the keyset is no number")
        _need(key_id(public_key) not in keyset, "two issuer keys have one key id")
        keyset[key_id(public_key)] = IssuerKey(public_key, role, permissions, max_lifetime_s)
    return keyset


def _door(times_ms: Any) -> DoorConfig:
    _need(isinstance(times_ms, list) and len(times_ms) == 5, "the door has five times")
    _need(all(_is_uint(time_ms) for time_ms in times_ms), "a time of the door is no number")
    return DoorConfig(*times_ms)


def _is_key(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == KEY_BYTES


def _is_uint(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _need(condition: bool, complaint: str) -> None:
    if not condition:
        raise ConfigError("the configuration cannot be read: " + complaint)
