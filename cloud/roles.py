"""What the town's keys may sign: one row for each purpose, the same in keyset and signer.

Decides the bounds and nothing else. Why these: bookings are taken 366 days ahead, so a token is
issued that long before it begins; with the ten minutes before the booking 400 days leave room.
Staff tokens live a week, for whoever leaves the town's service shall not open doors next month;
a gateway's live 90 days, for it stands unattended in a cupboard, and open no door: so gateways have
an issuer of their own, of the same role. An emergency token lies sealed in a safe for a year and
works in front of its door alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud.keyfiles import Purpose
from protocol import keyset
from protocol import token as tokens

DAY_S = 86_400


@dataclass(frozen=True)
class Role:
    """A row of the keyset without its key; lifetimes in seconds."""

    role: int
    permissions: int = 0
    max_lifetime_s: int = 0
    max_ahead_s: int = 0


ROLES: dict[Purpose, Role] = {
    "booking-issuer": Role(
        keyset.ROLE_BOOKING,
        tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.LOCK,
        32 * DAY_S,
        400 * DAY_S,
    ),
    "staff-issuer": Role(keyset.ROLE_STAFF, tokens.ALL_PERMISSIONS, 7 * DAY_S, 7 * DAY_S),
    "gateway-issuer": Role(
        keyset.ROLE_STAFF, tokens.MAINTAIN | tokens.STATUS, 90 * DAY_S, 7 * DAY_S
    ),
    "status": Role(keyset.ROLE_STATUS),
    "time": Role(keyset.ROLE_TIME),
    "config": Role(keyset.ROLE_CONFIG),
    "firmware": Role(keyset.ROLE_FIRMWARE),
    "emergency": Role(
        keyset.ROLE_EMERGENCY,
        tokens.UNLOCK | tokens.LOCK | tokens.HOLD_OPEN | tokens.EVACUATE,
        366 * DAY_S,
        31 * DAY_S,
    ),
    "ack": Role(keyset.ROLE_ACK),
}
ISSUERS: tuple[Purpose, ...] = ("booking-issuer", "staff-issuer", "gateway-issuer", "emergency")
