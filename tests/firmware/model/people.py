"""The connections that people and attackers hold at one lock, as an observer on the air sees them.

Decides, from what went over the air alone, what each peer may expect: that a proven one is heard,
that all others are turned away. Every answer of the lock passes through `Caller.say`.
"""

from __future__ import annotations

from firmware.core import session as sessions
from protocol import session
from protocol import token as tokens
from protocol.holder import HolderSession
from tests.firmware.model.oracle import Key
from tests.firmware.town import Peer, Town


class Caller:
    """One connection: `challenge` is what the lock asked last and was not yet answered."""

    def __init__(self, town: Town, mtu: int) -> None:
        self.town = town
        self.peer: Peer = town.connect(mtu)
        self.challenge = b""
        self.has_greeted = False
        self.has_ended = False
        self.proven_key: Key | None = None
        self.machine: HolderSession | None = None
        self.keeper_until_ms = 0
        self.said: list[bytes] = []

    @property
    def is_there(self) -> bool:
        return not self.peer.hung_up

    @property
    def is_keeper(self) -> bool:
        """Whether phones may be nested in this link."""
        return self.town.lock.now_ms < self.keeper_until_ms

    @property
    def is_proven(self) -> bool:
        """Whether the lock owes this peer its slot."""
        return self.is_there and (self.proven_key is not None or self.is_keeper)

    @property
    def may_greet(self) -> bool:
        return self.is_there and not self.has_ended and (not self.has_greeted or self.is_keeper)

    def say(self, message: bytes) -> bytes | None:
        """One whole message; the lock's answer, or None."""
        self.peer.received.clear()
        self.peer.send(message)
        return self.heard()

    def heard(self) -> bytes | None:
        """What came last, and what it means for what comes next."""
        answer = self.peer.received[-1] if self.peer.received else None
        self.said += self.peer.received
        if answer is not None and answer[0] == session.CHALLENGE:
            self.challenge, self.has_greeted = answer, True
            self.proven_key = self.machine = None
        elif answer is not None and answer[0] == session.REFUSAL:
            self.turned_away()
        return answer

    def turned_away(self) -> None:
        """The session is over; a keeper's link stays."""
        self.challenge, self.proven_key, self.machine = b"", None, None
        self.has_greeted = self.has_ended = not self.is_keeper

    def granted(self, key: Key, machine: HolderSession) -> None:
        """The lock has said OK to this key here."""
        self.challenge, self.proven_key, self.machine = b"", key, machine
        self.was_busy()

    def was_busy(self) -> None:
        """A keeper's own session makes its link last."""
        key = self.proven_key
        if key is not None and key.credential.token.permissions & tokens.MAINTAIN:
            self.keeper_until_ms = self.town.lock.now_ms + sessions.IDLE_WITHIN_MS

    def presentation(self, key: Key, command: int) -> bytes:
        """What a holder that ignores the lock's id would say to the challenge."""
        raw = session.encode_presentation(
            self.town.random_bytes(session.NONCE_BYTES), key.credential.raw_token, command
        )
        return raw + session.presentation_mac(key.credential.proof_key, self.challenge, raw)
