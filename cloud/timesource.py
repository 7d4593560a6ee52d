"""The town's word on what time it is, for one lock and one nonce.

Decides nothing but the form: whoever brings a lock's nonce may carry the answer, for it is worth
nothing to another lock or session, and a carrier that delays it only widens the lock's doubt.
"""

from __future__ import annotations

from cloud.service import TownService
from protocol import signedtime
from protocol.signedtime import SignedTime, SignedTimeError


def answer(service: TownService, lock_id: str, nonce: bytes) -> bytes | None:
    """The signed document (protocol/signedtime.py); None for a name or nonce of another form."""
    told = SignedTime(lock_id, nonce, service.clock(), service.time_error_s)
    try:
        return service.time_signer.sign(signedtime.encode(told))
    except SignedTimeError:
        return None
