"""The lock's configuration: how its door behaves, which groups it belongs to, signed by the town.

Decides the form of the document and the bounds of its figures. It is a COSE_Sign1 under a key with
role "config" and the context below; its payload is
[lock_id, version, issued_at, [group_id, ...], {figure: value}]. Versions never go back. A figure
that this firmware does not know is refused: update the firmware first.
"""

from protocol import cbor, cose, forms
from protocol.forms import is_uint
from protocol.shim import Any
from protocol.timebound import is_time
from protocol.token import is_group_id, is_lock_id

CONTEXT = b"kannuki-config"
MAX_GROUPS = 16

# Figures. Append only.
FIGURE_RELOCK_AFTER_MS = 1
FIGURE_TRAVEL_TIMEOUT_MS = 2
FIGURE_SETTLE_MS = 3
FIGURE_HELD_AFTER_MS = 4
FIGURE_JAM_RETRY_MS = 5
FIGURE_DOUBT_S = 6
FIGURE_PIN_ALLOWED = 7
FIGURE_MAX_HOLD_S = 8

# figure -> (attribute, least, most, default)
FIGURES = {
    FIGURE_RELOCK_AFTER_MS: ("relock_after_ms", 500, 600000, 5000),
    FIGURE_TRAVEL_TIMEOUT_MS: ("travel_timeout_ms", 100, 30000, 2000),
    FIGURE_SETTLE_MS: ("settle_ms", 0, 10000, 500),
    FIGURE_HELD_AFTER_MS: ("held_after_ms", 1000, 3600000, 120000),
    FIGURE_JAM_RETRY_MS: ("jam_retry_ms", 1000, 600000, 5000),
    FIGURE_DOUBT_S: ("doubt_s", 0, 3600, 0),
    FIGURE_PIN_ALLOWED: ("pin_allowed", 0, 1, 1),
    FIGURE_MAX_HOLD_S: ("max_hold_s", 0, 86400, 28800),
}


class LockConfigError(ValueError):
    """The payload is not a configuration of our one form, or a figure is out of its bounds."""


class DoorConfig:
    """How one door behaves.

    relock_after_ms, travel_timeout_ms, settle_ms, held_after_ms, jam_retry_ms: milliseconds;
    doubt_s: how many seconds of doubt about the time the door bears when a window may be open
    (0: a strict door); pin_allowed: 0 or 1; max_hold_s: the longest hold-open.
    Raises LockConfigError for an unknown name or a value out of its bounds.
    """

    def __init__(self, **values: int) -> None:
        known = 0
        for name, least, most, default in FIGURES.values():
            value = values.get(name, default)
            known += name in values
            if not is_uint(value) or not least <= value <= most:
                raise LockConfigError("{} lies between {} and {}".format(name, least, most))
            setattr(self, name, value)
        if known != len(values):
            raise LockConfigError("unknown figure of a door")


class LockConfig:
    """groups: group ids, at most MAX_GROUPS; door: DoorConfig."""

    def __init__(
        self, lock_id: str, version: int, issued_at: int, groups: list, door: DoorConfig
    ) -> None:
        self.lock_id = lock_id
        self.version = version
        self.issued_at = issued_at
        self.groups = groups
        self.door = door


def encode(config: LockConfig) -> bytes:
    """The payload that the config key signs."""
    figures = {figure: getattr(config.door, row[0]) for figure, row in FIGURES.items()}
    members = [config.lock_id, config.version, config.issued_at, config.groups, figures]
    payload = cbor.encode(members)
    decode(payload)
    return payload


def decode(payload: bytes) -> LockConfig:
    """The configuration in a payload. Raises LockConfigError for anything but our one form."""
    lock_id, version, issued_at, groups, figures = forms.array(payload, 5, LockConfigError)
    _need(is_lock_id(lock_id) and is_uint(version) and version > 0 and is_time(issued_at))
    _need(isinstance(groups, list) and len(groups) <= MAX_GROUPS)
    _need(all(is_group_id(group) for group in groups))
    return LockConfig(lock_id, version, issued_at, groups, _door(figures))


def parse(document: bytes) -> tuple:
    """(Signed, LockConfig) of an unverified document. Raises CoseError or LockConfigError."""
    signed = cose.decode(document)
    return signed, decode(signed.payload)


def _door(figures: Any) -> DoorConfig:
    _need(isinstance(figures, dict) and all(figure in FIGURES for figure in figures))
    return DoorConfig(**{FIGURES[figure][0]: value for figure, value in figures.items()})


def _need(condition: bool) -> None:
    forms.need(condition, LockConfigError)
