"""The PIN: ten digits that say when they open one lock, for people without a smartphone.

Decides what a PIN means and whether its window fits the time; counts no failures and keeps no
state (the keypad's machine does). A PIN is FF1-AES, under a key that the vault and the lock derive,
of (quarter * 16 + length_code) * 32 + serial: it begins on a quarter hour, has one of 14 lengths,
and 32 differ for the same window. At any instant 7,232 of the ten thousand million PINs are good.
"""

from protocol import cbor, ff1
from protocol.crypto import hkdf_sha256, sha256
from protocol.shim import Callable
from protocol.timebound import TimeBound

DIGITS = 10
QUARTER_S = 900
LENGTHS_QUARTERS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48)  # append only, at most 16
SERIALS = 32
PIN_NAME_BYTES = 8
LOOSE_DOUBT_S = 900  # a door that is not strict accepts overlap while it doubts no more than this

_LENGTH_CODES = 16
_MAX_QUARTER = 10**DIGITS // (_LENGTH_CODES * SERIALS)


class PinError(ValueError):
    """A window that no PIN can say, or text that is no PIN."""


class Pin:
    """starts_at: Unix seconds, on a quarter hour; quarters: how long; serial: 0..31."""

    def __init__(self, starts_at: int, quarters: int, serial: int) -> None:
        if starts_at % QUARTER_S or not 0 <= starts_at // QUARTER_S < _MAX_QUARTER:
            raise PinError("a PIN begins on a quarter hour")
        if quarters not in LENGTHS_QUARTERS:
            raise PinError("no PIN has this length")
        if not 0 <= serial < SERIALS:
            raise PinError("there are 32 PINs for a window")
        self.starts_at = starts_at
        self.quarters = quarters
        self.serial = serial

    @property
    def ends_at(self) -> int:
        """Unix seconds; not included."""
        return self.starts_at + self.quarters * QUARTER_S

    def fits(self, now: TimeBound, strict: bool) -> bool:
        """Whether the window is open: surely on a strict door, possibly on any other."""
        if self.starts_at <= now.lo and now.hi < self.ends_at:
            return True
        if strict or now.hi - now.lo > LOOSE_DOUBT_S:
            return False
        return now.lo < self.ends_at and self.starts_at <= now.hi


def pin_key(kdk: bytes) -> bytes:
    """The AES-256 key under which one lock's PINs are made."""
    return hkdf_sha256(kdk, cbor.encode(["kannuki-pin", 32]))


def encode(encrypt_block: Callable, lock_id: str, pin: Pin) -> str:
    """The ten digits; `encrypt_block` is AES under `pin_key`."""
    code = LENGTHS_QUARTERS.index(pin.quarters)
    value = (pin.starts_at // QUARTER_S * _LENGTH_CODES + code) * SERIALS + pin.serial
    digits = str(ff1.encrypt(encrypt_block, lock_id.encode(), value, DIGITS))
    return "0" * (DIGITS - len(digits)) + digits


def decode(encrypt_block: Callable, lock_id: str, digits: str) -> Pin | None:
    """What ten digits say at this lock; None when they say nothing. Raises PinError for no PIN."""
    if len(digits) != DIGITS or not all(c in "0123456789" for c in digits):
        raise PinError("a PIN has ten digits")
    value = ff1.decrypt(encrypt_block, lock_id.encode(), int(digits), DIGITS)
    quarter, code, serial = value // 512, value // SERIALS % _LENGTH_CODES, value % SERIALS
    if code >= len(LENGTHS_QUARTERS) or quarter >= _MAX_QUARTER:
        return None
    return Pin(quarter * QUARTER_S, LENGTHS_QUARTERS[code], serial)


def name(lock_id: str, pin: Pin) -> bytes:
    """8 bytes that stand for this PIN in audit records and, cut to 6, in a status list."""
    named = ["kannuki-pin", lock_id, pin.starts_at, pin.quarters, pin.serial]
    return sha256(cbor.encode(named))[:PIN_NAME_BYTES]
