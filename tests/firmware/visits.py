"""Short words for tests of a whole lock: somebody visits, and what the journal says of it."""

from __future__ import annotations

from protocol import holder, session
from protocol.holder import Credential
from tests.firmware.town import Town

UNLOCK, SYNC = session.COMMAND_UNLOCK, session.COMMAND_SYNC
GROUP = "+gggggggg"


def reason_of(event: tuple) -> int:
    """The reason that came under the lock's MAC."""
    assert event[0] == holder.OUTCOME, event
    return int(event[1].reason)


def visit(town: Town, credential: Credential, command: int = UNLOCK) -> int:
    """Somebody comes, presents, goes; the reason."""
    peer = town.connect()
    reason = reason_of(peer.attempt(credential, command))
    peer.leave()
    return reason


def events_of(town: Town) -> list[tuple[int, int, int]]:
    """(event, code, source) of every record."""
    return [(r.event, r.code, r.source) for r in town.records()]
