"""How a payment service and the town sign what they tell each other.

Decides whether a message is theirs and of now: HMAC-SHA256 over "<time>.<body>", shown as
`t=<Unix seconds>,v1=<hex>`. More than one secret may count while one replaces the other. Whether a
message was seen before is not decided here: that is the event id's, in the database.
Invariant: nothing of the body is read before its signature was found good.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

TOLERANCE_S = 300
MAX_SIGNATURES = 5
HEADER = "Kannuki-Signature"


def sign(secret: bytes, body: bytes, now: int) -> str:
    """The header's value for a message."""
    return f"t={now},v1={_mac(secret, body, now)}"


def is_signed(secrets: Sequence[bytes], header: str, body: bytes, now: int) -> bool:
    """Whether one of `secrets` signed this body, not more than five minutes from `now`."""
    at, shown = _read(header)
    if at is None or abs(now - at) > TOLERANCE_S:
        return False
    expected = [_mac(secret, body, at) for secret in secrets]
    matches = [hmac.compare_digest(a, b) for a in expected for b in shown]
    return any(matches)


def _mac(secret: bytes, body: bytes, at: int) -> str:
    return hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def _read(header: str) -> tuple[int | None, list[str]]:
    """(time, signatures) of a header; (None, []) for garbage."""
    at, shown = None, list[str]()
    for part in header[:1000].split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) < 14:
            at = int(value)
        elif name == "v1" and value.isascii() and len(shown) < MAX_SIGNATURES:
            shown.append(value)
    return at, shown
