"""One lock's radio link as the machine sees it: its phase, who uses it, and whole messages.

Decides how messages are cut and joined. Does not decide when to connect or what is said. An adapter
promises that each Connect ends in exactly one `link_down`, after at most one `link_up`.
"""

from __future__ import annotations

import enum

from gateway.machine.values import Now
from protocol import frames, session
from protocol.session import SessionError


class Phase(enum.Enum):
    """Where a link is in its life."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    CLOSING = "closing"


class Use(enum.Enum):
    """Who a link is for."""

    RELAY = "relay"
    HOUSEKEEPING = "housekeeping"


class Link:
    """The link to one lock, wanted since `began_at`.

    `deadline_at` bounds connecting and hanging up.
    """

    def __init__(self) -> None:
        self.phase = Phase.DOWN
        self.use: Use | None = None
        self.began_at = 0.0
        self.deadline_at = 0.0
        self._hang_ups = 0
        self._max_fragment = frames.MIN_FRAGMENT_BYTES
        self._incoming = frames.Reassembler()

    def connecting(self, use: Use, began_at: float, deadline_at: float) -> None:
        """Someone wants it."""
        self.phase, self.use, self._hang_ups = Phase.CONNECTING, use, 0
        self.began_at, self.deadline_at = began_at, deadline_at

    def up(self, max_fragment: int) -> None:
        """It carries fragments of at most `max_fragment` bytes."""
        self.phase = Phase.UP
        self._max_fragment = max_fragment
        self._incoming = frames.Reassembler()

    def closing(self, deadline_at: float) -> None:
        """We hang up; nobody uses it any more."""
        self.phase, self.use, self.deadline_at = Phase.CLOSING, None, deadline_at
        self._hang_ups += 1

    @property
    def is_closing_soon(self) -> bool:
        """Whether it is on its way down, and not because nobody hears us hang up."""
        return self.phase is Phase.CLOSING and self._hang_ups == 1

    def down(self) -> None:
        """It is gone."""
        self.phase, self.use = Phase.DOWN, None

    def is_for(self, use: Use) -> bool:
        """Whether `use` has it up."""
        return self.phase is Phase.UP and self.use is use

    def overdue(self, now: Now) -> bool:
        """Whether connecting or hanging up takes too long."""
        return self.phase in (Phase.CONNECTING, Phase.CLOSING) and now.at >= self.deadline_at

    def cut(self, message: bytes) -> list[bytes]:
        """Fragments of an outgoing message. Raises FrameError."""
        return frames.fragment(message, self._max_fragment)

    def join(self, fragment: bytes) -> bytes | None:
        """The message that a fragment completes. Raises FrameError."""
        message = self._incoming.push(fragment)
        if message is not None and message[:1] == bytes([session.CHALLENGE]):
            self._heed(message)
        return message

    def _heed(self, challenge: bytes) -> None:
        """A lock may take less than its link carries. Advice only: anyone could have said it."""
        try:
            largest = session.decode_challenge(challenge[1:]).max_fragment
        except SessionError:
            return
        self._max_fragment = min(self._max_fragment, largest)
