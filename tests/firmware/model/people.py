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
from tests.firmware.town import LOCK_ID, Peer, Town


class Caller:
    """One connection: `challenge` is what the lock asked last and was not yet answered."""

    def __init__(self, town: Town, mtu: int) -> None:
        self.town = town
        self.peer: Peer = town.connect(mtu)
        self.challenge = b""
        self.nonce: bytes | None = None  # of the open session, until signed time answered it
        self.has_greeted = False
        self.has_ended = False
        self.key: Key | None = None  # of the open session
        self.granted = False
        self.machine: HolderSession | None = None
        self.is_housekeeper = False
        self.greets_until_ms = 0
        self.said: list[bytes] = []

    @property
    def is_there(self) -> bool:
        return not self.peer.hung_up

    @property
    def is_open(self) -> bool:
        return self.is_there and self.machine is not None

    @property
    def _may_go_on(self) -> bool:
        return self.town.lock.now_ms < self.greets_until_ms

    @property
    def is_keeper(self) -> bool:
        """Whether phones may be nested in this link."""
        return self.is_housekeeper and self._may_go_on

    @property
    def is_proven(self) -> bool:
        """Whether the lock owes this peer its slot."""
        return self.is_there and ((self.granted and self.is_open) or self.is_keeper)

    @property
    def may_greet(self) -> bool:
        return self.is_there and not self.has_ended and (not self.has_greeted or self._may_go_on)

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
            self._close()
        elif answer is not None and answer[0] == session.REFUSAL:
            self.turned_away()
        return answer

    def turned_away(self) -> None:
        """The session is over; a keeper's link stays."""
        self.challenge = b""
        self._close()
        self.has_greeted = self.has_ended = not self.is_keeper

    def _close(self) -> None:
        self.key = self.machine = self.nonce = None
        self.granted = False

    def opened(self, key: Key, machine: HolderSession, reason: int) -> None:
        """The lock lets this key ask, with this reason."""
        assert machine.challenge is not None
        self.challenge, self.nonce = b"", machine.challenge.nonce
        self.key, self.machine, self.granted = key, machine, reason == session.OK
        if self.granted and key.token.permissions & tokens.MAINTAIN:
            self.is_housekeeper = True
        self.was_busy()

    def was_busy(self) -> None:
        """What is asked in a session makes it last."""
        self.greets_until_ms = self.town.lock.now_ms + sessions.IDLE_WITHIN_MS

    def presentation(self, key: Key, command: int) -> bytes:
        """What a holder that ignores the lock's id would say to the challenge."""
        raw = session.encode_presentation(
            self.town.random_bytes(session.NONCE_BYTES), key.credential.raw_token, command
        )
        greeting = (session.encode_hello(), self.challenge)
        proof = key.credential.proof_keys[LOCK_ID]
        return raw + session.presentation_mac(proof, greeting, raw)
