"""Before a resident's session passes, the gateway shows the lock whose link it is.

A lock gives a stranger two seconds from its challenge to the presentation, but a housekeeper's link
thirty: a phone's way over cloud and broker may be long. The introduction is a session of the
gateway's own that asks for nothing; the resident's session is then nested in the same connection.
Decides only whether it succeeded. A lock that refuses our token is not introduced to again until a
visit went well: residents then pass as strangers, rather than not at all.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol import holder, session
from protocol.holder import Credential, HolderSession


class Introductions:
    """Introductions under way, by lock."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._under_way: dict[str, HolderSession] = {}
        self._unwelcome: set[str] = set()

    def begin(self, lock: str, credential: Credential) -> bytes | None:
        """What to say on a fresh connection; None where we are not welcome."""
        if lock in self._unwelcome:
            return None
        machine = HolderSession(credential, session.COMMAND_SYNC, self._random_bytes)
        self._under_way[lock] = machine
        ((_, message),) = machine.start()
        return bytes(message)

    def is_under_way(self, lock: str) -> bool:
        """Whether the lock's next message belongs to an introduction."""
        return lock in self._under_way

    def receive(self, lock: str, message: bytes) -> tuple[bytes | None, bool | None]:
        """(what to say next, whether we are known): True, False, or None while it goes on."""
        name, *values = self._under_way[lock].receive(message)[-1]
        if name == holder.SEND:
            return values[0], None
        del self._under_way[lock]
        known = name == holder.OUTCOME and values[0].reason == session.OK
        if not known:
            self._unwelcome.add(lock)
        return None, known

    def drop(self, lock: str) -> None:
        """The connection is gone."""
        self._under_way.pop(lock, None)

    def forgive(self, lock: str) -> None:
        """A visit went well: the lock knows us again."""
        self._unwelcome.discard(lock)
