"""The town's word on what time it is, for one lock and one nonce.

Decides the form of two documents: the answer of the time key (context TIME_CONTEXT) and the reset
of a root (RESET_CONTEXT), which alone may lower a lock's floor. Payload:
[lock_id, nonce, t, error_s]: when the town saw the nonce its clock said t, at most error_s wrong.
What a lock makes of it is decided in firmware/core/timekeeper.py.
"""

from protocol import cbor, cose, forms
from protocol.forms import are_uints, is_bytes
from protocol.timebound import FOREVER
from protocol.token import is_lock_id

TIME_CONTEXT = b"kannuki-time"
RESET_CONTEXT = b"kannuki-time-reset"
TIME_NONCE_BYTES = 16
MAX_ERROR_S = 3600


class SignedTimeError(ValueError):
    """The payload is not an answer of our one form."""


class SignedTime:
    """t: Unix seconds; error_s: seconds, at most MAX_ERROR_S."""

    def __init__(self, lock_id: str, nonce: bytes, t: int, error_s: int) -> None:
        self.lock_id = lock_id
        self.nonce = nonce
        self.t = t
        self.error_s = error_s


def encode(answer: SignedTime) -> bytes:
    """The payload that the key signs."""
    payload = cbor.encode([answer.lock_id, answer.nonce, answer.t, answer.error_s])
    decode(payload)
    return payload


def decode(payload: bytes) -> SignedTime:
    """The answer in a payload. Raises SignedTimeError for anything but our one form."""
    lock_id, nonce, t, error_s = forms.array(payload, 4, SignedTimeError)
    forms.need(is_lock_id(lock_id) and is_bytes(nonce, TIME_NONCE_BYTES), SignedTimeError)
    forms.need(are_uints(t, error_s) and error_s <= MAX_ERROR_S, SignedTimeError)
    forms.need(error_s <= t and t + error_s < FOREVER, SignedTimeError)
    return SignedTime(lock_id, nonce, t, error_s)


def parse(document: bytes) -> tuple:
    """(Signed, SignedTime) of an unverified document. Raises CoseError or SignedTimeError."""
    signed = cose.decode(document)
    return signed, decode(signed.payload)
